//! Reacting to what was said.

use reqwest::Method;
use serde_json::{Value, json};
use support::{Message, TestChat, about};

use super::{assert_shown_everywhere, ids_of_no_message, seq};

#[tokio::test]
async fn a_reaction_reaches_everybody_and_stands_at_the_message() {
    let chat = TestChat::start().await;
    let [alice, bob, carol] = chat.users(["alice", "bob", "carol"]).await;
    let conversation = alice.start_conversation_with([&bob, &carol]).await;
    let mut phone = bob.connect_to(&conversation).await;
    let mut watching = carol.connect_to(&conversation).await;
    let sent = alice.send(&conversation, "good news").await;
    phone.next_message().await;
    watching.next_message().await;

    let reacted = phone.react(&sent, "🎉", true).await;

    assert_eq!(reacted.reactions, [json!({"emoji": "🎉", "user_ids": [bob.id]})]);
    assert_eq!(reacted.edited_at, None, "a reaction is no edit");
    let event = watching.next_event_of("reaction").await;
    assert_eq!(event["message_id"], sent.id.as_str());
    assert_eq!(event["user_id"], bob.id.as_str());
    assert_eq!((&event["emoji"], &event["on"]), (&json!("🎉"), &json!(true)));
    assert_eq!(seq(&event), sent.seq + 1);
    assert_eq!(phone.next_event_of("reaction").await, event, "also who reacted: the ack tells no seq of it");
    assert_shown_everywhere(&chat, &carol, &[reacted]).await;
}

#[tokio::test]
async fn reactions_are_grouped_by_emoji_in_the_order_of_their_first_use() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let sent = alice.send(&conversation, "good news").await;

    bob.react(&sent, "👍").await.expect(204);
    bob.react(&sent, "🎉").await.expect(204);
    alice.react(&sent, "👍").await.expect(204);

    let grouped = [
        json!({"emoji": "👍", "user_ids": [bob.id, alice.id]}),
        json!({"emoji": "🎉", "user_ids": [bob.id]}),
    ];
    assert_eq!(alice.history(&conversation).await[0].reactions, grouped);

    bob.react_no_more(&sent, "👍").await.expect(204);
    bob.react_no_more(&sent, "🎉").await.expect(204);

    let reacted = Message { reactions: vec![json!({"emoji": "👍", "user_ids": [alice.id]})], ..sent };
    assert_shown_everywhere(&chat, &bob, &[reacted]).await;
}

#[tokio::test]
async fn a_reaction_repeated_or_taken_back_twice_is_told_once() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let sent = alice.send(&conversation, "good news").await;
    let mut watching = alice.connect_to(&conversation).await;
    let mut phone = bob.connect().await;

    for _ in 0..2 {
        bob.react(&sent, "👍").await.expect(204);
        phone.react(&sent, "👍", true).await;
    }
    for _ in 0..2 {
        bob.react_no_more(&sent, "👍").await.expect(204);
        phone.react(&sent, "👍", false).await;
    }
    let next = bob.send(&conversation, "next").await;

    assert_eq!(watching.next_event_of("reaction").await["on"], true);
    assert_eq!(watching.next_event_of("reaction").await["on"], false);
    assert_eq!(watching.next_message().await, next);
    assert_eq!(next.seq, sent.seq + 3);
    assert_eq!(alice.history(&conversation).await[0].reactions, Vec::<Value>::new());
}

#[tokio::test]
async fn a_client_id_repeated_is_one_reaction() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    let sent = alice.send(&conversation, "good news").await;
    let mut connection = alice.connect().await;
    let on = about("message.react", &sent, json!({"emoji": "👍", "on": true, "client_id": "1"}));

    let first = connection.request(on.clone()).await;
    alice.react_no_more(&sent, "👍").await.expect(204);
    let late_repeat = connection.request(on).await;

    assert_eq!((&first["duplicate"], &late_repeat["duplicate"]), (&json!(false), &json!(true)));
    assert_eq!(late_repeat["message"]["reactions"], json!([]), "the message as it is now");
    assert_eq!(alice.history(&conversation).await, [sent]);
}

#[tokio::test]
async fn every_emoji_of_one_grapheme_is_kept_as_it_is() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    let sent = alice.send(&conversation, "good news").await;
    let mut connection = alice.connect().await;
    let emoji = ["👍", "👍🏽", "👩‍🚀", "❤️", "🇳🇱", "👨‍👩‍👧‍👦", "1️⃣"];

    for (number, emoji) in emoji.iter().enumerate() {
        if number % 2 == 0 {
            alice.react(&sent, emoji).await.expect(204);
        } else {
            connection.react(&sent, emoji, true).await;
        }
    }

    let reactions = &alice.history(&conversation).await[0].reactions;
    let kept: Vec<_> = reactions.iter().map(|reaction| reaction["emoji"].as_str().unwrap()).collect();
    assert_eq!(kept, emoji);
}

#[tokio::test]
async fn what_is_not_one_emoji_is_invalid() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    let sent = alice.send(&conversation, "good news").await;
    let mut connection = alice.connect().await;
    let too_long = format!("e{}", "\u{301}".repeat(16));

    for bad in ["ab", "👍👍", " ", "\n", &too_long] {
        alice.react(&sent, bad).await.expect_invalid("emoji");
        alice.react_no_more(&sent, bad).await.expect_invalid("emoji");
        for on in [true, false] {
            let command = about("message.react", &sent, json!({"emoji": bad, "on": on}));
            let error = connection.request_refused(command, "INVALID").await;
            assert_eq!(error["errors"][0]["field"], "emoji", "{error}");
        }
    }
    for (arguments, field) in [
        (json!({"on": true}), "emoji"),
        (json!({"emoji": "👍"}), "on"),
        (json!({"emoji": "👍", "on": 1}), "on"),
    ] {
        let error = connection.request_refused(about("message.react", &sent, arguments), "INVALID").await;
        assert_eq!(error["errors"][0]["field"], field, "{error}");
    }
    assert_eq!(alice.history(&conversation).await, [sent]);
}

#[tokio::test]
async fn a_message_takes_twenty_different_emoji() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let sent = alice.send(&conversation, "good news").await;
    let mut connection = bob.connect().await;
    let faces = ('\u{1f600}'..='\u{1f613}').map(String::from).collect::<Vec<_>>();
    for face in &faces {
        alice.react(&sent, face).await.expect(204);
    }

    bob.react(&sent, "👍").await.expect_conflict("emoji");
    connection
        .request_refused(about("message.react", &sent, json!({"emoji": "👍", "on": true})), "CONFLICT")
        .await;
    bob.react(&sent, &faces[7]).await.expect(204);

    let reactions = &bob.history(&conversation).await[0].reactions;
    assert_eq!(reactions.len(), 20);
    assert_eq!(reactions[7]["user_ids"], json!([alice.id, bob.id]));
    alice.react_no_more(&sent, &faces[0]).await.expect(204);
    bob.react(&sent, "👍").await.expect(204);
}

#[tokio::test]
async fn strangers_tombstones_and_unknown_messages_take_no_reaction() {
    let chat = TestChat::start().await;
    let [alice, bob, eve] = chat.users(["alice", "bob", "eve"]).await;
    let conversation = alice.start_conversation_with([&bob]).await;
    let sent = alice.send(&conversation, "good news").await;
    let deleted = alice.send(&conversation, "no news").await;
    alice.react(&deleted, "👍").await.expect(204);
    alice.delete_message(&conversation, &deleted.id).await.expect(204);
    let mut nobodies = vec![(&eve, sent.clone()), (&alice, deleted.clone()), (&bob, deleted)];
    for id in ids_of_no_message(&alice, &conversation).await {
        nobodies.push((&alice, Message { id, ..sent.clone() }));
    }
    alice.remove(&conversation, &bob).await.expect(204);
    nobodies.push((&bob, sent.clone()));

    for (who, message) in nobodies {
        let mut connection = who.connect().await;
        who.react(&message, "👍").await.expect_error(404, "not_found");
        who.react_no_more(&message, "👍").await.expect_error(404, "not_found");
        for on in [true, false] {
            let command = about("message.react", &message, json!({"emoji": "👍", "on": on}));
            connection.request_refused(command, "NOT_FOUND").await;
        }
        connection.close().await;
    }
    let path = conversation.path(&format!("/messages/{}/reactions/%F0%9F%91%8D", sent.id));
    chat.call(Method::PUT, &path, None, None).await.expect_error(401, "unauthenticated");
    assert_eq!(alice.history(&conversation).await[0], sent);
}
