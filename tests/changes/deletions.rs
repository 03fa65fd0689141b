//! Taking back what was said: a tombstone stays, the text does not.

use reqwest::Method;
use serde_json::{Value, json};
use support::{Message, TestChat, about};
use uuid::Uuid;

use super::{assert_shown_everywhere, ids_of_no_message, seq};

/// What is left of a message.
#[track_caller]
fn assert_tombstone(tombstone: &Value, of: &Message) {
    assert_eq!(tombstone["content"], Value::Null, "{tombstone}");
    let tombstone = Message::read(tombstone);
    assert!(tombstone.deleted_at.is_some(), "{tombstone:?}");
    let expected = Message {
        content: String::new(),
        metadata: Value::Null,
        reactions: Vec::new(),
        deleted_at: tombstone.deleted_at.clone(),
        ..of.clone()
    };
    assert_eq!(tombstone, expected, "who said it and when stays");
}

#[tokio::test]
async fn a_deleted_message_is_a_tombstone_in_its_place_whichever_store_has_it() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.start_conversation_with([&bob]).await;
    let before = alice.send(&conversation, "before").await;
    let message = json!({"content": "regretted", "metadata": {"mood": "bad"}, "client_id": "1"});
    let sent = Message::read(&bob.post_message(&conversation, message).await.expect(201));
    let after = alice.send(&conversation, "after").await;
    alice.react(&sent, "👎").await.expect(204);
    let mut phone = bob.connect_to(&conversation).await;
    let mut watching = alice.connect_to(&conversation).await;

    let tombstone = phone.delete_message(&sent).await;

    let event = watching.next_event_of("message.deleted").await;
    assert_tombstone(&event["message"], &sent);
    assert_eq!(Message::read(&event["message"]), tombstone);
    assert_eq!(seq(&event), after.seq + 2, "after the reaction");
    assert_eq!(phone.next_event_of("message.deleted").await, event, "also who deleted");
    assert_shown_everywhere(&chat, &alice, &[before, tombstone, after]).await;
}

#[tokio::test]
async fn a_message_that_ends_the_conversation_can_be_deleted_too() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let sent = alice.send(&conversation, "the only one").await;

    alice.delete_message(&conversation, &sent.id).await.expect(204);

    let answer = bob.get(&conversation.path("/messages")).await.expect(200);
    assert_tombstone(&answer["items"][0], &sent);
    assert_shown_everywhere(&chat, &bob, &[Message::read(&answer["items"][0])]).await;
}

#[tokio::test]
async fn who_sent_a_message_deletes_it_or_an_admin_and_nobody_else() {
    let chat = TestChat::start().await;
    let [admin, bob, carol] = chat.users(["admin", "bob", "carol"]).await;
    let conversation = admin.start_conversation_with([&bob, &carol]).await;
    let one = bob.send(&conversation, "one").await;
    let two = bob.send(&conversation, "two").await;
    let of_admin = admin.send(&conversation, "of the admin").await;
    let mut watching = carol.connect_to(&conversation).await;

    carol.delete_message(&conversation, &one.id).await.expect_error(403, "forbidden");
    watching.request_refused(about("message.delete", &one, json!({})), "FORBIDDEN").await;
    bob.delete_message(&conversation, &of_admin.id).await.expect_error(403, "forbidden");
    admin.delete_message(&conversation, &one.id).await.expect(204);
    bob.delete_message(&conversation, &two.id).await.expect(204);

    for deleted in [&one, &two] {
        let event = watching.next_event_of("message.deleted").await;
        assert_tombstone(&event["message"], deleted);
    }
    assert_eq!(carol.history(&conversation).await[2], of_admin);
}

#[tokio::test]
async fn deleting_again_finds_nothing() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    let [one, two] = [alice.send(&conversation, "one").await, alice.send(&conversation, "two").await];
    let mut connection = alice.connect().await;
    let named = about("message.delete", &two, json!({"client_id": "delete-2"}));

    alice.delete_message(&conversation, &one.id).await.expect(204);
    let first = connection.request(named.clone()).await;
    let repeated = connection.request(named).await;

    alice.delete_message(&conversation, &one.id).await.expect_error(404, "not_found");
    connection.request_refused(about("message.delete", &one, json!({})), "NOT_FOUND").await;
    assert_eq!((&first["duplicate"], &repeated["duplicate"]), (&json!(false), &json!(true)));
    assert_eq!(repeated["message"], first["message"], "a repeated command is one deletion");
    let next = alice.send(&conversation, "next").await;
    assert_eq!(next.seq, two.seq + 3, "two deletions took a number each");
}

#[tokio::test]
async fn strangers_and_unknown_messages_are_not_found() {
    let chat = TestChat::start().await;
    let [alice, bob, eve] = chat.users(["alice", "bob", "eve"]).await;
    let conversation = alice.start_conversation_with([&bob]).await;
    let sent = bob.send(&conversation, "mine").await;
    alice.remove(&conversation, &bob).await.expect(204);
    let mut connection = alice.connect().await;

    for stranger in [&eve, &bob] {
        let mut connection = stranger.connect().await;
        stranger.delete_message(&conversation, &sent.id).await.expect_error(404, "not_found");
        connection.request_refused(about("message.delete", &sent, json!({})), "NOT_FOUND").await;
    }
    for id in ids_of_no_message(&alice, &conversation).await {
        alice.delete_message(&conversation, &id).await.expect_error(404, "not_found");
        let command = about("message.delete", &Message { id, ..sent.clone() }, json!({}));
        connection.request_refused(command, "NOT_FOUND").await;
    }
    alice.delete_message(&conversation, "nonsense").await.expect_error(404, "not_found");
    let mut command = about("message.delete", &sent, json!({}));
    command["message_id"] = json!(7);
    let error = connection.request_refused(command, "INVALID").await;
    assert_eq!(error["errors"][0]["field"], "message_id");
    let path = conversation.path(&format!("/messages/{}", sent.id));
    chat.call(Method::DELETE, &path, None, None).await.expect_error(401, "unauthenticated");
    assert_eq!(alice.history(&conversation).await, [sent]);
}

#[tokio::test]
async fn what_a_deleted_message_ever_said_is_nowhere_any_more() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let secrets: [String; 4] = std::array::from_fn(|_| format!("secret-{}", Uuid::new_v4()));
    let mut phone = alice.connect_to(&conversation).await;
    let message = json!({
        "conversation_id": conversation.id,
        "content": secrets[0],
        "metadata": {"beside": secrets[1]},
        "client_id": "1",
    });
    let sent = Message::read(&phone.send_message(message.clone()).await["message"]);
    phone.edit(&sent, &secrets[2]).await;
    alice.edit(&sent, &secrets[3]).await;
    bob.react(&sent, "👍").await.expect(204);
    bob.history(&conversation).await;
    let stack = &chat.stack;
    assert!(!stack.redis_keys_with(&secrets[0]).await.is_empty(), "this would find it");
    assert_eq!(stack.postgres_tables_with(&secrets[3]).await, ["entries"], "and so would this");

    alice.delete_message(&conversation, &sent.id).await.expect(204);

    let repeated = phone.send_message(message).await;
    assert_eq!(repeated["duplicate"], true);
    assert_tombstone(&repeated["message"], &Message { edited_at: edited_at(&repeated), ..sent.clone() });
    let resumed = bob.connect().await.subscribe_from(&conversation, Some(0)).await;
    for secret in &secrets {
        assert!(!resumed.to_string().contains(secret), "{resumed}");
        assert_eq!(stack.redis_keys_with(secret).await, Vec::<String>::new());
        assert_eq!(stack.postgres_tables_with(secret).await, Vec::<String>::new());
    }
    chat.stack.evict(&conversation).await;
    assert!(bob.connect().await.subscribe_from(&conversation, Some(0)).await["complete"] == true);
    for secret in &secrets {
        assert_eq!(stack.redis_keys_with(secret).await, Vec::<String>::new(), "not brought back either");
    }
}

fn edited_at(ack: &Value) -> Option<String> {
    ack["message"]["edited_at"].as_str().map(str::to_owned)
}

#[tokio::test]
async fn a_deleted_message_counts_as_read() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let one = alice.send(&conversation, "one").await;
    alice.send(&conversation, "two").await;
    assert_eq!(bob.unread_count(&conversation).await, 2);

    alice.delete_message(&conversation, &one.id).await.expect(204);

    assert_eq!(bob.unread_count(&conversation).await, 1);
}

#[tokio::test]
async fn an_answer_keeps_pointing_at_a_message_that_was_edited_or_deleted() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let edited = alice.send(&conversation, "tea?").await;
    let deleted = alice.send(&conversation, "or coffee?").await;
    let answer = |to: &Message| bob.post_message(&conversation, json!({"content": "yes", "reply_to": to.id}));
    let early = Message::read(&answer(&deleted).await.expect(201));

    let edited = alice.edit(&edited, "tea, perhaps?").await;
    alice.delete_message(&conversation, &deleted.id).await.expect(204);
    let to_edited = Message::read(&answer(&edited).await.expect(201));
    let to_deleted = Message::read(&answer(&deleted).await.expect(201));

    assert_eq!(to_edited.reply_to.as_ref(), Some(&edited.id));
    assert_eq!(to_deleted.reply_to.as_ref(), Some(&deleted.id));
    let history = bob.history(&conversation).await;
    assert_eq!(history[0], edited);
    assert_eq!(history[2..], [early, to_edited, to_deleted]);
}
