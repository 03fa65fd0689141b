//! GraphQL: the operations of the HTTP API, asked for by an ordinary client.

mod bounds;
mod client;
mod pages;
mod refusals;

use serde_json::{Value, json};
use support::{Conversation, StackOptions, TestChat, User};
use uuid::Uuid;

use client::{
    AssignUserToChat, Chat, CreateChat, Me, Messages, SendMessage, Users, assign_user_to_chat, chat,
    create_chat, data, me, messages, send_message, users,
};

/// A name that no other story knows.
fn new_name() -> String {
    format!("graphql-{}", &Uuid::new_v4().simple().to_string()[..16])
}

/// What is answered to a document as it is given.
async fn post(user: &User, document: &str, variables: Value) -> Value {
    user.post("/graphql", json!({"query": document, "variables": variables})).await.expect(200)
}

fn to_send(chat: &Conversation, content: &str) -> send_message::Variables {
    send_message::Variables {
        chat_id: chat.id.clone(),
        content: content.to_owned(),
        ..send_message::Variables::default()
    }
}

#[tokio::test]
async fn one_asks_for_oneself() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;

    let me = data::<Me>(&alice, me::Variables).await.me.unwrap();

    assert_eq!((&me.id, &me.username, &me.name), (&alice.id, &alice.username, &alice.name));
    assert_eq!(me.email.as_ref(), Some(&alice.email));
    assert_eq!(me.role, Some(me::UserRole::USER));
    assert_eq!((me.email_verified, me.disabled), (Some(false), Some(false)));
    assert_eq!(me.created_at, alice.profile().await["created_at"]);
}

#[tokio::test]
async fn an_admin_lists_users_and_finds_them() {
    let chat = TestChat::start().await;
    let (root, alice) = (chat.admin("root").await, chat.user("alice").await);

    let variables = users::Variables { search: Some(alice.username.clone()), ..users::Variables::default() };
    let found = data::<Users>(&root, variables).await.users.unwrap();
    let variables = users::Variables { first: Some(1), ..users::Variables::default() };
    let newest = data::<Users>(&root, variables).await.users.unwrap();

    assert_eq!(found.nodes.len(), 1);
    assert_eq!(found.nodes[0].id, alice.id);
    assert_eq!(found.nodes[0].email.as_ref(), Some(&alice.email));
    assert!(!found.page_info.has_next_page);
    assert_eq!(found.page_info.end_cursor, None);
    assert_eq!(newest.nodes.len(), 1);
    assert!(newest.page_info.has_next_page && newest.page_info.end_cursor.is_some());
}

#[tokio::test]
async fn a_chat_is_made_filled_and_talked_in() {
    let chat = TestChat::start().await;
    let (root, alice) = (chat.admin("root").await, chat.user("alice").await);
    let name = new_name();

    let made = data::<CreateChat>(&root, create_chat::Variables { name: name.clone() }).await;
    let made = made.create_chat.unwrap();
    let room = Conversation { id: made.id.clone() };
    let assigned = || assign_user_to_chat::Variables { user_id: alice.id.clone(), chat_id: room.id.clone() };
    let member = data::<AssignUserToChat>(&root, assigned()).await.assign_user_to_chat.unwrap();
    let again = data::<AssignUserToChat>(&root, assigned()).await.assign_user_to_chat.unwrap();
    let new = send_message::Variables {
        metadata: Some(json!({"a": [1, {"b": null}]})),
        client_id: Some("1".to_owned()),
        ..to_send(&room, "  hello  ")
    };
    let sent = data::<SendMessage>(&alice, new.clone()).await.send_message.unwrap();
    let repeated = data::<SendMessage>(&alice, new).await.send_message.unwrap();
    let shown = data::<Chat>(&root, chat::Variables { id: room.id.clone() }).await.chat.unwrap();

    assert_eq!(made.kind, create_chat::ChatKind::CHANNEL);
    assert_eq!((made.name, made.role), (Some(name), create_chat::ChatRole::ADMIN));
    assert_eq!((&member.member.user_id, &member.member.user_name), (&alice.id, &alice.name));
    assert_eq!(member.member.role, assign_user_to_chat::ChatRole::MEMBER);
    assert_eq!(member.user.as_ref().unwrap().username, alice.username);
    assert_eq!(again, member, "who is in it already stays");
    assert_eq!(sent.content.as_deref(), Some("hello"));
    assert_eq!(sent.metadata, Some(json!({"a": [1, {"b": null}]})));
    assert_eq!((sent.client_id.as_deref(), &sent.chat_id), (Some("1"), &room.id));
    assert_eq!(repeated, sent, "the same client id is the same message");
    assert_eq!(shown.participant_count, 2);
    assert_eq!(shown.participants.len(), 2);
    assert_eq!(shown.last_message.unwrap().id, sent.id);
    assert_eq!(shown.unread_count, 1);
}

#[tokio::test]
async fn a_message_is_the_one_of_the_http_api_and_is_pushed_like_it() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let room = alice.start_conversation_with([&bob]).await;
    let mut phone = bob.connect_to(&room).await;

    let first = data::<SendMessage>(&alice, to_send(&room, "first")).await.send_message.unwrap();
    let answering = send_message::Variables { reply_to: Some(first.id.clone()), ..to_send(&room, "second") };
    let second = data::<SendMessage>(&alice, answering).await.send_message.unwrap();

    let pushed = [phone.next_message().await, phone.next_message().await];
    assert_eq!([&pushed[0].id, &pushed[1].id], [&first.id, &second.id]);
    assert_eq!(second.reply_to, Some(first.id));
    let stored = bob.history(&room).await;
    assert_eq!(stored[1].content, "second");
    assert_eq!(stored[1].created_at, second.created_at);
    assert_eq!(stored[1].user_email.as_ref(), Some(&alice.email));
    assert_eq!(second.user_email.as_ref(), Some(&alice.email));
}

#[tokio::test]
async fn what_others_are_not_to_see_of_a_sender_they_do_not_see() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let room = alice.start_conversation_with([&bob]).await;
    alice.send(&room, "hello").await;
    let variables = || messages::Variables { chat_id: room.id.clone(), ..messages::Variables::default() };

    let own = data::<Messages>(&alice, variables()).await.messages.unwrap().nodes.remove(0).user.unwrap();
    let other = data::<Messages>(&bob, variables()).await.messages.unwrap().nodes.remove(0).user.unwrap();

    assert_eq!((own.id.clone(), own.email, own.disabled), (alice.id.clone(), Some(alice.email), Some(false)));
    assert_eq!((other.id, other.username), (alice.id, alice.username));
    assert_eq!((other.email, other.role, other.disabled, other.email_verified), (None, None, None, None));
}

#[tokio::test]
async fn an_erased_sender_is_nobody_and_their_message_stays() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let room = alice.start_conversation_with([&bob]).await;
    alice.send(&room, "hello").await;
    let erase = json!({"password": alice.password});
    alice.call(reqwest::Method::DELETE, "/api/v1/auth/profile", Some(erase)).await.expect(204);

    let variables = messages::Variables { chat_id: room.id.clone(), ..messages::Variables::default() };
    let message = data::<Messages>(&bob, variables).await.messages.unwrap().nodes.remove(0);

    assert_eq!((message.user, message.said.user_id, message.said.user_email), (None, None, None));
    assert_eq!(
        (message.said.user_name.as_str(), message.said.content.as_deref()),
        ("deleted user", Some("hello"))
    );
}

#[tokio::test]
async fn the_fields_of_a_request_succeed_and_fail_by_themselves() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let room = alice.start_conversation_with([]).await;
    let document = "mutation ($chat: ID!) {
        first: sendMessage(chatId: $chat, content: \"one\") { seq }
        second: sendMessage(chatId: $chat, content: \" \") { seq }
        third: sendMessage(chatId: $chat, content: \"three\") { seq }
    }";

    let answer = post(&alice, document, json!({"chat": room.id})).await;

    let first = answer["data"]["first"]["seq"].as_u64().unwrap();
    assert_eq!(answer["data"]["second"], Value::Null);
    assert!(answer["data"].as_object().unwrap().contains_key("second"), "a refused field is null: {answer}");
    assert_eq!(answer["data"]["third"]["seq"], first + 1);
    assert_eq!(answer["errors"].as_array().unwrap().len(), 1);
    assert_eq!(answer["errors"][0]["path"], json!(["second"]));
    assert_eq!(answer["errors"][0]["extensions"]["errors"][0]["field"], "content");
    let said: Vec<_> = alice.history(&room).await.into_iter().map(|message| message.content).collect();
    assert_eq!(said, ["one", "three"], "both were sent, though neither has a client id");
}

#[tokio::test]
async fn a_request_that_is_delivered_twice_sends_each_of_its_messages_once() {
    let twice = StackOptions { gateway_args: vec!["--deliver-twice".to_owned()], ..StackOptions::default() };
    let chat = TestChat::alone(twice).await;
    let alice = chat.user("alice").await;
    let room = alice.start_conversation_with([]).await;
    let document = "mutation ($chat: ID!) {
        a: sendMessage(chatId: $chat, content: \"one\") { seq }
        b: sendMessage(chatId: $chat, content: \"two\") { seq }
    }";

    post(&alice, document, json!({"chat": room.id})).await;

    chat.stack.settled_invocations("graphql").await;
    let said: Vec<_> = alice.history(&room).await.into_iter().map(|message| message.content).collect();
    assert_eq!(said, ["one", "two"]);
}

#[tokio::test]
async fn graphiql_is_shown_in_development_with_scripts_that_are_pinned() {
    let chat = TestChat::start().await;

    let page = chat.get("/graphql").await;

    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").unwrap().to_owned();
    let (_, nonce) = policy.split_once("'nonce-").unwrap();
    let nonce = nonce.split_once('\'').unwrap().0;
    let html = page.body.as_str().unwrap();
    let scripts: Vec<_> = html.split("<script ").skip(1).collect();
    assert_eq!(scripts.len(), 4);
    for script in scripts {
        assert!(script.starts_with(&format!("nonce=\"{nonce}\"")), "{script}");
        assert!(!script.contains("src=") || script.contains("integrity=\"sha384-"), "{script}");
    }
    assert_ne!(chat.get("/graphql").await.header("content-security-policy"), Some(policy.as_str()));
}
