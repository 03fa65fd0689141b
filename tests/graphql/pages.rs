//! Lists, from one end to the other.

use std::collections::BTreeSet;

use support::{Conversation, TestChat, User};

use super::client::{Chats, Messages, Users, chats, data, messages, users};

#[tokio::test]
async fn messages_are_paged_through_both_ways_without_a_gap() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let room = alice.start_conversation_with([&bob]).await;
    let mut sent = Vec::new();
    for number in 0..4 {
        sent.push(alice.send(&room, &format!("a{number}")).await.id);
        sent.push(bob.send(&room, &format!("b{number}")).await.id);
    }

    let (mut backwards, mut before) = (Vec::new(), None);
    loop {
        let (ids, next) = page(&alice, &room, before, None).await;
        backwards.splice(0..0, ids);
        before = next;
        if before.is_none() {
            break;
        }
    }
    let (mut forwards, mut after) = (Vec::new(), Some(sent[0].clone()));
    while after.is_some() {
        let (ids, next) = page(&alice, &room, None, after).await;
        forwards.extend(ids);
        after = next;
    }

    assert_eq!(backwards, sent);
    assert_eq!(forwards, sent[1..]);
}

/// The ids of a page of three, and where it goes on.
async fn page(
    user: &User,
    room: &Conversation,
    before: Option<String>,
    after: Option<String>,
) -> (Vec<String>, Option<String>) {
    let variables = messages::Variables { chat_id: room.id.clone(), before, after, first: Some(3) };
    let page = data::<Messages>(user, variables).await.messages.unwrap();
    assert_eq!(page.page_info.has_next_page, page.page_info.end_cursor.is_some());
    (page.nodes.into_iter().map(|message| message.said.id).collect(), page.page_info.end_cursor)
}

#[tokio::test]
async fn chats_are_paged_through_latest_activity_first() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let mut rooms = Vec::new();
    for _ in 0..5 {
        rooms.push(alice.start_conversation_with([]).await.id);
    }
    let (mut listed, mut after) = (Vec::new(), None);

    loop {
        let page = data::<Chats>(&alice, chats::Variables { first: Some(2), after }).await.chats.unwrap();
        listed.extend(page.nodes.into_iter().map(|chat| chat.id));
        after = page.page_info.end_cursor;
        if after.is_none() {
            break;
        }
    }

    rooms.reverse();
    assert_eq!(listed, rooms);
}

#[tokio::test]
async fn users_are_paged_through_without_one_twice() {
    let chat = TestChat::start().await;
    let root = chat.admin("root").await;
    let some = chat.users(["ann", "ben", "cid"]).await;
    let (mut listed, mut after, mut missing) =
        (Vec::new(), None, some.iter().map(|user| user.id.clone()).collect::<BTreeSet<_>>());

    while !missing.is_empty() {
        let variables = users::Variables { first: Some(2), after, search: None };
        let page = data::<Users>(&root, variables).await.users.unwrap();
        for user in page.nodes {
            missing.remove(&user.id);
            listed.push(user.id);
        }
        after = page.page_info.end_cursor;
        assert!(after.is_some() || missing.is_empty(), "{missing:?} are not listed");
    }

    assert_eq!(listed.iter().collect::<BTreeSet<_>>().len(), listed.len());
}
