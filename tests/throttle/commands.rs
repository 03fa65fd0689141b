//! How much somebody may command over a connection.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use futures_util::future;
use serde_json::{Value, json};
use support::{Connection, Conversation, Incoming, PATIENCE, StackOptions, TestChat, User};

use super::{Accepted, assert_exact, throttled};

const MOST: usize = 20;
const WINDOW: Duration = Duration::from_secs(2);

#[tokio::test]
async fn commands_are_throttled_by_connection_and_let_in_again_after_the_window() {
    let chat = throttled([("COMMANDS", "3/5")]).await;
    let alice = chat.user("alice").await;
    let (mut phone, mut laptop) = (alice.connect().await, alice.connect().await);
    let (mut accepted, mut refused, began) = (Vec::new(), 0, Instant::now());
    for _ in 0..5 {
        phone.request_refused(json!({"type": "dance"}), "INVALID_TYPE").await;
        phone.request_refused(json!({"type": "typing"}), "INVALID").await;
    }

    while refused == 0
        || accepted.last().is_none_or(|one: &Accepted| one.asked < began + Duration::from_secs(5))
    {
        assert!(began.elapsed() < PATIENCE, "{refused} refused, {} let in", accepted.len());
        let asked = Instant::now();
        let answer = phone.request(json!({"type": "ping"})).await;
        if answer["type"] == "error" {
            assert_eq!(answer["code"], "THROTTLED", "{answer}");
            assert!((1..=5).contains(&answer["retry_after"].as_u64().unwrap()), "{answer}");
            assert!(accepted.len() >= 3, "the first three are let in");
            refused += 1;
        } else {
            accepted.push(Accepted { asked, answered: Instant::now() });
        }
    }

    assert_exact(&mut accepted, 3, Duration::from_secs(5));
    laptop.ping().await;
}

#[tokio::test]
async fn whatever_command_is_one_too_many_does_nothing() {
    let options = StackOptions {
        throttle_messages: "2/3600".to_owned(),
        throttles: vec![("COMMANDS", "2/3600".to_owned())],
        ..StackOptions::default()
    };
    let chat = TestChat::alone(options).await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let ours = alice.start_conversation_with([&bob]).await;
    let first = alice.send(&ours, "first").await;
    let (mut phone, mut watching) = (alice.connect().await, bob.connect_to(&ours).await);
    phone.subscribe(&ours).await;
    phone.ping().await;

    let of_the_message = json!({"conversation_id": ours.id, "message_id": first.id});
    let of_the_conversation = json!({"conversation_id": ours.id, "content": "refused"});
    let commands = [
        ("message.send", &of_the_conversation),
        ("message.send", &json!({"content": "refused", "client_id": "1"})),
        ("message.edit", &json!({"conversation_id": ours.id, "message_id": first.id, "content": "refused"})),
        ("message.delete", &of_the_message),
        (
            "message.react",
            &json!({"conversation_id": ours.id, "message_id": first.id, "emoji": "x", "on": true}),
        ),
        ("read", &of_the_message),
        ("typing", &of_the_conversation),
        ("history", &of_the_conversation),
        ("unsubscribe", &json!({"conversations": [ours.id]})),
        ("subscribe", &json!({"conversations": {&ours.id: null}})),
        ("ping", &json!({})),
    ];
    for (name, fields) in commands {
        let mut command: Value = fields.clone();
        command["type"] = json!(name);
        let refused = phone.request_refused(command, "THROTTLED").await;
        assert!(refused["retry_after"].as_u64().is_some_and(|seconds| seconds > 3500), "{refused}");
    }

    let second = alice.send(&ours, "second").await;
    assert_eq!(second.seq, first.seq + 1, "nothing was done, and no place among the messages taken");
    assert_eq!(watching.next_event_of("message").await["seq"], second.seq, "nothing was told");
    assert_eq!(phone.next_message().await, second, "the subscription is not ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_are_throttled_exactly_also_when_they_are_a_burst_of_sends() {
    let options = StackOptions {
        throttle_messages: "off".to_owned(),
        throttles: vec![("COMMANDS", format!("{MOST}/{}", WINDOW.as_secs()))],
        ..StackOptions::default()
    };
    let chat = TestChat::alone(options).await;
    let alice = chat.user("alice").await;
    let ours = alice.start_conversation_with([]).await;
    alice.send(&ours, "so that it is warm").await;
    let connections = future::join_all((0..6).map(|_| alice.connect())).await;

    let sending = connections.into_iter().enumerate().map(async |(number, mut connection)| {
        let (mut accepted, began, mut volley) = (Vec::new(), Instant::now(), 0);
        // Longer where the functions take their time to start, and then to be quick enough for a burst.
        while began.elapsed() < 3 * WINDOW
            || (began.elapsed() < PATIENCE
                && (accepted.len() < 2 * MOST || chat.stack.finished_invocations("fan-out").await == 0))
        {
            accepted.extend(send_at_once(&mut connection, &ours, &format!("{number} {volley}"), 60).await);
            volley += 1;
        }
        assert_exact(&mut accepted, MOST, WINDOW);
        assert!(accepted.len() >= 2 * MOST, "refusals cost nothing, so {} were let in again", accepted.len());
        accepted.len()
    });
    let accepted: usize = future::join_all(sending).await.into_iter().sum();

    assert_eq!(
        messages(&chat, &alice, &ours).await,
        1 + accepted,
        "what was let in is stored, and nothing else"
    );
    // Nobody is subscribed, so that nothing else is left to it.
    let combined = chat.stack.settled_invocations("fan-out").await;
    assert!(combined > 0, "the sends were no burst");
}

/// Sends so many messages without waiting, and gives which were let in; the others must have been throttled.
async fn send_at_once(
    connection: &mut Connection,
    conversation: &Conversation,
    name: &str,
    count: usize,
) -> Vec<Accepted> {
    let asked = Instant::now();
    for number in 0..count {
        let client_id = format!("{name} {number}");
        let send = json!({"type": "message.send", "conversation_id": conversation.id, "content": client_id,
            "client_id": client_id, "ref": client_id});
        connection.send_command(&send).await;
    }
    let mut accepted = Vec::new();
    let mut unanswered: BTreeSet<_> = (0..count).map(|number| format!("{name} {number}")).collect();
    while !unanswered.is_empty() {
        let Incoming::Frame(answer) = connection.next_incoming(tokio::time::Instant::now() + PATIENCE).await
        else {
            panic!("{name}: not all are answered");
        };
        if !unanswered.remove(answer["ref"].as_str().unwrap()) {
            // In a burst an answer may be pushed once more.
            assert_eq!(answer["type"], "ack", "{answer}");
        } else if answer["type"] == "ack" {
            accepted.push(Accepted { asked, answered: Instant::now() });
        } else {
            assert_eq!(answer["code"], "THROTTLED", "{answer}");
        }
    }
    accepted
}

/// How many messages a conversation has.
async fn messages(chat: &TestChat, reader: &User, conversation: &Conversation) -> usize {
    let postgres = chat.stack.postgres_connection(None).await;
    let query = "select count(*) from entries where conversation_id = $1::text::uuid and kind = 'message'";
    let count: i64 = postgres.query_one(query, &[&conversation.id]).await.unwrap().get(0);
    assert_eq!(reader.details(conversation).await["last_seq"], count);
    usize::try_from(count).unwrap()
}
