use super::*;
use crate::{
    frames,
    record::{Shown, View, Way},
};

const ALICE: &str = "alice";
const BOB: &str = "bob";
/// How far apart entries are written; each is shown half of that later.
const STEP: i64 = 1000;

fn message(client: usize, number: usize) -> (u64, What) {
    let user = [ALICE, BOB][client];
    let client_id = format!("{client}-{number}");
    (frames::of_message(user, &client_id, "text"), What::Message(client_id))
}

fn removed(user: &str) -> (u64, What) {
    (frames::of_change("participant.removed", user, ALICE), What::Removed(user.to_owned()))
}

fn added(user: &str) -> (u64, What) {
    (frames::of_change("participant.added", user, "member"), What::Added(user.to_owned()))
}

fn written_at(seq: u64) -> i64 {
    i64::try_from(seq).unwrap() * STEP
}

fn shown(entry: &Logged, way: Way) -> Shown {
    let Logged { seq, digest, at, .. } = *entry;
    Shown { room: 0, seq, digest, way, at: at + STEP / 2 }
}

/// A run without a fault: everybody is shown and applies everything that the log holds.
fn faultless(entries: Vec<(u64, What)>) -> (Records, Truth) {
    let log = entries.into_iter().zip(1..);
    let log: Vec<_> =
        log.map(|((digest, what), seq)| Logged { seq, digest, at: written_at(seq), what }).collect();
    let mut clients =
        [ALICE, BOB].map(|user| ClientRecord { user: user.to_owned(), ..ClientRecord::default() });
    for entry in &log {
        let sender = match &entry.what {
            What::Message(client_id) => {
                client_id.split_once('-').map(|(client, _)| client.parse::<usize>().unwrap())
            }
            _ => None,
        };
        for (number, client) in clients.iter_mut().enumerate() {
            let own = sender == Some(number);
            client.shown.push(shown(entry, if own { Way::Acked } else { Way::Pushed }));
            if own {
                let at = entry.at + STEP / 2;
                client.acks.push(Ack { number: client.sent.len(), seq: entry.seq, duplicate: false, at });
                client.sent.push(Sent { room: 0, digest: entry.digest });
            }
        }
    }
    let applied: Vec<_> = log.iter().map(|entry| (entry.seq, entry.digest)).collect();
    for client in &mut clients {
        client.views =
            vec![View { applied: applied.clone(), gaps_noticed: 1, gaps_closed: 1, ..View::default() }];
    }
    let messages = log.iter().filter(|entry| matches!(entry.what, What::Message(_)));
    let history = messages.map(|entry| (entry.seq, entry.digest)).collect();
    let participants = vec![ALICE.to_owned(), BOB.to_owned()];
    let last_seq = log.last().map_or(0, |entry| entry.seq);
    let room = Room { last_seq, log, participants, history: Some(history) };
    (Records { clients: clients.into(), outages: Vec::new() }, Truth { rooms: vec![room] })
}

fn three_messages() -> (Records, Truth) {
    faultless(vec![message(0, 0), message(1, 0), message(0, 1)])
}

#[track_caller]
fn assert_found(records: &Records, truth: &Truth, expected: &[Promise]) {
    let found = judge(records, truth);
    let promises: Vec<_> = found.iter().map(|violation| violation.promise).collect();
    assert_eq!(promises, expected, "{found:#?}");
    assert!(found.iter().all(|violation| violation.count > 0 && !violation.examples.is_empty()));
}

#[test]
fn a_faultless_run_breaks_no_promise() {
    let (records, truth) = faultless(vec![message(0, 0), message(1, 0), added("carol"), message(0, 1)]);
    assert_found(&records, &truth, &[]);
}

#[test]
fn an_acked_message_that_is_missing_is_found() {
    let (mut records, mut truth) = three_messages();
    truth.rooms[0].log.pop();
    truth.rooms[0].last_seq = 2;
    truth.rooms[0].history.as_mut().unwrap().pop();
    for client in &mut records.clients {
        client.shown.pop();
        client.views[0].applied.pop();
    }
    assert_found(&records, &truth, &[Promise::AckMeansDurable]);
}

#[test]
fn an_ack_with_the_place_of_another_message_is_found() {
    let (mut records, truth) = three_messages();
    records.clients[0].acks[0].seq = 2;
    assert_found(&records, &truth, &[Promise::AckMeansDurable]);
}

#[test]
fn an_ack_while_postgres_was_stopped_is_found_unless_it_repeats() {
    let (mut records, truth) = three_messages();
    let at = UNDER_WAY + 10 * STEP;
    records.outages = vec![(5 * STEP, 2 * at)];
    assert_found(&records, &truth, &[]);
    records.clients[0].acks[1].at = at;
    assert_found(&records, &truth, &[Promise::AckMeansDurable]);
    records.clients[0].acks[1].duplicate = true;
    assert_found(&records, &truth, &[]);
}

#[test]
fn a_message_that_is_in_the_log_twice_is_found() {
    let (records, truth) = faultless(vec![message(0, 0), message(1, 0), message(0, 0)]);
    assert_found(&records, &truth, &[Promise::AckMeansDurable, Promise::OnceForEver]);
}

#[test]
fn a_client_id_acked_with_two_places_is_found() {
    let (mut records, truth) = three_messages();
    let first = records.clients[0].acks[0];
    records.clients[0].acks.push(Ack { seq: 3, ..first });
    assert_found(&records, &truth, &[Promise::AckMeansDurable, Promise::OnceForEver]);
}

#[test]
fn a_message_that_nobody_sent_so_is_found() {
    let (mut records, truth) = three_messages();
    records.clients[1].sent[0].digest += 1;
    assert_found(&records, &truth, &[Promise::OnceForEver]);
}

#[test]
fn a_hole_in_the_log_is_found() {
    let (mut records, mut truth) = three_messages();
    truth.rooms[0].log.remove(1);
    truth.rooms[0].history.as_mut().unwrap().remove(1);
    records.clients[1].acks.clear();
    for client in &mut records.clients {
        client.shown.remove(1);
        client.views[0].applied.remove(1);
    }
    assert_found(&records, &truth, &[Promise::OneOrder]);
}

#[test]
fn a_last_seq_that_is_not_the_last_entrys_is_found() {
    let (records, mut truth) = three_messages();
    truth.rooms[0].last_seq = 2;
    assert_found(&records, &truth, &[Promise::OneOrder]);
}

#[test]
fn entries_applied_in_another_order_are_found() {
    let (mut records, truth) = three_messages();
    records.clients[1].views[0].applied.swap(0, 1);
    assert_found(&records, &truth, &[Promise::OneOrder]);
}

#[test]
fn an_entry_left_out_in_between_is_found() {
    let (mut records, truth) = three_messages();
    records.clients[1].views[0].applied.remove(1);
    assert_found(&records, &truth, &[Promise::OneOrder]);
}

#[test]
fn a_history_that_is_not_the_log_is_found() {
    for change in [
        |history: &mut Vec<_>| history.swap(0, 1),
        |history: &mut Vec<_>| history.truncate(2),
        |history: &mut Vec<_>| history.push((4, 4)),
    ] {
        let (records, mut truth) = three_messages();
        change(truth.rooms[0].history.as_mut().unwrap());
        assert_found(&records, &truth, &[Promise::OneOrder]);
    }
}

#[test]
fn an_entry_that_is_not_in_the_log_is_found() {
    let (mut records, truth) = three_messages();
    let mut ghost = records.clients[1].shown[2];
    ghost.seq = 4;
    records.clients[1].shown.push(ghost);
    assert_found(&records, &truth, &[Promise::DurableBeforeVisible]);
}

#[test]
fn an_entry_shown_with_another_text_is_found() {
    let (mut records, truth) = three_messages();
    records.clients[1].shown[2].digest += 1;
    assert_found(&records, &truth, &[Promise::DurableBeforeVisible]);
}

#[test]
fn an_entry_shown_before_it_was_written_is_found() {
    let (mut records, truth) = three_messages();
    records.clients[1].shown[2].at = written_at(3) - 1;
    assert_found(&records, &truth, &[Promise::DurableBeforeVisible]);
}

#[test]
fn a_client_that_misses_the_end_is_found() {
    let (mut records, mut truth) = three_messages();
    records.clients[1].views[0].applied.pop();
    assert_found(&records, &truth, &[Promise::NoSilentGap]);
    truth.rooms[0].participants.pop();
    assert_found(&records, &truth, &[]);
}

#[test]
fn a_gap_that_stays_open_is_found() {
    let (mut records, truth) = three_messages();
    records.clients[1].views[0].gaps_noticed += 1;
    assert_found(&records, &truth, &[Promise::NoSilentGap]);
    records.clients[1].views[0].gaps_abandoned += 1;
    assert_found(&records, &truth, &[]);
}

#[test]
fn a_participant_without_a_view_is_found() {
    let (mut records, truth) = three_messages();
    records.clients[1].views.clear();
    assert_found(&records, &truth, &[Promise::NoSilentGap]);
}

#[test]
fn an_entry_after_a_removal_is_found_even_when_the_person_is_added_later() {
    let (records, truth) =
        faultless(vec![message(0, 0), removed(BOB), message(0, 1), added(BOB), message(1, 0)]);
    assert_found(&records, &truth, &[Promise::RemovalIsImmediate]);

    let mut resumed = records.clone();
    let missed = &mut resumed.clients[1].shown[2];
    (missed.way, missed.at) = (Way::Resumed, written_at(4) + 1);
    assert_found(&resumed, &truth, &[]);
}

#[test]
fn an_entry_after_a_last_removal_is_found() {
    let (mut records, mut truth) = faultless(vec![message(0, 0), removed(BOB), message(0, 1)]);
    truth.rooms[0].participants.pop();
    assert_found(&records, &truth, &[Promise::RemovalIsImmediate]);
    records.clients[1].shown.pop();
    records.clients[1].views[0].applied.pop();
    assert_found(&records, &truth, &[]);
}

#[test]
fn an_entry_written_after_a_sign_out_is_found() {
    let (mut records, truth) = three_messages();
    records.clients[1].signed_out = vec![(written_at(3) + 1, written_at(5))];
    assert_found(&records, &truth, &[]);
    records.clients[1].signed_out = vec![(written_at(3) - 1, written_at(5))];
    assert_found(&records, &truth, &[Promise::RemovalIsImmediate]);
}

#[test]
fn a_frame_that_makes_no_sense_is_found() {
    let (mut records, truth) = three_messages();
    records.clients[1].strange.push("{}".to_owned());
    assert_found(&records, &truth, &[Promise::Contract]);
}
