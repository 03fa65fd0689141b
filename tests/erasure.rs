//! Leaving for good: what somebody takes with them, and that nothing of them stays.

use std::{fs, path::Path};

use reqwest::Method;
use serde_json::{Value, json};
use support::{Handshake, StackOptions, TestChat, User};

const PROFILE: &str = "/api/v1/auth/profile";
const EXPORT: &str = "/api/v1/auth/profile/export";

async fn erase(user: &User) -> support::Answer {
    let password = json!({"password": user.password});
    user.call(Method::DELETE, PROFILE, Some(password)).await
}

async fn alone() -> TestChat {
    let options = StackOptions {
        throttle_messages: "off".to_owned(),
        gateway_args: vec!["--no-schedules".to_owned()],
        ..StackOptions::default()
    };
    TestChat::alone(options).await
}

/// The log files in which a text stands.
fn logs_with(folder: &Path, text: &str) -> Vec<String> {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let with_text = files.filter(|file| {
        file.is_file() && fs::read(file).unwrap().windows(text.len()).any(|part| part == text.as_bytes())
    });
    with_text.map(|file| file.display().to_string()).collect()
}

/// What tells who somebody is.
fn traces(user: &User) -> [String; 3] {
    [user.email.clone(), user.username.clone(), user.name.clone()]
}

#[tokio::test]
async fn nothing_of_an_erased_account_stays_but_what_it_wrote() {
    let chat = alone().await;
    let [mallory, bob, carol] = chat.users(["mallory", "bob", "carol"]).await;
    let renamed = json!({"first_name": "Mallorycanary", "last_name": "Canarymallory"});
    mallory.patch(PROFILE, renamed).await.expect(200);
    let mallory = mallory.signed_in_again().await;
    let group = bob.start_conversation_with([&mallory, &carol]).await;
    let left = mallory.start_conversation_with([&bob, &carol]).await;
    let direct = mallory.direct_with(&bob).await;
    mallory.send(&group, "a word that stays").await;
    mallory.send(&direct, "one for bob").await;
    mallory.send(&left, "from who has left").await;
    mallory.leave(&left).await.expect(204);
    let added = bob.start_conversation_with([]).await;
    bob.add(&added, &mallory).await.expect(201);
    let silent = bob.start_conversation_with([&mallory]).await;
    bob.remove(&silent, &mallory).await.expect(204);
    let mut watching = bob.connect_to(&group).await;
    let mut own = mallory.connect_to(&group).await;
    for trace in traces(&mallory) {
        assert!(!chat.stack.postgres_tables_with(&trace).await.is_empty(), "{trace}");
    }
    assert!(!chat.stack.redis_keys_with(&mallory.email).await.is_empty());

    erase(&mallory).await.expect(204);

    let removed = watching.next_event_of("participant.removed").await;
    assert_eq!((&removed["user_id"], &removed["by"]), (&json!(mallory.id), &json!(mallory.id)));
    own.closed().await;
    for trace in traces(&mallory) {
        assert_eq!(chat.stack.postgres_tables_with(&trace).await, Vec::<String>::new(), "{trace}");
        assert_eq!(chat.stack.redis_keys_with(&trace).await, Vec::<String>::new(), "{trace}");
        assert_eq!(logs_with(chat.stack.logs(), &trace), Vec::<String>::new(), "{trace}");
    }
    for (conversation, content) in
        [(&group, "a word that stays"), (&direct, "one for bob"), (&left, "from who has left")]
    {
        let history = bob.history(conversation).await;
        let message = history.iter().find(|message| message.content == content).unwrap();
        assert_eq!((&message.user_id, &*message.user_name), (&None, "deleted user"));
        let resumed = bob.connect().await.subscribe_from(conversation, Some(0)).await;
        assert!(resumed.to_string().contains(content));
    }
    // What told of them tells of a "deleted user", to whoever resumes from there and once Redis knows nothing.
    let mut resuming = bob.connect().await;
    let resumed = resuming.subscribe_from(&added, Some(0)).await;
    let entries: Vec<_> = resumed["messages"].as_array().unwrap().iter().collect();
    assert_eq!(entries[0]["participant"]["user_name"], "deleted user", "{resumed}");
    assert_eq!(entries[0]["participant"]["user_email"], Value::Null);
    chat.stack.wipe_redis().await;
    assert_eq!(bob.connect().await.subscribe_from(&added, Some(0)).await["messages"], resumed["messages"]);
    let mut watching = bob.connect_to(&added).await;
    let sent = bob.send(&added, "heard by those who are there").await;
    assert_eq!(watching.next_message().await, sent);
    let people: Vec<_> = bob.participants(&group).await.iter().map(|one| one["user_id"].clone()).collect();
    assert_eq!(people, [json!(bob.id), json!(carol.id)]);
    bob.send(&direct, "nobody is there").await;
}

#[tokio::test]
async fn whoever_is_erased_is_nobody_any_more() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let elsewhere = alice.signed_in_again().await;
    let mut connection = elsewhere.connect().await;

    erase(&alice).await.expect(204);

    connection.closed().await;
    erase(&alice).await.expect_error(401, "unauthenticated");
    for path in [PROFILE, EXPORT] {
        alice.get(path).await.expect_error(401, "unauthenticated");
    }
    let direct = json!({"user_id": bob.id});
    alice.post("/api/v1/conversations/direct", direct).await.expect_error(401, "unauthenticated");
    alice.post("/api/v1/conversations", json!({"name": "anew"})).await.expect_error(401, "unauthenticated");
    chat.refresh(&elsewhere.refresh_token).await.expect_error(401, "unauthenticated");
    chat.log_in("email", &alice.email, &alice.password).await.expect_error(401, "unauthenticated");
    let handshake = Handshake::new().bearer(&elsewhere.access_token);
    assert_eq!(chat.connect(handshake).await.err(), Some(401));
    bob.post("/api/v1/conversations/direct", json!({"user_id": alice.id})).await.expect_invalid("user_id");
    let account = json!({
        "email": alice.email, "username": alice.username, "first_name": "A", "last_name": "Nother",
        "password": "Correct-Horse-1",
    });
    let anew = chat.post("/api/v1/auth/signup", account).await.expect(201);
    assert_ne!(anew["user"]["id"], json!(alice.id), "the address and the name are free");
}

#[tokio::test]
async fn erasing_needs_the_password_and_an_admin_who_is_left() {
    let chat = alone().await;
    let root = chat.admin("root").await;
    let bob = chat.user("bob").await;
    let with = async |user: &User, body: Value| {
        chat.call(Method::DELETE, PROFILE, Some(&user.access_token), Some(body)).await
    };

    with(&bob, json!({"password": "Not-The-Password-1"})).await.expect_error(401, "unauthenticated");
    with(&bob, json!({})).await.expect_invalid("password");
    chat.call(Method::DELETE, PROFILE, None, Some(json!({"password": bob.password})))
        .await
        .expect_error(401, "unauthenticated");
    let kept = root.start_conversation_with([&bob]).await;
    root.send(&kept, "of the last admin").await;
    erase(&root).await.expect_conflict("role");
    chat.stack.wipe_redis().await;
    assert_eq!(bob.history(&kept).await[0].user_id.as_ref(), Some(&root.id), "nothing is half done");

    assert_eq!(bob.profile().await["id"], json!(bob.id));
    chat.set_role(&bob, "admin").await;
    erase(&root).await.expect(204);
}

#[tokio::test]
async fn the_last_admin_of_a_group_who_is_erased_leaves_it_to_the_longest_standing() {
    let chat = TestChat::start().await;
    let [alice, bob, carol] = chat.users(["alice", "bob", "carol"]).await;
    let group = alice.start_conversation_with([]).await;
    alice.add(&group, &bob).await.expect(201);
    alice.add(&group, &carol).await.expect(201);

    erase(&alice).await.expect(204);

    let roles: Vec<_> = bob.participants(&group).await.iter().map(|one| one["role"].clone()).collect();
    assert_eq!(roles, ["admin", "member"]);
    bob.rename(&group, "ours").await.expect(200);
}

#[tokio::test]
async fn a_redis_that_was_given_an_older_copy_forgets_who_was_erased() {
    let chat = alone().await;
    let [mallory, bob] = chat.users(["mallory", "bob"]).await;
    let group = bob.start_conversation_with([&mallory]).await;
    mallory.send(&group, "a word").await;
    let copy = chat.stack.copy_redis().await;
    erase(&mallory).await.expect(204);
    assert_eq!(chat.stack.redis_keys_with(&mallory.email).await, Vec::<String>::new());
    chat.stack.rewind_redis(&copy).await;
    assert!(!chat.stack.redis_keys_with(&mallory.email).await.is_empty());

    let postgres = chat.stack.postgres_connection(None).await;
    let age = "update erasures set created_at = created_at - interval '31 s'";
    assert!(postgres.execute(age, &[]).await.unwrap() > 0);
    chat.stack.invoke("maintenance").await;

    assert_eq!(chat.stack.redis_keys_with(&mallory.email).await, Vec::<String>::new());
    assert_eq!(bob.history(&group).await.last().unwrap().user_name, "deleted user");

    chat.stack.rewind_redis(&copy).await;
    chat.stack.invoke("maintenance").await;

    assert_eq!(chat.stack.redis_keys_with(&mallory.email).await, Vec::<String>::new(), "however often");
}

#[tokio::test]
async fn an_export_holds_all_that_somebody_wrote_page_by_page() {
    let chat = alone().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let (group, direct) = (bob.start_conversation_with([&alice]).await, alice.direct_with(&bob).await);
    let mut written = Vec::new();
    for number in 0..130 {
        for conversation in [&group, &direct] {
            written.push(alice.send(conversation, &format!("{number}")).await);
        }
    }
    bob.send(&group, "not hers").await;
    let taken_back = alice.send(&group, "taken back").await;
    alice.delete(&group.path(&format!("/messages/{}", taken_back.id))).await.expect(204);

    let first = alice.get(EXPORT).await.expect(200);
    let path = format!("{EXPORT}?cursor={}", first["next"].as_str().unwrap());
    let second = alice.get(&path).await.expect(200);

    assert_eq!(second["next"], Value::Null);
    for (page, sessions, conversations) in [(&first, 1, 2), (&second, 0, 0)] {
        assert_eq!(page["user"], alice.profile().await);
        assert_eq!(page["sessions"].as_array().unwrap().len(), sessions);
        assert_eq!(page["conversations"].as_array().unwrap().len(), conversations);
    }
    let mut exported: Vec<_> = support::messages_in(&first["messages"]);
    exported.extend(support::messages_in(&second["messages"]));
    let sorted = |mut messages: Vec<support::Message>| {
        messages.sort_by_key(|message| (message.conversation_id.clone(), message.seq));
        messages
    };
    assert_eq!(exported.len(), written.len());
    assert_eq!(sorted(exported), sorted(written));
    alice.get(&format!("{EXPORT}?cursor=nonsense")).await.expect_invalid("cursor");
    chat.get(EXPORT).await.expect_error(401, "unauthenticated");
}

#[tokio::test]
async fn no_page_of_an_export_is_larger_than_four_megabytes() {
    let chat = alone().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let ours = alice.start_conversation_with([&bob]).await;
    // Each character is six in JSON.
    let long = json!({"content": "\u{1}".repeat(2000), "metadata": {"long": "\u{1}".repeat(660)}});
    for _ in 0..251 {
        alice.post_message(&ours, long.clone()).await.expect(201);
    }

    let first = alice.get(EXPORT).await.expect(200);
    let path = format!("{EXPORT}?cursor={}", first["next"].as_str().unwrap());
    let second = alice.get(&path).await.expect(200);

    let count = |page: &Value| page["messages"].as_array().unwrap().len();
    assert!(count(&first) < 250 && first.to_string().len() < 4_100_000, "{}", count(&first));
    assert_eq!(count(&first) + count(&second), 251);
    assert_eq!(second["next"], Value::Null);
}

#[tokio::test]
async fn whoever_sends_and_is_added_while_they_are_erased_holds_nothing_up() {
    let chat = alone().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let room = bob.start_conversation_with([&alice]).await;

    let others = async {
        for _ in 0..30 {
            bob.send(&room, "goes on").await;
            let group = bob.start_conversation_with([]).await;
            let added = bob.add(&group, &alice).await;
            assert!([201, 422].contains(&added.status), "{added:?}");
        }
    };
    let own =
        async { while alice.post_message(&room, json!({"content": "still here"})).await.status == 201 {} };
    let erasing = async {
        bob.send(&room, "so that all of it is under way").await;
        erase(&alice).await.expect(204);
    };
    tokio::join!(others, own, erasing);

    for conversation in bob.list_conversations().await {
        let people = conversation["participant_count"].as_u64().unwrap();
        assert_eq!(people, 1, "{conversation}");
    }
    assert!(bob.history(&room).await.iter().all(|message| message.user_name != alice.name));
}
