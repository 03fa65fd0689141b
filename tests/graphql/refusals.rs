//! What is refused, and how that is said.

use serde_json::{Value, json};
use support::tokens;
use support::{Conversation, StackOptions, TestChat};

use super::client::{
    AssignUserToChat, Chat, Chats, CreateChat, Messages, SendMessage, Users, assign_user_to_chat, chat,
    chats, create_chat, data, messages, refusal, refused_argument, send_message, users,
};
use super::{new_name, post, to_send};

const UNKNOWN: &str = "019a0000-0000-7000-8000-000000000000";

/// Every field there is, with good arguments.
const ALL: [&str; 8] = [
    "query { field: me { id } }",
    "query { field: users { nodes { id } } }",
    "query { field: chats { nodes { id } } }",
    "query { field: chat(id: \"019a0000-0000-7000-8000-000000000000\") { id } }",
    "query { field: messages(chatId: \"019a0000-0000-7000-8000-000000000000\") { nodes { id } } }",
    "mutation { field: createChat(name: \"some-name\") { id } }",
    "mutation { field: assignUserToChat(userId: \"019a0000-0000-7000-8000-000000000000\", chatId: \"019a0000-0000-7000-8000-000000000000\") { userId } }",
    "mutation { field: sendMessage(chatId: \"019a0000-0000-7000-8000-000000000000\", content: \"x\") { id } }",
];

#[tokio::test]
async fn nobody_is_answered_without_a_good_token() {
    let chat = TestChat::start().await;
    let forged = tokens::forged(&chat.user("alice").await.access_token);

    for document in ALL {
        for token in [None, Some(forged.as_str())] {
            let body = Some(json!({"query": document}));
            let answer = chat.call(reqwest::Method::POST, "/graphql", token, body).await.expect(200);
            let code = &answer["errors"][0]["extensions"]["code"];
            assert_eq!(
                (code, &answer["data"]["field"]),
                (&json!("unauthenticated"), &Value::Null),
                "{document}"
            );
        }
    }
}

#[tokio::test]
async fn what_is_for_admins_is_forbidden_to_others() {
    let chat = TestChat::start().await;
    let (root, [alice, bob]) = (chat.admin("root").await, chat.users(["alice", "bob"]).await);
    let channel = data::<CreateChat>(&root, create_chat::Variables { name: new_name() }).await;
    let channel = Conversation { id: channel.create_chat.unwrap().id };
    root.add(&channel, &alice).await.expect(201);
    let assign =
        |chat_id: &str| assign_user_to_chat::Variables { user_id: bob.id.clone(), chat_id: chat_id.into() };

    refusal::<Users>(&alice, users::Variables::default(), "forbidden").await;
    refusal::<CreateChat>(&alice, create_chat::Variables { name: new_name() }, "forbidden").await;
    refusal::<AssignUserToChat>(&alice, assign(&channel.id), "forbidden").await;
    refusal::<AssignUserToChat>(&bob, assign(&channel.id), "not_found").await;

    assert_eq!(root.participants(&channel).await.len(), 2);
}

#[tokio::test]
async fn whoever_is_not_an_admin_any_more_is_none_whatever_their_token_says() {
    let chat = TestChat::start().await;
    let root = chat.admin("root").await;
    chat.set_role(&root, "user").await;

    refusal::<Users>(&root, users::Variables::default(), "forbidden").await;
    refusal::<CreateChat>(&root, create_chat::Variables { name: new_name() }, "forbidden").await;
}

#[tokio::test]
async fn a_chat_one_is_not_in_is_not_found() {
    let chat = TestChat::start().await;
    let [alice, eve] = chat.users(["alice", "eve"]).await;
    let room = alice.start_conversation_with([]).await;

    for id in [room.id.as_str(), UNKNOWN, "nonsense", ""] {
        let room = Conversation { id: id.to_owned() };
        let of = || messages::Variables { chat_id: id.to_owned(), ..messages::Variables::default() };
        let assigned = assign_user_to_chat::Variables { user_id: eve.id.clone(), chat_id: id.to_owned() };
        refusal::<Chat>(&eve, chat::Variables { id: id.to_owned() }, "not_found").await;
        refusal::<Messages>(&eve, of(), "not_found").await;
        refusal::<SendMessage>(&eve, to_send(&room, "hello"), "not_found").await;
        refusal::<AssignUserToChat>(&eve, assigned, "not_found").await;
    }

    assert!(alice.history(&room).await.is_empty());
}

#[tokio::test]
async fn a_bad_argument_is_named() {
    let chat = TestChat::start().await;
    let root = chat.admin("root").await;
    let room = root.start_conversation_with([]).await;
    let chat_id = || room.id.clone();

    for first in [0, -1, 101, i64::from(i32::MAX)] {
        let variables = users::Variables { first: Some(first), ..users::Variables::default() };
        refused_argument::<Users>(&root, variables, "invalid", "first").await;
        let variables = chats::Variables { first: Some(first), after: None };
        refused_argument::<Chats>(&root, variables, "invalid", "first").await;
        let variables =
            messages::Variables { chat_id: chat_id(), first: Some(first), ..messages::Variables::default() };
        refused_argument::<Messages>(&root, variables, "invalid", "first").await;
    }
    let made_up = || Some("made up".to_owned());
    let variables = users::Variables { after: made_up(), ..users::Variables::default() };
    refused_argument::<Users>(&root, variables, "invalid", "after").await;
    refused_argument::<Chats>(&root, chats::Variables { after: made_up(), first: None }, "invalid", "after")
        .await;
    let of = || messages::Variables { chat_id: chat_id(), ..messages::Variables::default() };
    let after = messages::Variables { after: made_up(), ..of() };
    refused_argument::<Messages>(&root, after, "invalid", "after").await;
    let before = messages::Variables { before: made_up(), ..of() };
    refused_argument::<Messages>(&root, before, "invalid", "before").await;
    let one = || Some("1-0".to_owned());
    let both = messages::Variables { before: one(), after: one(), ..of() };
    refused_argument::<Messages>(&root, both, "invalid", "before").await;

    for name in ["", "x", "Two Words", &"x".repeat(51), &"x".repeat(101), "nul\0"] {
        let variables = create_chat::Variables { name: name.to_owned() };
        refused_argument::<CreateChat>(&root, variables, "invalid", "name").await;
    }
    for user_id in ["nonsense", UNKNOWN, ""] {
        let variables = assign_user_to_chat::Variables { user_id: user_id.to_owned(), chat_id: chat_id() };
        refused_argument::<AssignUserToChat>(&root, variables, "invalid", "userId").await;
    }
    let long = "x".repeat(2001);
    for content in ["", " \n", "nul\0", &long] {
        refused_argument::<SendMessage>(&root, to_send(&room, content), "invalid", "content").await;
    }
    let deep = (0..40).fold(json!({}), |inner, _| json!({"a": inner}));
    for metadata in [json!([1]), json!("text"), json!({"a": "x".repeat(4096)}), json!({"a": "\0"}), deep] {
        let variables = send_message::Variables { metadata: Some(metadata), ..to_send(&room, "x") };
        refused_argument::<SendMessage>(&root, variables, "invalid", "metadata").await;
    }
    for client_id in [String::new(), "x".repeat(65), "\0".to_owned()] {
        let variables = send_message::Variables { client_id: Some(client_id), ..to_send(&room, "x") };
        refused_argument::<SendMessage>(&root, variables, "invalid", "clientId").await;
    }
    for reply_to in ["12", "99-0"] {
        let variables =
            send_message::Variables { reply_to: Some(reply_to.to_owned()), ..to_send(&room, "x") };
        refused_argument::<SendMessage>(&root, variables, "invalid", "replyTo").await;
    }
    assert!(root.history(&room).await.is_empty());
}

#[tokio::test]
async fn what_is_there_is_not_contradicted() {
    let chat = TestChat::start().await;
    let (root, [alice, bob]) = (chat.admin("root").await, chat.users(["alice", "bob"]).await);
    let name = new_name();
    data::<CreateChat>(&root, create_chat::Variables { name: name.clone() }).await;
    let direct = alice.direct_with(&bob).await;

    refused_argument::<CreateChat>(&root, create_chat::Variables { name }, "conflict", "name").await;
    let variables = assign_user_to_chat::Variables { user_id: root.id.clone(), chat_id: direct.id };
    refused_argument::<AssignUserToChat>(&alice, variables, "conflict", "kind").await;
}

#[tokio::test]
async fn each_field_asks_its_throttle_and_the_request_its_own() {
    let throttles = [("READS", "2/3600"), ("CONVERSATIONS", "2/3600"), ("USER", "12/3600")];
    let options = StackOptions {
        throttle_messages: "2/3600".to_owned(),
        throttles: throttles.map(|(throttle, windows)| (throttle, windows.to_owned())).to_vec(),
        ..StackOptions::default()
    };
    let chat = TestChat::alone(options).await;
    let (root, alice) = (chat.admin("root").await, chat.user("alice").await);
    let room = alice.start_conversation_with([]).await;
    let three = |field: &str| format!("a: {field} b: {field} c: {field}");
    let id = &room.id;
    let documents = [
        (&alice, format!("{{ {} }}", three(&format!("messages(chatId: \"{id}\") {{ nodes {{ id }} }}")))),
        (
            &alice,
            format!(
                "mutation {{ {} }}",
                three(&format!("sendMessage(chatId: \"{id}\", content: \"x\") {{ id }}"))
            ),
        ),
        (&root, {
            let create = ["a", "b", "c"]
                .map(|alias| format!("{alias}: createChat(name: \"{}\") {{ id }}", new_name()));
            format!("mutation {{ {} }}", create.join(" "))
        }),
    ];

    for (user, document) in documents {
        let answer = post(user, &document, json!({})).await;
        let errors = answer["errors"].as_array().unwrap_or_else(|| panic!("{document}: {answer}"));
        assert_eq!(errors.len(), 1, "{document}: {answer}");
        let extensions = &errors[0]["extensions"];
        assert_eq!(extensions["code"], "throttled", "{document}: {answer}");
        assert!((3500..=3600).contains(&extensions["retry_after"].as_u64().unwrap()), "{answer}");
        let answered = answer["data"].as_object().unwrap().values().filter(|value| !value.is_null()).count();
        assert_eq!(answered, 2, "{document}: {answer}");
    }
    for _ in 0..12 {
        let answer = alice.post("/graphql", json!({"query": "{ me { id } }"})).await;
        if answer.status != 200 {
            answer.expect_error(429, "throttled");
            return;
        }
    }
    panic!("the requests themselves are throttled, too");
}
