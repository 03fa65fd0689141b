//! What others are told that is no entry of the log: who types, who has read, who comes and goes.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Connection, Message, PATIENCE, TestChat, User, about};
use tokio::time::{interval, timeout};
use uuid::Uuid;

/// Waits until the server counts so many connections as somebody's.
async fn until_connections(chat: &TestChat, user: &User, count: usize) {
    let counted = async {
        let mut again = interval(Duration::from_millis(20));
        while chat.stack.connections_of(user).await != count {
            again.tick().await;
        }
    };
    timeout(PATIENCE, counted).await.expect("the server counts the connections that are there");
}

#[tokio::test]
async fn typing_is_shown_to_others_and_never_to_oneself() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let mut phone = alice.connect_to(&conversation).await;
    let mut laptop = alice.connect_to(&conversation).await;
    let mut watching = bob.connect_to(&conversation).await;

    phone.type_in(&conversation, true).await;

    let typing = watching.next_event_of("typing").await;
    assert_eq!(typing["conversation_id"], conversation.id.as_str());
    assert_eq!(typing["user_id"], alice.id.as_str());
    assert_eq!(typing["user_name"], alice.name.as_str());
    assert_eq!(typing["active"], true);
    assert_eq!(typing["seq"], Value::Null, "it is no entry of the log");
    assert_eq!(phone.unread_events().await, Vec::<Value>::new(), "no answer and no echo");
    assert_eq!(laptop.unread_events().await, Vec::<Value>::new());
}

#[tokio::test]
async fn typing_means_active_unless_it_says_otherwise() {
    let chat = TestChat::start().await;
    let [alice, bob, carol] = chat.users(["alice", "bob", "carol"]).await;
    let conversation = alice.start_conversation_with([&bob, &carol]).await;
    let mut watching = carol.connect_to(&conversation).await;
    let mut subscribed = alice.connect_to(&conversation).await;
    let mut member = bob.connect().await;

    let command = json!({"type": "typing", "conversation_id": conversation.id});
    subscribed.send_command(&command).await;
    let begun = watching.next_event_of("typing").await;
    // Typing takes membership, not a subscription.
    member.type_in(&conversation, false).await;
    let stopped = watching.next_event_of("typing").await;

    assert_eq!((&begun["user_id"], &begun["active"]), (&json!(alice.id), &json!(true)));
    assert_eq!((&stopped["user_id"], &stopped["active"]), (&json!(bob.id), &json!(false)));
}

#[tokio::test]
async fn typing_is_told_at_most_once_in_three_seconds_and_person() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let mut phone = alice.connect_to(&conversation).await;
    let mut watching = bob.connect_to(&conversation).await;
    let typing = async {
        let mut keystrokes = interval(Duration::from_millis(50));
        loop {
            keystrokes.tick().await;
            phone.type_in(&conversation, true).await;
        }
    };
    let watching = async {
        watching.next_event_of("typing").await;
        let first = Instant::now();
        watching.next_event_of("typing").await;
        first.elapsed()
    };

    let between = tokio::select! {
        between = watching => between,
        () = typing => unreachable!("she types on and on"),
    };

    // Less than 3 s only by what the first was late, of forty that were sent meanwhile.
    assert!(between > Duration::from_secs(2), "{between:?}");
}

#[tokio::test]
async fn strangers_cannot_be_seen_typing() {
    let chat = TestChat::start().await;
    let [alice, bob, eve] = chat.users(["alice", "bob", "eve"]).await;
    let conversation = alice.start_conversation_with([&bob]).await;
    let mut watching = alice.connect_to(&conversation).await;
    let mut removed = bob.connect_to(&conversation).await;
    alice.remove(&conversation, &bob).await.expect(204);
    watching.next_event_of("participant.removed").await;
    removed.next_event_of("participant.removed").await;
    let mut stranger = eve.connect().await;
    let typing = |id: &str| json!({"type": "typing", "conversation_id": id});

    stranger.request_refused(typing(&conversation.id), "NOT_FOUND").await;
    stranger.request_refused(typing(&Uuid::now_v7().to_string()), "NOT_FOUND").await;
    removed.request_refused(typing(&conversation.id), "NOT_FOUND").await;

    assert_eq!(watching.unread_events().await, Vec::<Value>::new());
}

#[tokio::test]
async fn typing_and_reading_name_their_bad_fields() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    let mut connection = alice.connect().await;
    let id = conversation.id.as_str();
    let bad = [
        (json!({"type": "typing"}), "conversation_id"),
        (json!({"type": "typing", "conversation_id": "nonsense"}), "conversation_id"),
        (json!({"type": "typing", "conversation_id": id, "active": "yes"}), "active"),
        (json!({"type": "read", "message_id": "1-0"}), "conversation_id"),
        (json!({"type": "read", "conversation_id": id}), "message_id"),
        (json!({"type": "read", "conversation_id": id, "message_id": "nonsense"}), "message_id"),
        (json!({"type": "read", "conversation_id": id, "message_id": 1}), "message_id"),
    ];

    for (command, field) in bad {
        let error = connection.request_refused(command, "INVALID").await;

        assert_eq!(error["errors"][0]["field"], field, "{error}");
    }
}

#[tokio::test]
async fn reading_is_told_to_others_and_to_ones_other_devices() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let sent = alice.send(&conversation, "did you see this?").await;
    let mut phone = bob.connect_to(&conversation).await;
    let mut laptop = bob.connect_to(&conversation).await;
    let mut watching = alice.connect_to(&conversation).await;

    phone.read_up_to(&sent).await;

    for connection in [&mut laptop, &mut watching] {
        let read = connection.next_event_of("read").await;
        assert_eq!(read["conversation_id"], conversation.id.as_str());
        assert_eq!(read["user_id"], bob.id.as_str());
        assert_eq!(read["message_id"], sent.id.as_str());
        assert_eq!(read["seq"], Value::Null, "it is no entry of the log");
    }
    assert_eq!(phone.unread_events().await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_read_pointer_moves_forward_only_and_the_unread_count_follows() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let mut sent = Vec::new();
    for number in 1..=4 {
        sent.push(alice.send(&conversation, &format!("number {number}")).await);
    }
    bob.send(&conversation, "one's own is never unread").await;
    let mut phone = bob.connect().await;
    let mut watching = alice.connect_to(&conversation).await;
    assert_eq!(bob.unread_count(&conversation).await, 4);

    for (read, left) in [(1, 2), (0, 2), (1, 2), (2, 1), (3, 0), (2, 0)] {
        phone.read_up_to(&sent[read]).await;

        assert_eq!(bob.unread_count(&conversation).await, left, "after reading {read}");
    }
    let told: Vec<_> =
        watching.unread_events().await.iter().map(|event| event["message_id"].clone()).collect();
    assert_eq!(told, [1, 2, 3].map(|read| json!(sent[read].id)), "only what moved it");
}

#[tokio::test]
async fn only_messages_that_are_there_are_read_and_only_by_participants() {
    let chat = TestChat::start().await;
    let [alice, bob, eve] = chat.users(["alice", "bob", "eve"]).await;
    let conversation = alice.start_conversation_with([&bob]).await;
    let sent = alice.send(&conversation, "among us").await;
    let (mut stranger, mut connection) = (eve.connect().await, bob.connect().await);
    let later = Message { id: format!("{}-0", sent.seq + 1), seq: sent.seq + 1, ..sent.clone() };

    stranger.request_refused(about("read", &sent, json!({})), "NOT_FOUND").await;
    connection.request_refused(about("read", &later, json!({})), "INVALID").await;

    alice.send(&conversation, "later").await;
    assert_eq!(bob.unread_count(&conversation).await, 2, "nothing was read");
}

async fn next_presence_of(connection: &mut Connection, user: &User, online: bool) {
    let presence = connection.next_presence().await;
    assert_eq!(presence["user_id"], user.id.as_str(), "{presence}");
    assert_eq!(presence["online"], online, "{presence}");
    assert!(presence["conversation_id"].is_string(), "{presence}");
    assert!(presence.get("last_seen").is_some(), "{presence}");
    assert!(online || presence["last_seen"].is_string(), "{presence}");
}

#[tokio::test]
async fn somebody_comes_with_their_first_connection_and_goes_with_their_last() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let mut watching = alice.connect_to(&conversation).await;

    let mut phone = bob.connect_to(&conversation).await;
    next_presence_of(&mut watching, &bob, true).await;
    let laptop = bob.connect_to(&conversation).await;
    assert_eq!(watching.unread_presences().await, Vec::<Value>::new(), "a second device is no news");
    laptop.close().await;
    until_connections(&chat, &bob, 1).await;
    assert_eq!(watching.unread_presences().await, Vec::<Value>::new(), "nor is its end");
    assert_eq!(phone.unread_presences().await, Vec::<Value>::new(), "nobody is told of themselves");
    phone.close().await;

    next_presence_of(&mut watching, &bob, false).await;
    let _phone = bob.connect_to(&conversation).await;
    next_presence_of(&mut watching, &bob, true).await;
    assert_eq!(watching.unread_presences().await, Vec::<Value>::new());
}

#[tokio::test]
async fn who_comes_and_goes_elsewhere_is_not_told() {
    let chat = TestChat::start().await;
    let [alice, bob, carol] = chat.users(["alice", "bob", "carol"]).await;
    let of_alice_and_bob = alice.direct_with(&bob).await;
    let of_bob_and_carol = bob.direct_with(&carol).await;
    let mut watching = alice.connect_to(&of_alice_and_bob).await;
    let mut elsewhere = carol.connect_to(&of_bob_and_carol).await;

    let phone = bob.connect_to(&of_bob_and_carol).await;
    next_presence_of(&mut elsewhere, &bob, true).await;
    phone.close().await;
    next_presence_of(&mut elsewhere, &bob, false).await;

    assert_eq!(watching.unread_presences().await, Vec::<Value>::new());
}
