//! Reading back what was said.

use futures_util::future;
use serde_json::{Value, json};
use support::{Conversation, Message, StackOptions, TestChat, User};

/// A conversation of somebody, with messages in it.
async fn conversation_with_messages(owner: &User, count: usize) -> (Conversation, Vec<Message>) {
    let conversation = owner.start_conversation_with([]).await;
    let mut sent = Vec::with_capacity(count);
    for number in 0..count {
        sent.push(owner.send(&conversation, &format!("number {number}")).await);
    }
    (conversation, sent)
}

/// All messages, page by page from the newest to the oldest, in their order.
async fn page_all_back(user: &User, conversation: &Conversation, limit: usize) -> Vec<Message> {
    let mut all: Vec<Message> = Vec::new();
    let mut query = format!("?limit={limit}");
    loop {
        let mut page = user.history_page(conversation, &query).await;
        assert!(page.items.len() <= limit);
        page.items.append(&mut all);
        all = page.items;
        let Some(next) = page.next else { return all };
        query = format!("?limit={limit}&before={next}");
    }
}

#[tokio::test]
async fn history_is_the_newest_page_in_the_order_of_the_log() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let (conversation, sent) = conversation_with_messages(&alice, 5).await;

    let all = alice.history_page(&conversation, "").await;
    let newest = alice.history_page(&conversation, "?limit=2").await;

    assert_eq!(all.items, sent);
    assert_eq!(all.next, None);
    assert_eq!(newest.items, sent[3..]);
    assert_eq!(newest.next.as_deref(), Some(&*sent[3].id));
}

#[tokio::test]
async fn paging_back_and_forth_misses_nothing_and_repeats_nothing() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let (conversation, sent) = conversation_with_messages(&alice, 7).await;

    let back = page_all_back(&alice, &conversation, 3).await;
    let mut forth = Vec::new();
    let mut from = sent[0].id.clone();
    loop {
        let page = alice.history_page(&conversation, &format!("?limit=2&from={from}")).await;
        forth.extend(page.items);
        let Some(next) = page.next else { break };
        from = next;
    }

    assert_eq!(back, sent);
    assert_eq!(forth, sent[1..]);
}

#[tokio::test]
async fn from_is_what_follows_a_message_and_before_what_precedes_it() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let (conversation, sent) = conversation_with_messages(&alice, 5).await;
    let page = async |query: String| alice.history_page(&conversation, &query).await.items;

    assert_eq!(page(format!("?from={}", sent[1].id)).await, sent[2..]);
    assert_eq!(page(format!("?from={}&limit=2", sent[1].id)).await, sent[2..4]);
    assert_eq!(page(format!("?from={}", sent[4].id)).await, []);
    assert_eq!(page(format!("?before={}", sent[3].id)).await, sent[..3]);
    assert_eq!(page(format!("?before={}&limit=2", sent[3].id)).await, sent[1..3]);
    assert_eq!(page(format!("?before={}", sent[0].id)).await, []);
}

#[tokio::test]
async fn history_holds_messages_only() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.start_conversation_with([]).await;
    let first = alice.send(&conversation, "before").await;
    alice.add(&conversation, &bob).await.expect(201);
    alice.rename(&conversation, "with Bob").await.expect(200);
    let second = alice.send(&conversation, "after").await;

    let following = alice.history_page(&conversation, &format!("?from={}&limit=1", first.id)).await;
    let preceding = alice.history_page(&conversation, &format!("?before={}&limit=1", second.id)).await;
    let all = alice.history(&conversation).await;
    assert_eq!(following.items, all[1..]);
    assert_eq!(preceding.items, all[..1]);
    assert_eq!(all, [first, second]);
}

#[tokio::test]
async fn an_empty_conversation_has_an_empty_history() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;

    let page = alice.history_page(&conversation, "").await;

    assert_eq!(page.items, []);
    assert_eq!(page.next, None);
}

#[tokio::test]
async fn only_participants_read_history() {
    let chat = TestChat::start().await;
    let [alice, bob, eve] = chat.users(["alice", "bob", "eve"]).await;
    let conversation = alice.start_conversation_with([&bob]).await;
    alice.send(&conversation, "among us").await;
    assert_eq!(bob.history(&conversation).await.len(), 1);

    alice.remove(&conversation, &bob).await.expect(204);

    for (path, who) in [
        ("/messages", &eve),
        ("/messages", &bob),
        ("/messages?limit=1", &bob),
        ("/messages?before=9-0", &bob),
    ] {
        who.get(&conversation.path(path)).await.expect_error(404, "not_found");
    }
    chat.get(&conversation.path("/messages")).await.expect_error(401, "unauthenticated");
}

#[tokio::test]
async fn bad_ids_and_limits_are_invalid() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let (conversation, sent) = conversation_with_messages(&alice, 1).await;
    let queries = [
        ("limit=0".to_owned(), "limit"),
        ("limit=101".to_owned(), "limit"),
        ("limit=some".to_owned(), "limit"),
        ("from=nonsense".to_owned(), "from"),
        ("before=nonsense".to_owned(), "before"),
        ("before=-1-0".to_owned(), "before"),
        ("before=1-x".to_owned(), "before"),
        (format!("before={}0", u64::MAX), "before"),
    ];

    for (query, field) in queries {
        let answer = alice.get(&conversation.path(&format!("/messages?{query}"))).await;

        answer.expect_invalid(field);
    }
    let both = alice.get(&conversation.path(&format!("/messages?from={0}&before={0}", sent[0].id))).await;
    both.expect_invalid("before");
}

#[tokio::test]
async fn a_trailing_slash_means_the_same_history() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let (conversation, _) = conversation_with_messages(&alice, 1).await;

    let with_slash = alice.get(&conversation.path("/messages/")).await.expect(200);
    let posted =
        alice.post(&conversation.path("/messages/"), json!({"content": "slashed"})).await.expect(201);

    assert_eq!(with_slash["items"].as_array().unwrap().len(), 1);
    assert_eq!(with_slash["next"], Value::Null);
    assert_eq!(alice.history(&conversation).await[1].id, posted["id"]);
}

#[tokio::test]
async fn when_redis_was_emptied_history_is_the_same_and_goes_on() {
    let options =
        StackOptions { throttle_messages: "off".to_owned(), concurrency: 1, ..StackOptions::default() };
    let chat = TestChat::alone(options).await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.start_conversation_with([&bob]).await;
    let mut sent = Vec::new();
    for number in 0..30 {
        sent.push(alice.send(&conversation, &format!("number {number}")).await);
    }

    chat.stack.wipe_redis().await;

    let newest = alice.history_page(&conversation, "?limit=10").await;
    assert_eq!(newest.items, sent[20..]);
    assert_eq!(page_all_back(&bob, &conversation, 7).await, sent);
    let next = bob.send(&conversation, "it goes on").await;
    assert_eq!(next.seq, sent[29].seq + 1);
    sent.push(next);
    let resumed = alice.connect().await.subscribe_from(&conversation, Some(sent[9].seq)).await;
    assert_eq!(support::messages_in(&resumed["messages"]), sent[10..]);
    assert_eq!(resumed["complete"], true);
}

#[tokio::test]
async fn messages_older_than_what_redis_keeps_come_from_the_archive_without_a_seam() {
    let options =
        StackOptions { throttle_messages: "off".to_owned(), concurrency: 2, ..StackOptions::default() };
    let chat = TestChat::alone(options).await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    // Redis keeps about a thousand entries; trimming in whole blocks may keep some hundred more.
    let mut connections = future::join_all((0..4).map(|_| alice.connect())).await;
    let writing = connections.iter_mut().enumerate().map(async |(writer, connection)| {
        let mut sent = Vec::new();
        for number in 0..325 {
            sent.push(connection.send(&conversation, &format!("{writer}: {number}")).await);
        }
        sent
    });
    let mut sent: Vec<Message> = future::join_all(writing).await.into_iter().flatten().collect();
    sent.sort_by_key(|message| message.seq);

    let read = page_all_back(&alice, &conversation, 100).await;

    assert_eq!(read.len(), 1300);
    assert_eq!(read, sent);
    let from_the_archive =
        alice.history_page(&conversation, &format!("?from={}&limit=100", sent[0].id)).await;
    assert_eq!(from_the_archive.items, sent[1..101]);
    let mut resuming = alice.connect().await;
    let mut resumed = Vec::new();
    let mut last = sent[9].seq;
    loop {
        let answer = resuming.subscribe_from(&conversation, Some(last)).await;
        assert!(answer.to_string().len() <= 100 * 1024);
        resumed.extend(support::messages_in(&answer["messages"]));
        let through = answer["through"].as_u64().unwrap();
        if answer["complete"] == true {
            break;
        }
        assert!(through > last, "a subscription that is not complete gets ahead: {through}");
        last = through;
    }
    assert_eq!(resumed, sent[10..]);
}
