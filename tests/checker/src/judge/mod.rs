//! Holds what clients wrote down against what really happened: a function of the two and nothing else.
//!
//! It relies on clients and Postgres reading one clock: what reaches somebody before it was written, or before they were
//! added again, came too early.

mod findings;
mod removal;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use findings::Findings;
pub use findings::{Promise, Violation};

use crate::{
    record::{Ack, ClientRecord, Records, Sent},
    truth::{Logged, Room, Truth, What},
};

/// An answer that was under way when Postgres was stopped still arrives, microseconds.
const UNDER_WAY: i64 = 2_000_000;

/// Every promise that was broken, each with how often and with examples.
pub fn judge(records: &Records, truth: &Truth) -> Vec<Violation> {
    let mut findings = Findings::default();
    for (number, room) in truth.rooms.iter().enumerate() {
        log_is_one_sequence(number, room, &mut findings);
        history_is_the_log(number, room, &mut findings);
    }
    log_is_what_was_sent(records, truth, &mut findings);
    for (number, client) in records.clients.iter().enumerate() {
        for strange in &client.strange {
            findings.add(Promise::Contract, || format!("client {number}: {strange}"));
        }
        acks_are_in_the_log(number, client, truth, &mut findings);
        acks_are_one_each(number, client, &mut findings);
        no_ack_without_postgres(number, client, &records.outages, &mut findings);
        shown_is_in_the_log(number, client, truth, &mut findings);
        applied_is_the_log(number, client, truth, &mut findings);
        no_gap_is_left(number, client, truth, &mut findings);
        removal::reaches_nobody(number, client, truth, &mut findings);
        removal::signed_out_is_told_nothing(number, client, truth, &mut findings);
    }
    findings.into_violations()
}

fn log_is_one_sequence(number: usize, room: &Room, findings: &mut Findings) {
    let mut next = 1;
    for entry in &room.log {
        if entry.seq != next {
            findings.add(Promise::OneOrder, || {
                format!("conversation {number}: in the log {next} is followed by {}", entry.seq)
            });
        }
        next = entry.seq + 1;
    }
    if room.last_seq + 1 != next {
        findings.add(Promise::OneOrder, || {
            format!("conversation {number}: last_seq is {}, its last entry {}", room.last_seq, next - 1)
        });
    }
}

fn history_is_the_log(number: usize, room: &Room, findings: &mut Findings) {
    let Some(history) = &room.history else { return };
    let messages = room.log.iter().filter(|entry| matches!(entry.what, What::Message(_)));
    let messages: Vec<_> = messages.map(|entry| (entry.seq, entry.digest)).collect();
    if messages != *history {
        let at = messages.iter().zip(history).position(|(logged, shown)| logged != shown);
        findings.add(Promise::OneOrder, || {
            format!(
                "conversation {number}: {} messages over HTTP, {} in the log; the first that differs is number {}",
                history.len(),
                messages.len(),
                at.unwrap_or(messages.len().min(history.len()))
            )
        });
    }
}

/// Every message of the log was sent, there and so, and is there once.
fn log_is_what_was_sent(records: &Records, truth: &Truth, findings: &mut Findings) {
    let mut found = HashMap::new();
    for (number, room) in truth.rooms.iter().enumerate() {
        for entry in &room.log {
            let What::Message(client_id) = &entry.what else { continue };
            if let Some(first) = found.insert(client_id, (number, entry.seq)) {
                findings.add(Promise::OnceForEver, || {
                    format!("{client_id} is in the log twice: {first:?} and {:?}", (number, entry.seq))
                });
            }
            let sent = sent_as(records, client_id);
            if !sent.is_some_and(|sent| sent.room == number && sent.digest == entry.digest) {
                findings.add(Promise::OnceForEver, || {
                    format!(
                        "conversation {number}, entry {}: {client_id:?} was never sent like this",
                        entry.seq
                    )
                });
            }
        }
    }
}

fn sent_as<'a>(records: &'a Records, client_id: &str) -> Option<&'a Sent> {
    let (client, number) = client_id.split_once('-')?;
    records.clients.get(client.parse::<usize>().ok()?)?.sent.get(number.parse::<usize>().ok()?)
}

fn acks_are_in_the_log(number: usize, client: &ClientRecord, truth: &Truth, findings: &mut Findings) {
    for ack in &client.acks {
        let entry = entry_of(client, ack, truth);
        let client_id = format!("{number}-{}", ack.number);
        if entry.is_none_or(|entry| entry.what != What::Message(client_id.clone())) {
            findings.add(Promise::AckMeansDurable, || {
                format!("{client_id} was acked with {}, where the log has {entry:?}", ack.seq)
            });
        }
    }
}

fn entry_of<'a>(client: &ClientRecord, ack: &Ack, truth: &'a Truth) -> Option<&'a Logged> {
    truth.rooms.get(client.sent.get(ack.number)?.room)?.entry(ack.seq)
}

fn acks_are_one_each(number: usize, client: &ClientRecord, findings: &mut Findings) {
    let mut first = HashMap::new();
    for ack in &client.acks {
        let seq = *first.entry(ack.number).or_insert(ack.seq);
        if seq != ack.seq {
            findings.add(Promise::OnceForEver, || {
                format!("{number}-{} was acked with {seq} and with {}", ack.number, ack.seq)
            });
        }
    }
}

/// A repeat may be answered from what Redis remembers: it was committed before.
fn no_ack_without_postgres(
    number: usize,
    client: &ClientRecord,
    outages: &[(i64, i64)],
    findings: &mut Findings,
) {
    for ack in client.acks.iter().filter(|ack| !ack.duplicate) {
        if outages.iter().any(|(from, until)| (from + UNDER_WAY..*until).contains(&ack.at)) {
            findings.add(Promise::AckMeansDurable, || {
                format!("{number}-{} was acked with {} while Postgres was stopped", ack.number, ack.seq)
            });
        }
    }
}

fn shown_is_in_the_log(number: usize, client: &ClientRecord, truth: &Truth, findings: &mut Findings) {
    for shown in &client.shown {
        let entry = truth.rooms.get(shown.room).and_then(|room| room.entry(shown.seq));
        let told = || format!("client {number}, conversation {}, {:?} {}", shown.room, shown.way, shown.seq);
        match entry {
            None => findings.add(Promise::DurableBeforeVisible, || format!("{}: not in the log", told())),
            Some(entry) if entry.digest != shown.digest => {
                findings.add(Promise::DurableBeforeVisible, || {
                    format!("{}: the log has something else there, {:?}", told(), entry.what)
                });
            }
            Some(entry) if entry.at > shown.at => findings.add(Promise::DurableBeforeVisible, || {
                format!("{}: {} µs before it was written", told(), entry.at - shown.at)
            }),
            Some(_) => {}
        }
    }
}

fn applied_is_the_log(number: usize, client: &ClientRecord, truth: &Truth, findings: &mut Findings) {
    for view in &client.views {
        let Some(room) = truth.rooms.get(view.room) else { continue };
        let log = room.log.iter().map(|entry| (entry.seq, entry.digest));
        let differs = view.applied.iter().copied().zip(log).position(|(applied, logged)| applied != logged);
        if differs.is_some() || view.applied.len() > room.log.len() {
            let at = differs.unwrap_or(room.log.len());
            findings.add(Promise::OneOrder, || {
                format!(
                    "client {number}, conversation {}: applied {:?} as number {}, where the log has {:?}",
                    view.room,
                    view.applied[at].0,
                    at + 1,
                    room.log.get(at).map(|entry| entry.seq)
                )
            });
        }
    }
}

fn no_gap_is_left(number: usize, client: &ClientRecord, truth: &Truth, findings: &mut Findings) {
    let viewed: HashSet<_> = client.views.iter().map(|view| view.room).collect();
    for (room, of) in truth.rooms.iter().enumerate() {
        if of.participants.contains(&client.user) && !viewed.contains(&room) {
            findings.add(Promise::NoSilentGap, || {
                format!("client {number}: knows nothing of conversation {room}")
            });
        }
    }
    for view in &client.views {
        let Some(room) = truth.rooms.get(view.room) else { continue };
        if !room.participants.contains(&client.user) {
            continue;
        }
        let last = view.applied.last().map_or(0, |(seq, _)| *seq);
        if last < room.last_seq || view.gap_is_open() {
            findings.add(Promise::NoSilentGap, || {
                format!(
                    "client {number}, conversation {}: applied through {last} of {}, {} of {} gaps closed",
                    view.room, room.last_seq, view.gaps_closed, view.gaps_noticed
                )
            });
        }
    }
}
