//! What a commit is needed for.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use support::{Conversation, Incoming, Message, StackOptions, TestChat, User};
use tokio::time::Instant;
use tokio_postgres::{Client, Transaction};
use uuid::Uuid;

/// How long it is watched that something does not happen.
const WATCHED: Duration = Duration::from_millis(500);

/// Whether another connection to Postgres sees a message: only what is committed is seen.
async fn is_committed(postgres: &Client, message: &Message) -> bool {
    let query = "select content from entries where conversation_id = $1::text::uuid and seq = $2";
    let seq = i64::try_from(message.seq).unwrap();
    let row = postgres.query_opt(query, &[&message.conversation_id, &seq]).await.unwrap();
    row.is_some_and(|row| row.get::<_, &str>(0) == message.content)
}

/// Keeps everybody from committing anything in a conversation.
async fn hold_commits<'a>(postgres: &'a mut Client, conversation: &Conversation) -> Transaction<'a> {
    let transaction = postgres.transaction().await.unwrap();
    let lock = "select from conversations where id = $1::text::uuid for update";
    transaction.execute(lock, &[&conversation.id]).await.unwrap();
    transaction
}

#[tokio::test]
async fn ack_means_durable() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let mut phone = alice.connect().await;
    let mut postgres = chat.stack.postgres_connection(None).await;

    for number in 0..4 {
        let acked = phone.send(&conversation, &format!("number {number}")).await;
        assert!(is_committed(&postgres, &acked).await, "acked: {acked:?}");
        let answered = alice.send(&conversation, &format!("number {number} over HTTP")).await;
        assert!(is_committed(&postgres, &answered).await, "answered 201: {answered:?}");
    }

    let held = hold_commits(&mut postgres, &conversation).await;
    let command = json!({"type": "message.send", "conversation_id": conversation.id, "content": "held up"});
    phone.send_command(&command).await;
    let early = phone.next_incoming(Instant::now() + WATCHED).await;
    held.rollback().await.unwrap();

    assert!(matches!(early, Incoming::Nothing), "not committed, and yet {early:?}");
    let acked = Message::read(&phone.next_event_of("ack").await["message"]);
    assert!(is_committed(&postgres, &acked).await);
}

#[tokio::test]
async fn durable_before_visible() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let mut phone = alice.connect().await;
    let mut watching = bob.connect_to(&conversation).await;
    let mut postgres = chat.stack.postgres_connection(None).await;

    let sending = async {
        for number in 0..8 {
            phone.send(&conversation, &format!("number {number}")).await;
        }
    };
    let reading = async {
        let mut seen = Vec::new();
        while seen.len() < 8 {
            let message = watching.next_message().await;
            assert!(is_committed(&postgres, &message).await, "pushed: {message:?}");
            seen.push(message);
        }
        seen
    };
    let (seen, ()) = tokio::join!(reading, sending);

    let held = hold_commits(&mut postgres, &conversation).await;
    let command = json!({"type": "message.send", "conversation_id": conversation.id, "content": "held up"});
    phone.send_command(&command).await;
    let early = watching.next_incoming(Instant::now() + WATCHED).await;
    assert!(matches!(early, Incoming::Nothing), "not committed, and yet {early:?}");
    assert_eq!(bob.history(&conversation).await, seen);
    let resumed = bob.connect().await.subscribe_from(&conversation, Some(seen[7].seq)).await;
    assert_eq!(resumed["messages"], json!([]));
    held.rollback().await.unwrap();

    let message = watching.next_message().await;
    assert!(is_committed(&postgres, &message).await);
    assert_eq!(message.seq, seen[7].seq + 1);
}

/// Signs up where every request is handled twice, so that either answer may be the one that comes.
pub(crate) async fn user_handled_twice(chat: &TestChat, name: &str) -> User {
    let username = format!("{name}_{}", &Uuid::new_v4().simple().to_string()[..16]);
    let email = format!("{username}@example.com");
    let password = format!("Quite-Secret-{}", Uuid::new_v4().simple());
    let account = json!({
        "email": email,
        "username": username,
        "first_name": name,
        "last_name": "Tester",
        "password": password,
    });
    let signed_up = chat.post("/api/v1/auth/signup", account).await;
    assert!([201, 409].contains(&signed_up.status), "{}", signed_up.body);
    User::signed_in(chat, &chat.log_in("email", &email, &password).await.expect(200), password)
}

#[tokio::test]
async fn once_for_ever() {
    // Every request, frame and connection is given to two processes at the same time.
    let options = StackOptions {
        throttle_messages: "3/3600".to_owned(),
        concurrency: 2,
        gateway_args: vec!["--deliver-twice".to_owned()],
        ..StackOptions::default()
    };
    let chat = TestChat::alone(options).await;
    let (alice, bob) = (user_handled_twice(&chat, "alice").await, user_handled_twice(&chat, "bob").await);
    let conversation = alice.direct_with(&bob).await;
    let mut phone = alice.connect().await;
    let mut watching = bob.connect_to(&conversation).await;
    let message = |id: &str| json!({"conversation_id": conversation.id, "content": format!("text of {id}"), "client_id": id});
    let over_http = async |id: &str| {
        let answer = alice.post_message(&conversation, message(id)).await;
        assert!([200, 201].contains(&answer.status), "{}", answer.body);
        answer.body
    };

    let sent = [
        phone.send_message(message("a")).await["message"].take(),
        over_http("b").await,
        phone.send_message(message("c")).await["message"].take(),
    ];
    let mut fourth = message("d");
    fourth["type"] = json!("message.send");
    phone.request_refused(fourth, "THROTTLED").await;
    let throttled = alice.post_message(&conversation, message("d")).await;
    throttled.expect_error(429, "throttled");

    for (id, first) in ["a", "b", "c"].into_iter().zip(&sent) {
        let again = phone.send_message(message(id)).await;
        assert_eq!((&again["duplicate"], &again["message"]), (&json!(true), first), "throttled meanwhile");
        assert_eq!(over_http(id).await, *first);
    }
    let pushed: Vec<_> = sent.iter().map(Message::read).collect();
    let mut seen = BTreeMap::new();
    while seen.len() < 3 {
        let message = watching.next_message().await;
        let known = seen.entry(message.seq).or_insert_with(|| message.clone());
        assert_eq!(*known, message, "what is pushed again is the same");
    }
    assert!(seen.values().eq(&pushed), "{seen:?}");
    for event in watching.unread_events().await {
        assert!(pushed.contains(&Message::read(&event["message"])), "nothing else is pushed: {event}");
    }

    // The second delivery of what was throttled would be let in by an empty Redis.
    chat.stack.settled_invocations("history").await;
    chat.stack.wipe_redis().await;
    for (id, first) in ["a", "b", "c"].into_iter().zip(&sent) {
        assert_eq!(over_http(id).await, *first, "Redis knows nothing of it any more");
    }

    let history = alice.history(&conversation).await;
    assert_eq!(history, pushed);
    assert_eq!(alice.details(&conversation).await["last_seq"], history[2].seq);
}

#[tokio::test]
async fn a_change_handled_twice_is_one_change() {
    let options = StackOptions {
        concurrency: 2,
        gateway_args: vec!["--deliver-twice".to_owned()],
        ..StackOptions::default()
    };
    let chat = TestChat::alone(options).await;
    let (alice, bob) = (user_handled_twice(&chat, "alice").await, user_handled_twice(&chat, "bob").await);
    let conversation = alice.direct_with(&bob).await;
    let sent = alice.post_message(&conversation, json!({"content": "one"})).await;
    let sent = Message::read(&sent.body);
    let mut watching = bob.connect_to(&conversation).await;

    alice.edit(&sent, "two").await;
    bob.react(&sent, "👍").await.expect(204);
    alice.delete_message(&conversation, &sent.id).await.expect(204);

    let kinds = ["message.updated", "reaction", "message.deleted"];
    for (kind, seq) in kinds.into_iter().zip(sent.seq + 1..) {
        assert_eq!(watching.next_event_of(kind).await["seq"], seq);
    }
    assert_eq!(alice.details(&conversation).await["last_seq"], sent.seq + 3);
    assert_eq!(watching.unread_events().await, Vec::<Value>::new());
}
