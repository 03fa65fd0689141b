//! What each participant keeps for themselves (how far they have read, muted, archived), and who of them is online.

use std::time::Instant;

use futures_util::future;
use serde_json::{Value, json};
use support::{Conversation, Message, PATIENCE, TestChat, User};

async fn mark_read(user: &User, conversation: &Conversation, message: &Message) {
    user.post(&conversation.path("/read"), json!({"message_id": message.id})).await.expect(204);
}

async fn unread(user: &User, conversation: &Conversation) -> Value {
    user.details(conversation).await["unread_count"].clone()
}

#[tokio::test]
async fn reading_a_message_leaves_only_those_after_it_unread() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.start_conversation_with([&bob]).await;
    let mut sent = Vec::new();
    for number in 0..3 {
        sent.push(alice.send(&conversation, &format!("number {number}")).await);
    }
    bob.send(&conversation, "one's own is not unread").await;
    assert_eq!(unread(&bob, &conversation).await, 3);

    mark_read(&bob, &conversation, &sent[1]).await;

    assert_eq!(unread(&bob, &conversation).await, 1);
    assert_eq!(bob.list_conversations().await[0]["unread_count"], 1);
    assert_eq!(unread(&alice, &conversation).await, 1);
    mark_read(&bob, &conversation, &sent[2]).await;
    assert_eq!(unread(&bob, &conversation).await, 0);
}

#[tokio::test]
async fn a_read_pointer_never_moves_back() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.start_conversation_with([&bob]).await;
    let mut sent = Vec::new();
    for number in 0..4 {
        sent.push(alice.send(&conversation, &format!("number {number}")).await);
    }

    mark_read(&bob, &conversation, &sent[2]).await;
    mark_read(&bob, &conversation, &sent[2]).await;
    mark_read(&bob, &conversation, &sent[0]).await;

    assert_eq!(unread(&bob, &conversation).await, 1);
    future::join_all(sent.iter().map(|message| mark_read(&bob, &conversation, message))).await;
    assert_eq!(unread(&bob, &conversation).await, 0);
}

#[tokio::test]
async fn everybody_in_it_sees_how_far_the_others_have_read() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.start_conversation_with([&bob]).await;
    let read = async || -> Vec<Value> {
        let listed = alice.participants(&conversation).await;
        let of = |user: &User| {
            listed.iter().find(|one| one["user_id"] == user.id.as_str()).unwrap()["read_seq"].clone()
        };
        vec![of(&alice), of(&bob)]
    };
    assert_eq!(read().await, [0, 0]);
    let first = alice.send(&conversation, "one").await;
    alice.send(&conversation, "two").await;

    mark_read(&bob, &conversation, &first).await;

    assert_eq!(read().await[1], first.seq);
}

#[tokio::test]
async fn only_a_message_of_the_conversation_can_be_read() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.start_conversation_with([&bob]).await;
    alice.rename(&conversation, "an entry that is no message").await.expect(200);
    let message = alice.send(&conversation, "hello").await;
    let path = conversation.path("/read");
    let read = |body: Value| bob.post(&path, body);
    assert_eq!(message.seq, 2);

    for bad in [json!("1-0"), json!("3-0"), json!("9007199254740991-0"), json!("0-0"), json!("2"), json!(2)] {
        read(json!({"message_id": bad})).await.expect_invalid("message_id");
    }
    read(json!({})).await.expect_invalid("message_id");
    assert_eq!(unread(&bob, &conversation).await, 1);
}

#[tokio::test]
async fn strangers_read_set_and_watch_nothing() {
    let chat = TestChat::start().await;
    let [alice, eve] = chat.users(["alice", "eve"]).await;
    let conversation = alice.start_conversation_with([]).await;
    let message = alice.send(&conversation, "hello").await;
    let path = |rest: &str| conversation.path(rest);

    let answers = [
        eve.post(&path("/read"), json!({"message_id": message.id})).await,
        eve.post(&path("/read"), json!({"message_id": "99-0"})).await,
        eve.patch(&path("/settings"), json!({"muted": true})).await,
        eve.get(&path("/presence")).await,
    ];

    for answer in answers {
        answer.expect_error(404, "not_found");
    }
    chat.get(&path("/presence")).await.expect_error(401, "unauthenticated");
}

#[tokio::test]
async fn what_is_muted_and_archived_is_so_for_oneself_alone() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.start_conversation_with([&bob]).await;
    let settings = conversation.path("/settings");

    let muted = alice.patch(&settings, json!({"muted": true})).await.expect(200);
    let both = alice.patch(&settings, json!({"archived": true})).await.expect(200);
    let nothing = alice.patch(&settings, json!({})).await.expect(200);
    let repeated = alice.patch(&settings, json!({"muted": true, "archived": true})).await.expect(200);

    assert_eq!((&muted["muted"], &muted["archived"]), (&json!(true), &json!(false)));
    assert_eq!((&both["muted"], &both["archived"]), (&json!(true), &json!(true)));
    assert_eq!(nothing, both);
    assert_eq!(repeated, both);
    assert_eq!(alice.details(&conversation).await, both);
    assert_eq!(bob.details(&conversation).await["muted"], false);
    assert_eq!(bob.details(&conversation).await["archived"], false);
    let undone = alice.patch(&settings, json!({"muted": false})).await.expect(200);
    assert_eq!((&undone["muted"], &undone["archived"]), (&json!(false), &json!(true)));
}

#[tokio::test]
async fn settings_are_true_or_false() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    let settings = conversation.path("/settings");

    alice.patch(&settings, json!({"muted": "yes"})).await.expect_invalid("muted");
    alice.patch(&settings, json!({"muted": true, "archived": 1})).await.expect_invalid("archived");

    assert_eq!(alice.details(&conversation).await["muted"], false);
}

#[tokio::test]
async fn who_is_connected_is_online_until_they_disconnect() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.start_conversation_with([&bob]).await;
    let presence = async |of: &User| {
        let page = alice.get(&conversation.path("/presence")).await.expect(200);
        assert_eq!(page["next"], Value::Null);
        let items = page["items"].as_array().unwrap();
        assert_eq!(items.len(), 2);
        items.iter().find(|item| item["user_id"] == *of.id).unwrap().clone()
    };
    assert_eq!(presence(&bob).await, json!({"user_id": bob.id, "online": false, "last_seen": null}));

    let phone = bob.connect().await;

    let online = presence(&bob).await;
    assert_eq!(online["online"], true);
    assert!(online["last_seen"].is_string(), "{online}");
    assert_eq!(presence(&alice).await["online"], false);
    drop(phone);
    let deadline = Instant::now() + PATIENCE;
    while presence(&bob).await["online"] == true {
        assert!(Instant::now() < deadline, "still online {PATIENCE:?} after disconnecting");
    }
}

#[tokio::test]
async fn presence_comes_in_the_pages_of_the_participants() {
    let chat = TestChat::start().await;
    let [alice, bob, carol] = chat.users(["alice", "bob", "carol"]).await;
    let conversation = alice.start_conversation_with([&bob, &carol]).await;
    let ids = |page: &Value| -> Vec<String> {
        page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["user_id"].as_str().unwrap().to_owned())
            .collect()
    };

    let first = alice.get(&conversation.path("/presence?limit=2")).await.expect(200);
    let cursor = first["next"].as_str().unwrap();
    let second =
        alice.get(&conversation.path(&format!("/presence?limit=2&cursor={cursor}"))).await.expect(200);

    assert_eq!(second["next"], Value::Null);
    let participants = alice.get(&conversation.path("/participants")).await.expect(200);
    assert_eq!([ids(&first), ids(&second)].concat(), ids(&participants));
    alice.get(&conversation.path("/presence?limit=0")).await.expect_invalid("limit");
    alice.get(&conversation.path("/presence?cursor=x")).await.expect_invalid("cursor");
}
