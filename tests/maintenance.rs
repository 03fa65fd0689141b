//! What maintenance brings forward, each minute, when nobody else does.

use redis::AsyncCommands as _;
use serde_json::{Value, json};
use support::{Conversation, Handshake, Message, StackOptions, TestChat, User};

/// A chat in which maintenance runs only when a story says so.
pub(crate) async fn chat_without_schedules() -> TestChat {
    let gateway_args = vec!["--no-schedules".to_owned()];
    TestChat::alone(StackOptions { gateway_args, ..StackOptions::default() }).await
}

/// Commits a message as a handler does that dies before it publishes it.
pub(crate) async fn commit_and_die(
    chat: &TestChat,
    sender: &User,
    conversation: &Conversation,
    content: &str,
) {
    let postgres = chat.stack.postgres_connection(None).await;
    let append = "select outcome from append($1::text::uuid, $2::text::uuid, 'message', $3, null, $4)";
    let data = json!({"content": content, "metadata": null, "reply_to": null});
    let key = format!("r:{content}");
    let row = postgres.query_one(append, &[&conversation.id, &sender.id, &key, &data]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "appended");
}

#[tokio::test]
async fn what_a_handler_left_that_died_after_its_commit_arrives_without_anybody_sending() {
    let chat = chat_without_schedules().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let mut watching = bob.connect_to(&conversation).await;
    let one = alice.send(&conversation, "one").await;
    assert_eq!(watching.next_message().await, one);

    // The first run finds no mark of an earlier one, the second does.
    for (content, seq) in [("two", one.seq + 1), ("three", one.seq + 2)] {
        commit_and_die(&chat, &alice, &conversation, content).await;
        assert_eq!(watching.unread_events().await, Vec::<Value>::new());

        chat.stack.invoke("maintenance").await;

        let message = watching.next_message().await;
        assert_eq!((&*message.content, message.seq), (content, seq));
    }
    assert_eq!(bob.history(&conversation).await.len(), 3);
    chat.stack.invoke("maintenance").await;
    assert_eq!(watching.unread_events().await, Vec::<Value>::new(), "once is enough");
}

#[tokio::test]
async fn what_was_published_and_never_pushed_is_pushed() {
    let chat = chat_without_schedules().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let mut watching = bob.connect_to(&conversation).await;
    let sent = alice.send(&conversation, "hello").await;
    assert_eq!(watching.next_message().await, sent);
    let meta = chat.stack.redis_key(&conversation, "meta").await;

    // As if whoever had the lease had died before the push.
    let _pushed: i64 = chat.stack.redis().await.hincr(meta, "p0", -1).await.unwrap();
    chat.stack.invoke("maintenance").await;

    assert_eq!(watching.next_message().await, sent);
}

#[tokio::test]
async fn a_redis_that_was_rewound_is_brought_forward() {
    let chat = chat_without_schedules().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let one = alice.send(&conversation, "one").await;
    let mut watching = bob.connect_to(&conversation).await;
    chat.stack.invoke("maintenance").await;
    let copy = chat.stack.copy_redis().await;
    let two = alice.send(&conversation, "two").await;
    let three = alice.send(&conversation, "three").await;
    assert_eq!(watching.next_messages(2).await, [two.clone(), three.clone()]);

    chat.stack.rewind_redis(&copy).await;
    chat.stack.invoke("maintenance").await;

    assert_eq!(watching.ping().await["heads"][&conversation.id], three.seq);
    let resumed = watching.subscribe_from(&conversation, Some(one.seq)).await;
    assert_eq!(support::messages_in(&resumed["messages"]), [two, three]);
    assert_eq!(resumed["complete"], true);
}

#[tokio::test]
async fn whoever_signed_out_stays_out_when_redis_was_rewound() {
    let chat = chat_without_schedules().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;

    // To before maintenance ever ran, and to right after it did.
    for runs_before in 0..2 {
        for _ in 0..runs_before {
            chat.stack.invoke("maintenance").await;
        }
        let session = alice.signed_in_again().await;
        session.connect_to(&conversation).await.ping().await;
        let copy = chat.stack.copy_redis().await;
        session.log_out().await.expect(204);

        chat.stack.rewind_redis(&copy).await;
        chat.stack.invoke("maintenance").await;

        for handshake in [Handshake::new(), Handshake::new().conversation(&conversation)] {
            let refused = chat.connect(handshake.bearer(&session.access_token)).await;
            assert_eq!(refused.err(), Some(401), "after {runs_before} runs");
        }
    }
    alice.connect_to(&conversation).await.ping().await;
}

#[tokio::test]
async fn maintenance_runs_by_its_schedule() {
    let gateway_args = vec!["--schedule-every".to_owned(), "1".to_owned()];
    let chat = TestChat::alone(StackOptions { gateway_args, ..StackOptions::default() }).await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let mut watching = bob.connect_to(&conversation).await;

    commit_and_die(&chat, &alice, &conversation, "left behind").await;

    let message: Message = watching.next_message().await;
    assert_eq!(message.content, "left behind");
}
