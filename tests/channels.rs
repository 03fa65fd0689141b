//! Channels: conversations with a name of their own, which global admins start.

use std::collections::HashSet;

use futures_util::future;
use serde_json::{Value, json};
use support::{Conversation, TestChat, User};
use uuid::Uuid;

const CONVERSATIONS: &str = "/api/v1/conversations";

/// A name that no other story knows.
fn new_name(start: &str) -> String {
    format!("{start}-{}", &Uuid::new_v4().simple().to_string()[..16])
}

async fn start_channel(admin: &User, name: &str, others: &[&User]) -> Conversation {
    let ids: Vec<_> = others.iter().map(|other| &other.id).collect();
    let answer =
        admin.post(CONVERSATIONS, json!({"kind": "channel", "name": name, "participant_ids": ids})).await;
    Conversation::read(&answer.expect(201))
}

async fn found_by_name(user: &User, name: &str) -> Vec<Value> {
    let page = user.get(&format!("{CONVERSATIONS}?name={name}")).await.expect(200);
    assert_eq!(page["next"], Value::Null);
    page["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_global_admin_starts_a_channel_with_people_by_id_and_by_email() {
    let chat = TestChat::start().await;
    let root = chat.admin("root").await;
    let [bob, carol] = chat.users(["bob", "carol"]).await;
    let name = new_name("news");

    let channel = root
        .post(
            CONVERSATIONS,
            json!({"kind": "channel", "name": name, "participant_ids": [bob.id], "participant_emails": [carol.email]}),
        )
        .await
        .expect(201);

    assert_eq!(channel["kind"], "channel");
    assert_eq!(channel["name"], name.as_str());
    assert_eq!(channel["role"], "admin");
    assert_eq!(channel["participant_count"], 3);
    let conversation = Conversation::read(&channel);
    assert_eq!(bob.details(&conversation).await["role"], "member");
    bob.send(&conversation, "hello, channel").await;
    assert_eq!(carol.history(&conversation).await.len(), 1);
}

#[tokio::test]
async fn only_global_admins_start_channels_whatever_their_token_says() {
    let chat = TestChat::start().await;
    let member = chat.user("member").await;
    let former = chat.admin("former").await;
    chat.set_role(&former, "user").await;
    let start = |user: User| async move {
        user.post(CONVERSATIONS, json!({"kind": "channel", "name": new_name("mine")})).await
    };

    start(member).await.expect_error(403, "forbidden");
    start(former).await.expect_error(403, "forbidden");
}

#[tokio::test]
async fn a_channel_needs_a_name_of_lower_case_letters_digits_and_hyphens() {
    let chat = TestChat::start().await;
    let root = chat.admin("root").await;
    let start = |name: Value| root.post(CONVERSATIONS, json!({"kind": "channel", "name": name}));
    let short = Uuid::new_v4().simple().to_string();

    for bad in ["a", "News", "two words", "under_score", "ümlaut", "", &"x".repeat(51)] {
        start(json!(bad)).await.expect_invalid("name");
    }
    start(json!(null)).await.expect_invalid("name");
    root.post(CONVERSATIONS, json!({"kind": "channel"})).await.expect_invalid("name");
    root.post(CONVERSATIONS, json!({"kind": "direct", "name": "x-1"})).await.expect_invalid("kind");
    start(json!(format!("{short}{}", "-".repeat(18)))).await.expect(201);
}

#[tokio::test]
async fn strangers_named_for_a_channel_are_told_apart_and_leave_the_name_free() {
    let chat = TestChat::start().await;
    let root = chat.admin("root").await;
    let name = new_name("half");
    let with = |others: Value| {
        root.post(CONVERSATIONS, json!({"kind": "channel", "name": name, "participant_ids": others}))
    };

    with(json!([Uuid::now_v7().to_string()])).await.expect_invalid("participant_ids[0]");

    with(json!([])).await.expect(201);
}

#[tokio::test]
async fn a_second_channel_of_one_name_conflicts_and_a_group_of_it_does_not() {
    let chat = TestChat::start().await;
    let [root, other] = [chat.admin("root").await, chat.admin("other").await];
    let name = new_name("taken");
    start_channel(&root, &name, &[]).await;
    let again = json!({"kind": "channel", "name": name});

    root.post(CONVERSATIONS, again.clone()).await.expect_conflict("name");
    other.post(CONVERSATIONS, again).await.expect_conflict("name");

    other.post(CONVERSATIONS, json!({"name": name})).await.expect(201);
    other.post(CONVERSATIONS, json!({"kind": "group", "name": name})).await.expect(201);
}

#[tokio::test]
async fn of_racing_requests_for_one_name_exactly_one_makes_the_channel() {
    let chat = TestChat::start().await;
    let [root, other] = [chat.admin("root").await, chat.admin("other").await];
    let name = new_name("raced");

    let racing = (0..10).map(|number| {
        let who = if number % 2 == 0 { &root } else { &other };
        who.post(CONVERSATIONS, json!({"kind": "channel", "name": name}))
    });
    let answers = future::join_all(racing).await;

    let (made, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(made.len(), 1);
    for answer in refused {
        answer.expect_conflict("name");
    }
    let found = [found_by_name(&root, &name).await, found_by_name(&other, &name).await].concat();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["id"], made[0].body["id"]);
}

#[tokio::test]
async fn the_name_of_a_deleted_channel_is_free_again() {
    let chat = TestChat::start().await;
    let root = chat.admin("root").await;
    let name = new_name("phoenix");
    let first = start_channel(&root, &name, &[]).await;

    root.delete(&first.path("")).await.expect(204);

    assert!(found_by_name(&root, &name).await.is_empty());
    let second = start_channel(&root, &name, &[]).await;
    assert_ne!(second, first);
    assert_eq!(found_by_name(&root, &name).await[0]["id"], second.id);
}

#[tokio::test]
async fn a_channel_is_found_by_its_exact_name_by_those_in_it() {
    let chat = TestChat::start().await;
    let root = chat.admin("root").await;
    let [bob, eve] = chat.users(["bob", "eve"]).await;
    let name = new_name("found");
    let channel = start_channel(&root, &name, &[&bob]).await;
    bob.start_named_conversation(&name, []).await;

    let found = found_by_name(&bob, &name).await;

    assert_eq!(found, [bob.details(&channel).await]);
    assert!(found_by_name(&eve, &name).await.is_empty());
    for other in [&name[..name.len() - 1], &name.to_uppercase(), "", "%25", "nul%00", "two%20words"] {
        assert!(found_by_name(&bob, other).await.is_empty(), "{other}");
    }
    chat.get(&format!("{CONVERSATIONS}?name={name}")).await.expect_error(401, "unauthenticated");
}

#[tokio::test]
async fn to_a_global_admin_outside_of_it_a_channel_shows_nothing() {
    let chat = TestChat::start().await;
    let [root, outside] = [chat.admin("root").await, chat.admin("outside").await];
    let name = new_name("inner");
    let channel = start_channel(&root, &name, &[]).await;
    let sent = root.send(&channel, "for those inside").await;

    for rest in ["", "/participants", "/presence", "/messages", "/messages/search?q=inside"] {
        outside.get(&channel.path(rest)).await.expect_error(404, "not_found");
    }
    let read = outside.post(&channel.path("/read"), json!({"message_id": sent.id})).await;
    read.expect_error(404, "not_found");
    assert!(found_by_name(&outside, &name).await.is_empty());
}

#[tokio::test]
async fn a_global_admin_adds_and_removes_people_of_a_channel_without_being_in_it() {
    let chat = TestChat::start().await;
    let [root, outside] = [chat.admin("root").await, chat.admin("outside").await];
    let [bob, eve] = chat.users(["bob", "eve"]).await;
    let channel = start_channel(&root, &new_name("doors"), &[]).await;
    let group = root.start_conversation_with([]).await;

    eve.add(&channel, &eve).await.expect_error(404, "not_found");
    outside.add(&group, &bob).await.expect_error(404, "not_found");
    outside.add(&channel, &bob).await.expect(201);
    outside.add(&channel, &bob).await.expect(200);
    let inside: HashSet<_> = root
        .participants(&channel)
        .await
        .into_iter()
        .map(|participant| participant["user_id"].as_str().unwrap().to_owned())
        .collect();
    outside.remove(&channel, &bob).await.expect(204);

    assert_eq!(inside, HashSet::from([root.id.clone(), bob.id.clone()]));
    bob.get(&channel.path("")).await.expect_error(404, "not_found");
    outside.get(&channel.path("")).await.expect_error(404, "not_found");
    outside.add(&channel, &outside).await.expect(201);
    outside.leave(&channel).await.expect(204);
    root.add(&channel, &eve).await.expect(201);
    let trail = root.get("/api/v1/admin/audit?limit=100").await.expect(200);
    let of_channel = trail["items"].as_array().unwrap().iter().filter(|deed| deed["target"] == channel.id);
    let deeds: Vec<_> = of_channel
        .map(|deed| (deed["action"].as_str().unwrap(), deed["actor_id"].clone(), deed["details"].clone()))
        .collect();
    let by_outside = |action, target: &User| (action, json!(outside.id), json!({"user_id": target.id}));
    let expected = [
        by_outside("channel.participant.added", &outside),
        by_outside("channel.participant.removed", &bob),
        by_outside("channel.participant.added", &bob),
        ("channel.started", json!(root.id), json!({})),
    ];
    assert_eq!(deeds, expected, "not what the channel's own admin does");
}

#[tokio::test]
async fn renaming_a_channel_obeys_its_rule_and_a_taken_name_conflicts() {
    let chat = TestChat::start().await;
    let root = chat.admin("root").await;
    let (first, second, free) = (new_name("first"), new_name("second"), new_name("free"));
    let channel = start_channel(&root, &first, &[]).await;
    start_channel(&root, &second, &[]).await;

    root.rename(&channel, "Not A Channel's").await.expect_invalid("name");
    root.rename(&channel, &second).await.expect_conflict("name");
    let renamed = root.rename(&channel, &free).await.expect(200);

    assert_eq!(renamed["name"], free.as_str());
    assert!(found_by_name(&root, &first).await.is_empty());
    assert_eq!(found_by_name(&root, &free).await[0]["id"], channel.id);
}
