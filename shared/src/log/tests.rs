//! The log on real stores: what is committed once, what Redis makes of it, and what it does when it is lost.

use std::time::Duration;

use futures_util::future::join_all;

use super::*;
use crate::connections;
use crate::ids::SessionId;
use crate::testing::{app, app_with, conversation, user};
use crate::throttle::{Throttles, Who, Window};
use crate::tokens::Identity;

fn say(text: &str) -> Change {
    Change::Message { content: text.to_owned(), metadata: None, reply_to: None }
}

async fn committed(app: &App, conversation: ConversationId, user: UserId, client_id: &str) -> Committed {
    commit(app, conversation, user, &say(client_id), &Key::of_client(client_id), None)
        .await
        .expect("a commit")
}

async fn publish_only(app: &App, conversation: ConversationId, entries: &[Entry]) -> Folded {
    let entries: Vec<_> = entries.iter().collect();
    fold(app, conversation, &entries, &Token::generate()).await.expect("a fold")
}

async fn fold_under(
    app: &App,
    conversation: ConversationId,
    entries: &[Entry],
    token: &Token,
) -> Result<Folded> {
    fold(app, conversation, &entries.iter().collect::<Vec<_>>(), token).await
}

/// What a reader is shown, as content.
async fn contents(app: &App, conversation: ConversationId, reader: UserId) -> Vec<String> {
    let messages =
        read_messages(app, conversation, reader, Around::Before(1 << 50), 100, None).await.expect("a page");
    messages.into_iter().map(|message| message.content.expect("content")).collect()
}

fn registration(user: UserId, connection: &str) -> Registration {
    let value = format!("{user}|{user}|0|{}|{}", 1i64 << 50, crc32fast::hash(connection.as_bytes()));
    Registration { connection: ConnectionId(connection.to_owned()), value, user }
}

async fn registered(app: &App, conversation: ConversationId, user: UserId, connection: &str) {
    let from = From { last: None, seen: 0 };
    missed(app, conversation, user, connection, from).await.expect("a registration");
}

async fn missed(
    app: &App,
    conversation: ConversationId,
    user: UserId,
    connection: &str,
    from: From,
) -> Result<Missed> {
    let all = register(app, &registration(user, connection), &[(conversation, from)]).await;
    all.expect("Redis").pop().expect("one answer for one conversation")
}

fn messages(count: u32, length: Duration) -> Policy {
    Policy { name: "messages", windows: vec![Window { count, length }] }
}

/// The gate, in a request that nothing else throttles.
async fn ask_gate(
    app: &App,
    conversation: ConversationId,
    actor: &Actor,
    key: &Key,
    throttle: &Policy,
) -> Result<Gate> {
    gate(app, conversation, actor, key, throttle, &Admission::of(&Token::generate().0)).await
}

async fn forget(app: &App, keys: &[String]) {
    app.redis.call::<()>(Call::command("DEL").arg(keys)).await.expect("Redis");
}

#[tokio::test]
async fn racing_sends_of_one_key_are_one_entry() {
    let app = app().await;
    let ann = user(&app, "ann").await;
    let room = conversation(&app, &[ann]).await;

    let sends = (0..20).map(|_| committed(&app, room, ann, "once"));
    let all = join_all(sends).await;

    assert_eq!(all.iter().filter(|one| one.outcome == Outcome::Appended).count(), 1);
    assert!(all.iter().all(|one| one.entries[0].seq == 1));
}

#[tokio::test]
async fn a_request_without_a_client_id_is_one_entry_when_delivered_twice() {
    let app = app().await;
    let ann = user(&app, "ann").await;
    let room = conversation(&app, &[ann]).await;
    let key = Key::of_request("delivered-twice");

    let first = commit(&app, room, ann, &say("hello"), &key, None).await.expect("a commit");
    let second = commit(&app, room, ann, &say("hello"), &key, None).await.expect("a commit");

    assert!(first.outcome == Outcome::Appended && second.outcome == Outcome::Duplicate);
    assert_eq!(first.entries[0].seq, second.entries[0].seq);
}

#[tokio::test]
async fn the_first_content_of_a_key_wins() {
    let app = app().await;
    let ann = user(&app, "ann").await;
    let room = conversation(&app, &[ann]).await;
    let key = Key::of_client("k");

    commit(&app, room, ann, &say("first"), &key, None).await.expect("a commit");
    let repeated = commit(&app, room, ann, &say("second"), &key, None).await.expect("a commit");

    let message = repeated.entries.into_iter().next().and_then(Entry::into_message).expect("a message");
    assert_eq!(message.content.as_deref(), Some("first"));
}

#[tokio::test]
async fn an_entry_that_a_dead_handler_left_behind_is_folded_before_the_next_one() {
    let app = app().await;
    let ann = user(&app, "ann").await;
    let room = conversation(&app, &[ann]).await;
    registered(&app, room, ann, "phone").await;

    committed(&app, room, ann, "left behind").await; // committed, never published
    let next = committed(&app, room, ann, "next").await;
    let folded = publish_only(&app, room, &next.entries).await;

    assert_eq!(folded.work.cut.map(|cut| cut.seqs()), Some(vec![1, 2]));
    assert_eq!(contents(&app, room, ann).await, ["left behind", "next"]);
}

#[tokio::test]
async fn a_repeated_send_brings_in_what_its_first_delivery_committed() {
    let app = app().await;
    let ann = user(&app, "ann").await;
    let room = conversation(&app, &[ann]).await;
    registered(&app, room, ann, "phone").await;

    committed(&app, room, ann, "k").await; // its handler died here
    let repeated = committed(&app, room, ann, "k").await;
    let folded = publish_only(&app, room, &repeated.entries).await;

    assert!(repeated.outcome == Outcome::Duplicate);
    assert_eq!(folded.work.cut.map(|cut| cut.seqs()), Some(vec![1]));
}

#[tokio::test]
async fn whatever_key_redis_loses_nothing_is_lost_and_no_seq_is_used_twice() {
    let app = app().await;
    let ann = user(&app, "ann").await;
    for lost in 0..=8 {
        let room = conversation(&app, &[ann]).await;
        let keys = ConversationKeys::of(room);
        for client_id in ["one", "two"] {
            publish_only(&app, room, &committed(&app, room, ann, client_id).await.entries).await;
        }

        match keys.fold().get(lost) {
            Some(key) => forget(&app, std::slice::from_ref(key)).await,
            None => forget(&app, &keys.fold()).await,
        }
        let third = committed(&app, room, ann, "three").await;
        publish_only(&app, room, &third.entries).await;

        assert_eq!(third.entries[0].seq, 3);
        assert_eq!(contents(&app, room, ann).await, ["one", "two", "three"], "after losing key {lost}");
    }
}

#[tokio::test]
async fn a_redis_that_was_rewound_is_folded_forward() {
    let app = app().await;
    let ann = user(&app, "ann").await;
    let room = conversation(&app, &[ann]).await;
    let keys = ConversationKeys::of(room);
    for client_id in ["one", "two", "three"] {
        publish_only(&app, room, &committed(&app, room, ann, client_id).await.entries).await;
    }

    // As an older copy would have it: folded and pushed through 1, the stream ends there.
    app.redis
        .call::<()>(Call::command("HSET").arg(keys.meta()).arg(&["w", "1", "p0", "1"]))
        .await
        .expect("Redis");
    app.redis.call::<()>(Call::command("XDEL").arg(keys.stream()).arg(&["2-0", "3-0"])).await.expect("Redis");
    app.redis.call::<()>(Call::command("XSETID").arg(keys.stream()).arg("1-0")).await.expect("Redis");
    let from = From { last: Some(3), seen: 3 };
    let missed = missed(&app, room, ann, "phone", from).await.expect("a registration");

    assert!(missed.complete && missed.through == 3);
    assert_eq!(contents(&app, room, ann).await, ["one", "two", "three"]);
}

#[tokio::test]
async fn a_removal_unregisters_in_the_step_that_folds_it() {
    let app = app().await;
    let (ann, bob) = (user(&app, "ann").await, user(&app, "bob").await);
    let room = conversation(&app, &[ann, bob]).await;
    registered(&app, room, ann, "anns").await;
    registered(&app, room, bob, "bobs").await;

    let removal =
        commit(&app, room, ann, &Change::Remove(bob), &Key::of_request("r"), None).await.expect("a commit");
    let folded = publish_only(&app, room, &removal.entries).await;

    assert_eq!(folded.removed.iter().map(|(id, _)| id.0.as_str()).collect::<Vec<_>>(), ["bobs"]);
    assert!(folded.removed[0].1.contains(r#""type":"participant.removed""#));
    assert_eq!(folded.work.cut.map(|cut| cut.recipients()), Some(vec!["anns".to_owned()]));
    let again = missed(&app, room, bob, "bobs", From { last: None, seen: 0 }).await;
    assert!(matches!(again, Err(Error::NotFound(_))));
}

#[tokio::test]
async fn only_one_pushes_at_a_time_and_what_came_meanwhile_is_its_next_cut() {
    let app = app().await;
    let ann = user(&app, "ann").await;
    let room = conversation(&app, &[ann]).await;
    registered(&app, room, ann, "phone").await;
    let holder = Token::generate();

    let first = committed(&app, room, ann, "one").await;
    let held = fold_under(&app, room, &first.entries, &holder).await.expect("a fold");
    let second = committed(&app, room, ann, "two").await;
    let other = publish_only(&app, room, &second.entries).await;

    let cut = held.work.cut.expect("the lease was free");
    assert_eq!(cut.seqs(), [1]);
    assert!(other.work.cut.is_none());
    let next =
        rounds::next(&app, room, &holder, &cut, &rounds::Round::default()).await.expect("the next cut");
    let next = next.expect("what came meanwhile");
    assert_eq!(next.seqs(), [2]);
    let end = rounds::next(&app, room, &holder, &next, &rounds::Round::default()).await.expect("the end");
    assert!(end.is_none());
}

#[tokio::test]
async fn a_holder_that_died_is_followed_when_its_lease_has_run_out() {
    let app = app().await;
    let ann = user(&app, "ann").await;
    let room = conversation(&app, &[ann]).await;
    registered(&app, room, ann, "phone").await;
    let dead = Token::generate();
    let first = committed(&app, room, ann, "one").await;
    let held = fold_under(&app, room, &first.entries, &dead).await.expect("a fold").work.cut;

    let second = committed(&app, room, ann, "two").await;
    let before = publish_only(&app, room, &second.entries).await.work.cut;
    // As if two seconds had passed.
    let end = Call::command("HSET").arg(ConversationKeys::of(room).meta()).arg(&["until0", "0"]);
    app.redis.call::<()>(end).await.expect("Redis");
    let third = committed(&app, room, ann, "three").await;
    let after = publish_only(&app, room, &third.entries).await.work.cut;

    assert_eq!(held.map(|cut| cut.seqs()), Some(vec![1]));
    assert!(before.is_none());
    assert_eq!(after.map(|cut| cut.seqs()), Some(vec![1, 2, 3]));
}

#[tokio::test]
async fn a_big_room_is_left_to_a_job_for_each_bucket_under_one_lease() {
    let app = app().await;
    let ann = user(&app, "ann").await;
    let room = conversation(&app, &[ann]).await;
    for i in 0..300 {
        registered(&app, room, ann, &format!("connection {i}")).await;
    }

    let first = committed(&app, room, ann, "one").await;
    let token = Token::generate();
    let folded = fold_under(&app, room, &first.entries, &token).await.expect("a fold");
    let again = publish_only(&app, room, &committed(&app, room, ann, "two").await.entries).await;
    let mut reached = Vec::new();
    for &bucket in &folded.work.buckets {
        let cut = rounds::begin(&app, room, bucket, &token).await.expect("Redis").expect("a cut");
        assert_eq!(cut.seqs(), [1, 2]);
        reached.extend(cut.recipients());
        let end = rounds::next(&app, room, &token, &cut, &rounds::Round::default()).await.expect("Redis");
        assert!(end.is_none());
    }

    assert!(folded.work.cut.is_none());
    assert_eq!(folded.work.buckets, [0, 1]);
    assert!(again.work.buckets.is_empty(), "the jobs were started already");
    reached.sort();
    reached.dedup();
    assert_eq!(reached.len(), 300);
}

#[tokio::test]
async fn a_room_that_grows_goes_on_from_its_slowest_bucket() {
    let app = app().await;
    let ann = user(&app, "ann").await;
    let room = conversation(&app, &[ann]).await;
    registered(&app, room, ann, "phone").await;
    let slow =
        fold_under(&app, room, &committed(&app, room, ann, "one").await.entries, &Token::generate()).await;
    assert!(slow.expect("a fold").work.cut.is_some(), "it is being pushed when the room grows");

    for i in 0..300 {
        registered(&app, room, ann, &format!("connection {i}")).await;
    }
    let token = Token::generate();
    let second = committed(&app, room, ann, "two").await;
    let grown = fold_under(&app, room, &second.entries, &token).await.expect("a fold");

    assert_eq!(grown.work.buckets, [0, 1]);
    for bucket in grown.work.buckets {
        let cut = rounds::begin(&app, room, bucket, &token).await.expect("Redis").expect("a cut");
        assert_eq!(cut.seqs(), [1, 2]);
    }
}

#[tokio::test]
async fn an_ended_session_is_neither_registered_nor_in_a_cut() {
    let app = app().await;
    let [ann, bob, cal] = [user(&app, "ann").await, user(&app, "bob").await, user(&app, "cal").await];
    let room = conversation(&app, &[ann, bob, cal]).await;
    registered(&app, room, ann, "anns").await;
    registered(&app, room, bob, "bobs").await;

    let token = Token::generate();
    let cut_after_ending = async |ended: UserId, text: &str| {
        let ended = Identity { user: ended, session: SessionId(ended.0) };
        connections::revoke(&app, &[ended]).await.expect("Redis");
        let sent = committed(&app, room, cal, text).await;
        let folded = fold_under(&app, room, &sent.entries, &token).await.expect("a fold");
        folded.work.cut.map(|cut| cut.recipients())
    };

    assert_eq!(cut_after_ending(bob, "one").await, Some(vec!["anns".to_owned()]));
    assert_eq!(cut_after_ending(ann, "two").await, None);
    for user in [ann, bob] {
        let again = missed(&app, room, user, "another", From { last: None, seen: 0 }).await;
        assert!(matches!(again, Err(Error::Unauthenticated(_))));
    }
}

#[tokio::test]
async fn an_edit_and_a_reaction_are_read_alike_from_the_stream_and_from_postgres() {
    let app = app().await;
    let ann = user(&app, "ann").await;
    let room = conversation(&app, &[ann]).await;
    for text in ["one", "two", "three"] {
        publish_only(&app, room, &committed(&app, room, ann, text).await.entries).await;
    }
    let changes = [
        Change::Edit { message: MessageId(2), content: "second".to_owned() },
        Change::React { message: MessageId(2), emoji: "👍".to_owned(), on: true },
        Change::React { message: MessageId(3), emoji: "👍".to_owned(), on: true },
        Change::React { message: MessageId(3), emoji: "👍".to_owned(), on: false },
    ];
    for (i, change) in changes.iter().enumerate() {
        let made = commit(&app, room, ann, change, &Key::of_request(&i.to_string()), None).await;
        publish_only(&app, room, &made.expect("a change").entries).await;
    }
    let read = async || {
        let page = read_messages(&app, room, ann, Around::Before(1 << 50), 3, None).await.expect("a page");
        let missed = missed(&app, room, ann, "phone", From { last: Some(0), seen: 0 }).await;
        let all = (page, missed.expect("a registration").entries);
        // As values: the order of keys says nothing.
        let missed = serde_json::to_string(&all.1).expect("JSON");
        let missed: serde_json::Value = serde_json::from_str(&missed).expect("JSON");
        serde_json::to_value(&all.0).expect("JSON").to_string() + &missed.to_string()
    };

    let from_the_stream = read().await;
    forget(&app, &[ConversationKeys::of(room).stream()]).await;
    let from_postgres = read().await;
    forget(&app, &ConversationKeys::of(room).fold()).await;
    let loaded = read().await;

    assert!(from_the_stream.contains(r#""content":"second""#), "{from_the_stream}");
    assert!(!from_the_stream.contains(r#""content":"two""#), "{from_the_stream}");
    assert_eq!(from_the_stream.matches("👍").count(), 6, "{from_the_stream}");
    assert_eq!(from_the_stream, from_postgres);
    assert_eq!(from_the_stream, loaded);
}

#[tokio::test]
async fn a_text_that_was_taken_back_is_nowhere_in_redis() {
    let app = app().await;
    let ann = user(&app, "ann").await;
    let room = conversation(&app, &[ann]).await;
    for (key, text) in [("1", "one"), ("2", "a secret"), ("3", "three")] {
        let sent = commit(&app, room, ann, &say(text), &Key::of_client(key), None).await.expect("a commit");
        publish_only(&app, room, &sent.entries).await;
    }
    let edit = Change::Edit { message: MessageId(2), content: "still a secret".to_owned() };
    for (key, change) in [("e", &edit), ("d", &Change::Retract(MessageId(2)))] {
        let made = commit(&app, room, ann, change, &Key::of_request(key), None).await.expect("a change");
        publish_only(&app, room, &made.entries).await;
    }

    let keys = ConversationKeys::of(room);
    let stream = Call::command("XRANGE").arg(keys.stream()).arg("-").arg("+");
    let held = app.redis.wave(vec![stream, Call::command("HGETALL").arg(keys.changed())]).await;
    let held = format!("{:?}", held.expect("Redis"));
    let page = read_messages(&app, room, ann, Around::Before(1 << 50), 10, None).await.expect("a page");
    let again = commit(&app, room, ann, &edit, &Key::of_request("again"), None).await;

    assert!(held.contains("message.deleted") && !held.contains("secret"), "{held}");
    assert_eq!(
        page.iter().map(|one| one.content.as_deref()).collect::<Vec<_>>(),
        [Some("one"), None, Some("three")]
    );
    assert!(page[1].deleted_at.is_some() && page[1].metadata.is_none());
    assert!(matches!(again, Err(Error::NotFound("message"))));
}

#[tokio::test]
async fn twenty_emojis_fit_on_a_message_and_one_more_of_these_does() {
    let app = app().await;
    let (ann, bob) = (user(&app, "ann").await, user(&app, "bob").await);
    let room = conversation(&app, &[ann, bob]).await;
    committed(&app, room, ann, "one").await;
    let react = async |user, emoji: char, on| {
        let change = Change::React { message: MessageId(1), emoji: emoji.to_string(), on };
        commit(&app, room, user, &change, &Key::of_request(&Token::generate().0), None).await
    };
    for emoji in 'a'..='t' {
        react(ann, emoji, true).await.expect("a reaction");
    }

    let more = react(bob, 'u', true).await;
    let same = react(bob, 'a', true).await.expect("a reaction");
    let unchanged = react(bob, 'a', true).await.expect("an answer");
    react(ann, 't', false).await.expect("a reaction");
    let other = react(bob, 'u', true).await.expect("a reaction");

    assert!(matches!(more, Err(Error::Conflict(_))));
    assert_eq!(same.outcome, Outcome::Appended);
    assert_eq!(unchanged.outcome, Outcome::Unchanged);
    let message = other.entries.into_iter().next().and_then(Entry::into_message).expect("the message");
    assert_eq!(message.reactions.len(), 20);
    assert_eq!(message.reactions[0].user_ids, [ann, bob]);
    assert_eq!(message.reactions[19].emoji, "u");
}

#[tokio::test]
async fn a_deletion_is_folded_although_it_leaves_a_hole_before_itself() {
    let app = app().await;
    let (ann, bob) = (user(&app, "ann").await, user(&app, "bob").await);
    let room = conversation(&app, &[ann, bob]).await;
    publish_only(&app, room, &committed(&app, room, ann, "one").await.entries).await;
    registered(&app, room, bob, "bobs").await;

    committed(&app, room, ann, "two").await; // never published
    let deletion =
        commit(&app, room, ann, &Change::Delete, &Key::of_request("r"), None).await.expect("a commit");
    publish_only(&app, room, &deletion.entries).await;

    let page = read_messages(&app, room, bob, Around::Before(1 << 50), 10, None).await;
    assert!(matches!(page, Err(Error::NotFound(_))));
    let head = heads(&app, &ConnectionId("bobs".to_owned()), &[room]).await.expect("heads");
    assert!(!head[0].registered && head[0].w.is_none());
}

#[tokio::test]
async fn a_redis_that_is_far_behind_is_brought_up_at_once() {
    let app = app().await;
    let ann = user(&app, "ann").await;
    let room = conversation(&app, &[ann]).await;
    publish_only(&app, room, &committed(&app, room, ann, "first").await.entries).await;
    for i in 0..700 {
        committed(&app, room, ann, &i.to_string()).await;
    }

    let missed = missed(&app, room, ann, "phone", From { last: Some(701), seen: 701 }).await;

    let missed = missed.expect("a registration");
    assert!(missed.complete && missed.through == 701 && missed.entries.is_empty());
}

#[tokio::test]
async fn keys_paid_for_early_buy_no_second_window() {
    let app = app().await;
    let ann = user(&app, "ann").await;
    let room = conversation(&app, &[ann]).await;
    let throttle = messages(3, Duration::from_secs(2));
    let ask =
        async |key: &str| ask_gate(&app, room, &Actor::User(ann), &Key::of_client(key), &throttle).await;
    let began = std::time::Instant::now();
    for key in ["a", "b", "c"] {
        assert!(matches!(ask(key).await, Ok(Gate::Pass(_))));
    }

    // Repeated late in the window, each counts from now on: until then nothing new passes.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    for key in ["a", "b", "c"] {
        assert!(matches!(ask(key).await, Ok(Gate::Pass(_))));
    }
    let mut passed = 0;
    while began.elapsed() < Duration::from_secs(3) {
        let key = format!("{:?}", began.elapsed());
        passed += i32::from(matches!(ask(&key).await, Ok(Gate::Pass(_))));
    }

    assert_eq!(passed, 0);
}

#[tokio::test]
async fn the_throttle_is_exact_under_concurrency_and_a_repeat_is_free() {
    let app = app().await;
    let ann = user(&app, "ann").await;
    let room = conversation(&app, &[ann]).await;
    let throttle = messages(10, Duration::from_mins(1));
    let actor = Actor::User(ann);
    let keys: Vec<_> = (0..100).map(|i| Key::of_client(&i.to_string())).collect();

    let asked = join_all(keys.iter().map(|key| ask_gate(&app, room, &actor, key, &throttle))).await;
    let passed: Vec<_> = (0..100).filter(|&i| matches!(asked[i], Ok(Gate::Pass(_)))).collect();
    let refused = (0..100).find(|&i| matches!(asked[i], Err(Error::Throttled { .. }))).expect("a refusal");
    let again = ask_gate(&app, room, &actor, &keys[passed[0]], &throttle).await;
    let still = ask_gate(&app, room, &actor, &keys[refused], &throttle).await;

    assert_eq!(passed.len(), 10);
    assert!(matches!(again, Ok(Gate::Pass(_))));
    assert!(
        matches!(still, Err(Error::Throttled { retry_after, .. }) if retry_after > Duration::from_secs(50))
    );
}

#[tokio::test]
async fn a_page_has_no_seam_between_the_stream_and_postgres() {
    let app = app().await;
    let ann = user(&app, "ann").await;
    let room = conversation(&app, &[ann]).await;
    for i in 1..=30 {
        publish_only(&app, room, &committed(&app, room, ann, &i.to_string()).await.entries).await;
    }
    let from_the_stream = contents(&app, room, ann).await;

    // The stream as it is after trimming: it starts in the middle.
    let keys = ConversationKeys::of(room);
    app.redis
        .call::<()>(Call::command("XTRIM").arg(keys.stream()).arg(&["MINID", "16-0"]))
        .await
        .expect("Redis");
    let across = contents(&app, room, ann).await;
    let from = From { last: Some(3), seen: 3 };
    let missed = missed(&app, room, ann, "phone", from).await.expect("a registration");

    assert_eq!(from_the_stream, (1..=30).map(|i| i.to_string()).collect::<Vec<_>>());
    assert_eq!(across, from_the_stream);
    assert_eq!(
        missed.entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(),
        (4..=30).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn when_the_last_admin_leaves_the_longest_standing_participant_becomes_one() {
    let app = app().await;
    let (ann, bob) = (user(&app, "ann").await, user(&app, "bob").await);
    let room = conversation(&app, &[ann, bob]).await;

    let left =
        commit(&app, room, ann, &Change::Remove(ann), &Key::of_request("r"), None).await.expect("a commit");
    let again =
        commit(&app, room, ann, &Change::Remove(ann), &Key::of_request("r"), None).await.expect("a commit");

    assert_eq!(
        left.entries.iter().map(|entry| entry.kind.as_str()).collect::<Vec<_>>(),
        ["participant.removed", "participant.updated"]
    );
    assert!(again.outcome == Outcome::Duplicate && again.entries.len() == 2);
}

/// Sends over the connection "phone" until it waits in the inbox: as many at once as are a burst.
async fn burst(app: &App, room: ConversationId, from: usize, to: usize) -> Vec<Enqueued> {
    let sends = ConversationKeys::of(room).sends();
    app.redis.call::<()>(Call::command("SET").arg(sends).arg(1000)).await.expect("Redis");
    let mut enqueued = Vec::new();
    for number in from..to {
        let number = number.to_string();
        enqueued.push(send_in_burst(app, room, &Key::of_client(&number), &say(&number)).await);
    }
    enqueued
}

async fn send_in_burst(app: &App, room: ConversationId, key: &Key, change: &Change) -> Enqueued {
    let phone = ConnectionId("phone".to_owned());
    let intent = Intent::new(&phone, None, change, key);
    let passed = ask_gate(app, room, &Actor::Connection(phone), key, &app.throttles.messages).await;
    let Ok(Gate::Burst(user)) = passed else { panic!("no burst") };
    enqueue(app, room, user, &intent).await.expect("Redis")
}

fn leases(enqueued: Vec<Enqueued>) -> Vec<Token> {
    let lease = |one| match one {
        Enqueued::First(lease) => Some(lease),
        Enqueued::Waits | Enqueued::Full => None,
    };
    enqueued.into_iter().filter_map(lease).collect()
}

#[tokio::test]
async fn the_sends_of_a_burst_wait_for_one_holder_and_are_committed_together() {
    let app = app().await;
    let ann = user(&app, "ann").await;
    let room = conversation(&app, &[ann]).await;
    registered(&app, room, ann, "phone").await;

    let holders = leases(burst(&app, room, 0, 60).await);
    let mut progress = Progress::default();
    let committed = combine(&app, room, &holders[0], &mut progress).await.expect("a commit");
    let nothing = combine(&app, room, &holders[0], &mut progress).await.expect("the end");

    assert_eq!(committed.len(), 60);
    assert_eq!(holders.len(), 1);
    assert!(nothing.is_empty());
    let texts: Vec<_> = committed
        .iter()
        .map(|(_, answer)| {
            let (entry, duplicate) = answer.as_ref().expect("an entry");
            assert!(!duplicate);
            entry.message().and_then(|message| message.content.clone()).expect("content")
        })
        .collect();
    assert!(texts.is_sorted_by_key(|text| text.parse::<usize>().expect("a number")), "{texts:?}");
}

#[tokio::test]
async fn a_refused_command_or_request_takes_no_place_among_the_messages_and_waits_nowhere() {
    let once = |name| Policy { name, windows: vec![Window { count: 1, length: Duration::from_mins(1) }] };
    let off = Throttles::off();
    let app = app_with(Throttles { commands: once("commands"), user: once("user"), ..off }).await;
    let ann = user(&app, "ann").await;
    let room = conversation(&app, &[ann]).await;
    let connection = format!("phone {room}");
    registered(&app, room, ann, &connection).await;
    let phone = Actor::Connection(ConnectionId(connection));
    let over_http = |request: &str| Admission::of(request).and(&app.throttles.user, Who::User(ann));
    let three = messages(3, Duration::from_mins(1));
    let keys = ConversationKeys::of(room);
    let sends = Call::command("SET").arg(keys.sends()).arg(1000);
    app.redis.call::<()>(sends).await.expect("Redis");
    let ask = async |by: &Actor, request: &str, admission: &Admission| {
        gate(&app, room, by, &Key::of_request(request), &three, admission).await
    };
    let refused_by = |asked: Result<Gate>| match asked {
        Err(Error::Throttled { policy, .. }) => policy,
        _ => panic!("let in"),
    };

    assert!(matches!(ask(&phone, "one", &Admission::of("one")).await, Ok(Gate::Burst(_))));
    for request in ["two", "three", "four"] {
        assert_eq!(refused_by(ask(&phone, request, &Admission::of(request)).await), "commands");
    }
    assert!(ask(&Actor::User(ann), "five", &over_http("five")).await.is_ok());
    for request in ["six", "seven", "eight"] {
        assert_eq!(refused_by(ask(&Actor::User(ann), request, &over_http(request)).await), "user");
    }

    let inbox: usize = app.redis.call(Call::command("HLEN").arg(keys.inbox())).await.expect("Redis");
    assert_eq!(inbox, 0, "it has not been let in when the gate has answered");
    assert!(ask(&Actor::User(ann), "nine", &Admission::of("nine")).await.is_ok(), "the third place is free");
    assert_eq!(refused_by(ask(&Actor::User(ann), "ten", &Admission::of("ten")).await), "messages");
}

#[tokio::test]
async fn a_burst_is_answered_once_readers_find_it() {
    let app = app().await;
    let ann = user(&app, "ann").await;
    let room = conversation(&app, &[ann]).await;
    registered(&app, room, ann, "phone").await;
    let holder = leases(burst(&app, room, 0, 60).await).remove(0);
    let answered = combine(&app, room, &holder, &mut Progress::default()).await.expect("a commit");

    let found = publish_burst(
        &app,
        room,
        &answered,
        read_messages(&app, room, ann, Around::Before(1 << 50), 100, None),
    );

    assert_eq!(found.await.expect("a page").len(), answered.len());
}

#[tokio::test]
async fn in_a_burst_each_send_is_refused_or_known_by_itself() {
    let app = app().await;
    let ann = user(&app, "ann").await;
    let room = conversation(&app, &[ann]).await;
    registered(&app, room, ann, "phone").await;
    committed(&app, room, ann, "58").await; // its handler died before it was published
    let holder = leases(burst(&app, room, 0, 59).await).remove(0);
    let change = Change::Message { content: "x".to_owned(), metadata: None, reply_to: Some(MessageId(1000)) };
    send_in_burst(&app, room, &Key::of_client("answers nothing"), &change).await;

    let answered = combine(&app, room, &holder, &mut Progress::default()).await.expect("a commit");

    let refused = answered.iter().filter(|(_, answer)| matches!(answer, Err(Error::Invalid(_)))).count();
    let known = answered.iter().filter(|(_, answer)| matches!(answer, Ok((_, true)))).count();
    assert_eq!((refused, known), (1, 1));
    assert!(answered.len() > 2);
}

#[tokio::test]
async fn what_a_dead_holder_left_in_the_inbox_is_committed_by_the_next_one() {
    let app = app().await;
    let ann = user(&app, "ann").await;
    let room = conversation(&app, &[ann]).await;
    registered(&app, room, ann, "phone").await;

    let (dead, mut progress) = (leases(burst(&app, room, 0, 80).await).remove(0), Progress::default());
    let first = combine(&app, room, &dead, &mut progress).await.expect("a commit");
    let second = combine(&app, room, &dead, &mut progress).await.expect("a commit");
    // It died before anybody was answered; two seconds pass.
    forget(&app, &[ConversationKeys::of(room).inbox_lease()]).await;
    let (holder, mut progress) = (leases(burst(&app, room, 80, 90).await).remove(0), Progress::default());
    let again = combine(&app, room, &holder, &mut progress).await.expect("a commit");
    let rest = combine(&app, room, &holder, &mut progress).await.expect("a commit");

    let known =
        |answered: &[Answered]| answered.iter().filter(|(_, answer)| matches!(answer, Ok((_, true)))).count();
    assert_eq!((first.len(), second.len()), (64, 16));
    assert_eq!((again.len(), rest.len()), (64, 26));
    assert_eq!((known(&again), known(&rest)), (64, 16), "committed before, and answered once more");
}

#[tokio::test]
async fn a_full_inbox_that_nobody_empties_is_taken_over_and_else_passed_by() {
    let app = app().await;
    let ann = user(&app, "ann").await;
    let room = conversation(&app, &[ann]).await;
    registered(&app, room, ann, "phone").await;
    let fields = (0..1000).flat_map(|number| [format!("field {number}"), "value".to_owned()]);
    let fill = Call::command("HSET").arg(ConversationKeys::of(room).inbox());
    app.redis.call::<()>(fill.arg(fields.collect::<Vec<_>>())).await.expect("Redis");

    let enqueued = burst(&app, room, 0, 2).await;

    assert!(matches!(enqueued[..], [Enqueued::First(_), Enqueued::Full]));
}
