//! Saying something else instead.

use serde_json::json;
use support::{Message, TestChat, about};

use super::{assert_shown_everywhere, ids_of_no_message, seq};

#[tokio::test]
async fn an_edit_reaches_everybody_else_with_the_message_as_it_is_now() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.start_conversation_with([&bob]).await;
    let mut phone = alice.connect_to(&conversation).await;
    let mut laptop = alice.connect_to(&conversation).await;
    let mut watching = bob.connect_to(&conversation).await;
    let message = json!({"conversation_id": conversation.id, "content": "helo", "metadata": {"colour": "red"}, "client_id": "1"});
    let sent = Message::read(&phone.send_message(message).await["message"]);
    assert_eq!(watching.next_message().await, sent);
    assert_eq!(laptop.next_message().await, sent);

    let edited = phone.edit(&sent, "  hello\n").await;

    assert!(edited.edited_at.is_some());
    let expected =
        Message { content: "hello".to_owned(), edited_at: edited.edited_at.clone(), ..sent.clone() };
    assert_eq!(edited, expected, "nothing else has changed");
    // Also who edited: the ack tells the message's place, not the event's.
    for connection in [&mut phone, &mut watching, &mut laptop] {
        let event = connection.next_event_of("message.updated").await;
        assert_eq!(Message::read(&event["message"]), edited);
        assert_eq!(seq(&event), sent.seq + 1, "the event's own place");
    }
}

#[tokio::test]
async fn an_edit_over_http_answers_the_message_and_reaches_all_connections() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let mut own = alice.connect_to(&conversation).await;
    let mut others = bob.connect_to(&conversation).await;
    let sent = alice.send(&conversation, "helo").await;
    own.next_message().await;
    others.next_message().await;

    let edited = alice.edit(&sent, "hello").await;

    assert_eq!(edited.content, "hello");
    assert_eq!((edited.seq, &edited.created_at), (sent.seq, &sent.created_at));
    for connection in [&mut own, &mut others] {
        let event = connection.next_event_of("message.updated").await;
        assert_eq!(Message::read(&event["message"]), edited);
    }
}

#[tokio::test]
async fn an_edited_message_reads_the_same_whichever_store_has_it() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.start_conversation_with([&bob]).await;
    let before = alice.send(&conversation, "before").await;
    let sent = bob.send(&conversation, "one").await;
    let after = alice.send(&conversation, "after").await;

    bob.edit(&sent, "two").await;
    let edited = bob.edit(&sent, "three").await;

    assert_shown_everywhere(&chat, &alice, &[before, edited, after]).await;
}

#[tokio::test]
async fn whoever_resumes_gets_the_edit_as_an_event_in_its_place() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    let sent = alice.send(&conversation, "helo").await;
    let edited = alice.edit(&sent, "hello").await;
    let last = alice.send(&conversation, "there").await;

    let resumed = alice.connect().await.subscribe_from(&conversation, Some(sent.seq)).await;

    let entries = resumed["messages"].as_array().unwrap();
    assert_eq!(entries.len(), 2, "{resumed}");
    assert_eq!(entries[0]["type"], "message.updated");
    assert_eq!(seq(&entries[0]), sent.seq + 1);
    assert_eq!(Message::read(&entries[0]["message"]), edited);
    assert_eq!(Message::read(&entries[1]), last);
    assert_eq!(last.seq, sent.seq + 2);
}

#[tokio::test]
async fn only_who_sent_a_message_edits_it_not_even_an_admin() {
    let chat = TestChat::start().await;
    let [admin, bob, carol] = chat.users(["admin", "bob", "carol"]).await;
    let conversation = admin.start_conversation_with([&bob, &carol]).await;
    let sent = bob.send(&conversation, "mine").await;

    for other in [&admin, &carol] {
        let edit = json!({"content": "yours"});
        let refused = other.patch_message(&conversation, &sent.id, edit.clone()).await;
        let mut connection = other.connect().await;

        refused.expect_error(403, "forbidden");
        connection.request_refused(about("message.edit", &sent, edit), "FORBIDDEN").await;
    }
    assert_eq!(admin.history(&conversation).await, [sent]);
}

#[tokio::test]
async fn strangers_find_no_message_to_edit() {
    let chat = TestChat::start().await;
    let [alice, bob, eve] = chat.users(["alice", "bob", "eve"]).await;
    let conversation = alice.start_conversation_with([&bob]).await;
    let sent = bob.send(&conversation, "mine").await;
    alice.remove(&conversation, &bob).await.expect(204);
    let edit = json!({"content": "changed"});

    for stranger in [&eve, &bob] {
        let refused = stranger.patch_message(&conversation, &sent.id, edit.clone()).await;
        let mut connection = stranger.connect().await;

        refused.expect_error(404, "not_found");
        connection.request_refused(about("message.edit", &sent, edit.clone()), "NOT_FOUND").await;
    }
    let path = conversation.path(&format!("/messages/{}", sent.id));
    chat.call(reqwest::Method::PATCH, &path, None, Some(edit)).await.expect_error(401, "unauthenticated");
    assert_eq!(alice.history(&conversation).await, [sent]);
}

#[tokio::test]
async fn what_is_no_message_any_more_or_never_was_cannot_be_edited() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    let deleted = alice.send(&conversation, "gone").await;
    alice.delete_message(&conversation, &deleted.id).await.expect(204);
    let mut connection = alice.connect().await;
    let edit = json!({"content": "changed"});

    let [unknown, no_message] = ids_of_no_message(&alice, &conversation).await;
    for id in [unknown, no_message, deleted.id.clone()] {
        let refused = alice.patch_message(&conversation, &id, edit.clone()).await;
        let command = about("message.edit", &Message { id, ..deleted.clone() }, edit.clone());

        refused.expect_error(404, "not_found");
        connection.request_refused(command, "NOT_FOUND").await;
    }
    alice.patch_message(&conversation, "nonsense", edit).await.expect_error(404, "not_found");
}

#[tokio::test]
async fn an_edit_keeps_the_limits_of_content() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    let sent = alice.send(&conversation, "fine").await;
    let mut connection = alice.connect().await;
    let bad = [
        (json!({"content": ""}), "INVALID_CONTENT"),
        (json!({"content": " \n"}), "INVALID_CONTENT"),
        (json!({"content": 5}), "INVALID_CONTENT"),
        (json!({"content": null}), "INVALID_CONTENT"),
        (json!({}), "INVALID_CONTENT"),
        (json!({"content": "é".repeat(2001)}), "CONTENT_TOO_LONG"),
    ];

    for (edit, code) in bad {
        let refused = alice.patch_message(&conversation, &sent.id, edit.clone()).await;

        refused.expect_invalid("content");
        connection.request_refused(about("message.edit", &sent, edit), code).await;
    }
    let edit = json!({"content": "x", "client_id": "y".repeat(65)});
    alice.patch_message(&conversation, &sent.id, edit.clone()).await.expect_invalid("client_id");
    let error = connection.request_refused(about("message.edit", &sent, edit), "INVALID").await;
    assert_eq!(error["errors"][0]["field"], "client_id");
    let mut command = about("message.edit", &sent, json!({"content": "x"}));
    command["message_id"] = json!("nonsense");
    let error = connection.request_refused(command, "INVALID").await;
    assert_eq!(error["errors"][0]["field"], "message_id");
    assert_eq!(alice.history(&conversation).await, std::slice::from_ref(&sent));
    assert_eq!(alice.edit(&sent, &"é".repeat(2000)).await.content.chars().count(), 2000);
}

#[tokio::test]
async fn an_edit_that_changes_nothing_takes_no_number_and_tells_nobody() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let sent = alice.send(&conversation, "the same").await;
    let mut phone = alice.connect().await;
    let mut watching = bob.connect_to(&conversation).await;

    let over_http = alice.edit(&sent, " the same ").await;
    let over_websocket = phone.edit(&sent, "the same").await;
    let next = alice.send(&conversation, "next").await;

    assert_eq!([over_http, over_websocket], [sent.clone(), sent.clone()]);
    assert_eq!(next.seq, sent.seq + 1);
    assert_eq!(watching.next_message().await, next);
}

#[tokio::test]
async fn a_client_id_repeated_is_one_edit() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let sent = alice.send(&conversation, "one").await;
    let mut phone = alice.connect().await;
    let mut watching = bob.connect_to(&conversation).await;
    let edit = |content: &str| json!({"content": content, "client_id": "edit-1"});

    let first = phone.request(about("message.edit", &sent, edit("two"))).await;
    let second = phone.request(about("message.edit", &sent, edit("three"))).await;
    let over_http = alice.patch_message(&conversation, &sent.id, edit("four")).await.expect(200);
    let next = alice.send(&conversation, "next").await;

    assert_eq!(first["duplicate"], false);
    assert_eq!(second["duplicate"], true);
    assert_eq!(first["message"]["content"], "two");
    assert_eq!(second["message"], first["message"], "the first content wins");
    assert_eq!(over_http, first["message"]);
    assert_eq!(watching.next_event_of("message.updated").await["message"], first["message"]);
    assert_eq!(watching.next_message().await, next, "and nothing between");
}

#[tokio::test]
async fn one_client_id_may_name_a_message_and_an_edit_of_it() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    let message = json!({"content": "one", "client_id": "1"});
    let sent = Message::read(&alice.post_message(&conversation, message.clone()).await.expect(201));
    let mut connection = alice.connect().await;

    let edit = json!({"content": "two", "client_id": "1"});
    let edited = connection.request(about("message.edit", &sent, edit)).await;
    let sent_again = alice.post_message(&conversation, message).await.expect(200);

    assert_eq!(edited["duplicate"], false);
    assert_eq!(edited["message"]["content"], "two");
    assert_eq!(sent_again, edited["message"], "the message as it is now");
    assert_eq!(alice.history(&conversation).await, [Message::read(&sent_again)]);
}

#[tokio::test]
async fn racing_edits_have_one_order_for_all() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let sent = alice.send(&conversation, "at first").await;
    let mut watching = bob.connect_to(&conversation).await;

    let edits = ["a", "b", "c", "d", "e", "f"].map(|content| alice.edit(&sent, content));
    futures_util::future::join_all(edits).await;

    let mut last = watching.next_event_of("message.updated").await;
    for _ in 1..6 {
        let event = watching.next_event_of("message.updated").await;
        if seq(&event) > seq(&last) {
            last = event;
        }
    }
    assert_eq!(seq(&last), sent.seq + 6);
    assert_shown_everywhere(&chat, &bob, &[Message::read(&last["message"])]).await;
}
