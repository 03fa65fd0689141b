//! Finding messages by their words.

use std::fmt::Write as _;

use serde_json::Value;
use support::{Conversation, Message, TestChat, User};
use uuid::Uuid;

/// A word that no other story says.
fn new_word() -> String {
    Uuid::new_v4().simple().to_string().replace(|c: char| c.is_ascii_digit(), "q")
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        write!(encoded, "%{byte:02X}").unwrap();
        encoded
    })
}

async fn page(user: &User, path: &str) -> (Vec<Message>, Option<String>) {
    let page = user.get(path).await.expect(200);
    let items = page["items"].as_array().unwrap().iter().map(Message::read).collect();
    (items, page["next"].as_str().map(str::to_owned))
}

async fn everywhere(user: &User, q: &str) -> Vec<Message> {
    page(user, &format!("/api/v1/search?q={}", encoded(q))).await.0
}

async fn within(user: &User, conversation: &Conversation, q: &str) -> Vec<Message> {
    page(user, &conversation.path(&format!("/messages/search?q={}", encoded(q)))).await.0
}

#[tokio::test]
async fn messages_are_found_by_all_their_words_the_last_one_as_it_is_typed() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    let word = new_word();
    let message = alice.send(&conversation, &format!("The Quick brown {word} jumps")).await;
    alice.send(&conversation, &format!("another {word}")).await;
    let message = [message];

    for q in ["quick jumps", "JUMPS QUICK", "brown ju", "quick, \"jump", "jumps the"] {
        assert_eq!(within(&alice, &conversation, q).await, message, "{q}");
        assert_eq!(everywhere(&alice, &format!("{word} {q}")).await, message, "{q}");
    }
    for q in ["qui jumps", "jumps slowly", "ick", "umps"] {
        assert_eq!(within(&alice, &conversation, q).await, [], "{q}");
    }
    assert_eq!(everywhere(&alice, &word[..10]).await.len(), 2);
}

#[tokio::test]
async fn addresses_and_paths_are_found_by_their_parts_and_as_a_whole() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    let content = "see https://www.example.com/a_b?x=1#top or grace@mail.example, <b>v3.14</b> ÜBER 漢字";
    let message = [alice.send(&conversation, content).await];

    for q in [
        "example",
        "www.example.com",
        "https://www.example.com/a_b?x=1",
        "grace@mail.example",
        "mail",
        "v3.14",
        "<b>v3",
        "über",
        "漢字",
    ] {
        assert_eq!(within(&alice, &conversation, q).await, message, "{q}");
    }
}

#[tokio::test]
async fn whatever_is_searched_for_is_harmless() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    alice.send(&conversation, "hello world").await;

    for q in [
        "!!",
        "' or '1'='1",
        "a & | !",
        "hello:*A <-> world",
        "\\'\\",
        "((((",
        "''''",
        "%%__",
        "\u{202e}\u{feff}",
    ] {
        within(&alice, &conversation, q).await;
        everywhere(&alice, q).await;
    }
    assert_eq!(within(&alice, &conversation, "!! & ''").await, []);
    assert_eq!(within(&alice, &conversation, "hello:*&!world").await.len(), 1);
}

#[tokio::test]
async fn only_what_one_takes_part_in_is_found() {
    let chat = TestChat::start().await;
    let [alice, bob, eve] = chat.users(["alice", "bob", "eve"]).await;
    let (ours, alone) =
        (alice.start_conversation_with([&bob]).await, alice.start_conversation_with([]).await);
    let word = new_word();
    let shared = alice.send(&ours, &word).await;
    let private = alice.send(&alone, &word).await;

    assert_eq!(everywhere(&alice, &word).await, [private.clone(), shared.clone()]);
    assert_eq!(everywhere(&bob, &word).await, [shared]);
    assert_eq!(everywhere(&eve, &word).await, []);
    assert_eq!(within(&alice, &alone, &word).await, [private]);
    let search = alone.path(&format!("/messages/search?q={word}"));
    eve.get(&search).await.expect_error(404, "not_found");
    bob.get(&search).await.expect_error(404, "not_found");
    alice.remove(&ours, &bob).await.expect(204);
    assert_eq!(everywhere(&bob, &word).await, []);
    chat.get(&search).await.expect_error(401, "unauthenticated");
    chat.get(&format!("/api/v1/search?q={word}")).await.expect_error(401, "unauthenticated");
}

#[tokio::test]
async fn a_deleted_conversation_is_not_searched() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    let word = new_word();
    alice.send(&conversation, &word).await;
    assert_eq!(everywhere(&alice, &word).await.len(), 1);

    alice.delete(&conversation.path("")).await.expect(204);

    assert_eq!(everywhere(&alice, &word).await, []);
}

#[tokio::test]
async fn what_is_found_comes_newest_first_in_pages() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let conversations = [alice.start_conversation_with([]).await, alice.start_conversation_with([]).await];
    let word = new_word();
    let mut sent = Vec::new();
    for number in 0..5 {
        sent.push(alice.send(&conversations[number % 2], &format!("{word} {number}")).await);
    }
    sent.reverse();

    for path in ["/api/v1/search".to_owned(), conversations[0].path("/messages/search")] {
        let mut found = Vec::new();
        let mut next = Some(String::new());
        while let Some(cursor) = next {
            let cursor = if cursor.is_empty() { cursor } else { format!("&cursor={cursor}") };
            let (items, following) = page(&alice, &format!("{path}?q={word}&limit=2{cursor}")).await;
            assert!(items.len() <= 2);
            found.extend(items);
            next = following;
        }
        let wanted: Vec<_> = sent
            .iter()
            .filter(|message| path == "/api/v1/search" || message.conversation_id == conversations[0].id)
            .cloned()
            .collect();
        assert_eq!(found, wanted, "{path}");
    }
}

#[tokio::test]
async fn bad_searches_name_the_field() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    let long = "x".repeat(201);
    let bad = [
        ("", "q"),
        ("q=", "q"),
        ("q=x", "q"),
        ("q=nul%00", "q"),
        (&*format!("q={long}"), "q"),
        ("q=xx&limit=0", "limit"),
        ("q=xx&limit=101", "limit"),
        ("q=xx&cursor=nonsense", "cursor"),
    ];

    for (query, field) in bad {
        alice.get(&format!("/api/v1/search?{query}")).await.expect_invalid(field);
        alice.get(&conversation.path(&format!("/messages/search?{query}"))).await.expect_invalid(field);
    }
    alice.get(&format!("/api/v1/search?q={}", &long[1..])).await.expect(200);
}

#[tokio::test]
async fn a_trailing_slash_means_the_same_search() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    let word = new_word();
    let message = [alice.send(&conversation, &word).await];

    assert_eq!(page(&alice, &format!("/api/v1/search/?q={word}")).await, (message.to_vec(), None));
    let slashed = conversation.path(&format!("/messages/search/?q={word}"));
    assert_eq!(alice.get(&slashed).await.expect(200)["next"], Value::Null);
}
