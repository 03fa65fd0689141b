//! Starting, finding, changing and leaving conversations.

use std::collections::HashSet;

use futures_util::FutureExt as _;
use serde_json::{Value, json};
use support::{Conversation, TestChat};
use uuid::Uuid;

const CONVERSATIONS: &str = "/api/v1/conversations";

fn ids(list: &[Value]) -> Vec<&str> {
    list.iter().map(|item| item["id"].as_str().unwrap()).collect()
}

fn participant_ids(list: &[Value]) -> HashSet<&str> {
    list.iter().map(|item| item["user_id"].as_str().unwrap()).collect()
}

fn role_of<'a>(list: &'a [Value], user_id: &str) -> &'a str {
    list.iter().find(|item| item["user_id"] == user_id).unwrap()["role"].as_str().unwrap()
}

#[tokio::test]
async fn a_group_is_started_with_people_by_id_and_by_email() {
    let chat = TestChat::start().await;
    let [alice, bob, carol] = chat.users(["alice", "bob", "carol"]).await;
    let group = json!({"name": "Hiking", "participant_ids": [bob.id], "participant_emails": [carol.email.to_uppercase()]});

    let answer = alice.post(CONVERSATIONS, group).await.expect(201);

    assert_eq!(answer["kind"], "group");
    assert_eq!(answer["name"], "Hiking");
    assert_eq!(answer["role"], "admin");
    assert_eq!(answer["participant_count"], 3);
    assert_eq!(answer["unread_count"], 0);
    assert_eq!(answer["last_message"], Value::Null);
    assert_eq!(answer["muted"], false);
    assert_eq!(answer["archived"], false);
    let participants = answer["participants"].as_array().unwrap();
    assert_eq!(participant_ids(participants), HashSet::from([&*alice.id, &*bob.id, &*carol.id]));
    assert_eq!(role_of(participants, &alice.id), "admin");
    assert_eq!(role_of(participants, &bob.id), "member");
    let conversation = Conversation::read(&answer);
    assert_eq!(Uuid::parse_str(&conversation.id).unwrap().get_version_num(), 7);
    assert_eq!(alice.details(&conversation).await, answer);
    assert_eq!(bob.details(&conversation).await["role"], "member");
    assert_eq!(ids(&carol.list_conversations().await), [conversation.id]);
}

#[tokio::test]
async fn a_conversation_has_every_field_wherever_it_is_shown() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;

    let created = alice.post(CONVERSATIONS, json!({"participant_ids": [bob.id]})).await.expect(201);
    let conversation = Conversation::read(&created);
    let renamed = alice.rename(&conversation, "With a name").await.expect(200);
    let details = alice.details(&conversation).await;
    let listed = alice.list_conversations().await.remove(0);

    for shown in [created, renamed, details, listed] {
        for key in [
            "id",
            "kind",
            "name",
            "role",
            "participants",
            "participant_count",
            "last_seq",
            "last_message",
            "unread_count",
            "muted",
            "archived",
            "created_at",
            "updated_at",
        ] {
            assert!(shown.get(key).is_some(), "{key}: {shown}");
        }
        for participant in shown["participants"].as_array().unwrap() {
            for key in ["user_id", "user_name", "user_email", "role", "joined_at"] {
                assert!(participant[key].is_string(), "{key}: {participant}");
            }
        }
    }
}

#[tokio::test]
async fn a_group_needs_neither_a_name_nor_others() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;

    let answer = alice.post(CONVERSATIONS, json!({})).await.expect(201);

    assert_eq!(answer["name"], Value::Null);
    assert_eq!(answer["participant_count"], 1);
}

#[tokio::test]
async fn naming_oneself_or_somebody_twice_counts_once() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let group = json!({"participant_ids": [bob.id, bob.id, alice.id], "participant_emails": [bob.email]});

    let answer = alice.post(CONVERSATIONS, group).await.expect(201);

    assert_eq!(answer["participant_count"], 2);
    assert_eq!(answer["role"], "admin");
}

#[tokio::test]
async fn starting_a_group_twice_makes_two() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;

    let first = alice.start_named_conversation("Hiking", [&bob]).await;
    let second = alice.start_named_conversation("Hiking", [&bob]).await;

    assert_ne!(first, second);
    assert_eq!(ids(&bob.list_conversations().await), [second.id, first.id]);
}

#[tokio::test]
async fn bad_input_to_a_new_group_names_the_field() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let strangers: Vec<_> = (0..101).map(|_| Uuid::now_v7().to_string()).collect();
    let bad = [
        ("name", json!("")),
        ("name", json!("x".repeat(101))),
        ("name", json!(5)),
        ("participant_ids", json!("not a list")),
        ("participant_ids", json!(["not an id"])),
        ("participant_ids", json!([Uuid::now_v7().to_string()])),
        ("participant_ids", json!(strangers)),
        ("participant_emails", json!(["nobody@nowhere.example"])),
        ("participant_emails", json!([1])),
    ];

    for (field, value) in bad {
        let answer = alice.post(CONVERSATIONS, json!({field: value})).await;

        answer.expect_invalid(field);
    }
    assert!(alice.list_conversations().await.is_empty());
}

#[tokio::test]
async fn nobody_starts_or_lists_conversations_without_signing_in() {
    let chat = TestChat::start().await;

    let started = chat.post(CONVERSATIONS, json!({})).await;
    let direct = chat.post("/api/v1/conversations/direct", json!({"user_id": Uuid::now_v7()})).await;
    let listed = chat.get(CONVERSATIONS).await;

    started.expect_error(401, "unauthenticated");
    direct.expect_error(401, "unauthenticated");
    listed.expect_error(401, "unauthenticated");
}

#[tokio::test]
async fn a_trailing_slash_means_the_same_conversations() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;

    let conversation = Conversation::read(&alice.post("/api/v1/conversations/", json!({})).await.expect(201));

    let listed = alice.get("/api/v1/conversations/").await.expect(200);
    assert_eq!(ids(listed["items"].as_array().unwrap()), [&*conversation.id]);
    assert_eq!(alice.get(&conversation.path("/")).await.expect(200)["id"], conversation.id.as_str());
    alice.get(&conversation.path("/participants/")).await.expect(200);
}

#[tokio::test]
async fn the_list_has_the_latest_activity_first_with_the_last_message_and_what_is_unread() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let first = alice.start_named_conversation("first", [&bob]).await;
    let second = alice.start_named_conversation("second", [&bob]).await;
    let quiet = alice.start_named_conversation("quiet", [&bob]).await;

    alice.send(&second, "one").await;
    alice.send(&first, "two").await;
    let newest = alice.send(&first, "three").await;

    let listed = bob.list_conversations().await;
    assert_eq!(ids(&listed), [&*first.id, &*second.id, &*quiet.id]);
    assert_eq!(listed[0]["last_message"]["id"], newest.id.as_str());
    assert_eq!(listed[0]["last_message"]["content"], "three");
    assert_eq!(listed[0]["last_seq"], newest.seq);
    assert_eq!(listed[0]["unread_count"], 2);
    assert_eq!(listed[1]["unread_count"], 1);
    assert_eq!(listed[2]["unread_count"], 0);
    let own = alice.list_conversations().await;
    assert_eq!(own[0]["unread_count"], 0, "one's own messages are read");
}

#[tokio::test]
async fn paging_through_the_list_misses_nothing() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let mut started = Vec::new();
    for number in 0..5 {
        started.push(alice.start_named_conversation(&format!("number {number}"), []).await.id);
    }
    started.reverse();

    let mut seen = Vec::new();
    let mut query = "?limit=2".to_owned();
    let mut pages = 0;
    loop {
        let page = alice.get(&format!("{CONVERSATIONS}{query}")).await.expect(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        seen.extend(ids(items).into_iter().map(str::to_owned));
        pages += 1;
        let Some(next) = page["next"].as_str() else { break };
        query = format!("?limit=2&cursor={next}");
    }

    assert_eq!(seen, started);
    assert_eq!(pages, 3);
}

#[tokio::test]
async fn limits_and_cursors_of_lists_are_checked() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;

    for path in [CONVERSATIONS.to_owned(), conversation.path("/participants")] {
        for query in ["limit=0", "limit=101", "limit=-1", "limit=many", "cursor=nonsense"] {
            let answer = alice.get(&format!("{path}?{query}")).await;

            answer.expect_error(422, "invalid");
        }
        alice.get(&format!("{path}?limit=1")).await.expect(200);
        alice.get(&format!("{path}?limit=100")).await.expect(200);
    }
}

#[tokio::test]
async fn only_an_admin_renames() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.start_named_conversation("old", [&bob]).await;

    let patched = alice.patch(&conversation.path(""), json!({"name": "new"})).await.expect(200);
    let put = alice.put(&conversation.path(""), json!({"name": "newer"})).await.expect(200);
    let by_member = bob.rename(&conversation, "mine").await;
    let put_by_member = bob.put(&conversation.path(""), json!({"name": "mine"})).await;

    assert_eq!(patched["name"], "new");
    assert_eq!(put["name"], "newer");
    by_member.expect_error(403, "forbidden");
    put_by_member.expect_error(403, "forbidden");
    assert_eq!(bob.details(&conversation).await["name"], "newer");
}

#[tokio::test]
async fn a_conversations_name_has_1_to_100_characters() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_named_conversation("old", []).await;

    alice.rename(&conversation, &"ñ".repeat(100)).await.expect(200);
    alice.rename(&conversation, &"ñ".repeat(101)).await.expect_invalid("name");
    alice.rename(&conversation, "").await.expect_invalid("name");
    alice.rename(&conversation, "  ").await.expect_invalid("name");
    alice.put(&conversation.path(""), json!({})).await.expect_invalid("name");
    alice.patch(&conversation.path(""), json!({"name": 1})).await.expect_invalid("name");
}

#[tokio::test]
async fn only_an_admin_deletes_and_only_once() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.start_conversation_with([&bob]).await;
    alice.send(&conversation, "soon gone").await;

    let by_member = bob.delete(&conversation.path("")).await;
    let deleted = alice.delete(&conversation.path("")).await;
    let repeated = alice.delete(&conversation.path("")).await;

    by_member.expect_error(403, "forbidden");
    deleted.expect(204);
    repeated.expect_error(404, "not_found");
    for user in [&alice, &bob] {
        user.get(&conversation.path("")).await.expect_error(404, "not_found");
        user.get(&conversation.path("/messages")).await.expect_error(404, "not_found");
        user.post_message(&conversation, json!({"content": "hello?"})).await.expect_error(404, "not_found");
        assert!(user.list_conversations().await.is_empty());
    }
}

#[tokio::test]
async fn connected_participants_learn_that_a_conversation_was_deleted() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.start_conversation_with([&bob]).await;
    let mut phone = bob.connect_to(&conversation).await;

    alice.delete(&conversation.path("")).await.expect(204);

    let event = phone.next_event_of("conversation.deleted").await;
    assert_eq!(event["conversation_id"], conversation.id.as_str());
}

#[tokio::test]
async fn a_direct_conversation_is_made_once_and_then_found_from_both_sides() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;

    let made = alice.direct(&bob).await.expect(201);
    let found = alice.direct(&bob).await.expect(200);
    let from_the_other_side = bob.direct(&alice).await.expect(200);

    assert_eq!(made["kind"], "direct");
    assert_eq!(made["participant_count"], 2);
    assert_eq!(found["id"], made["id"]);
    assert_eq!(from_the_other_side["id"], made["id"]);
    assert_eq!(ids(&bob.list_conversations().await), [made["id"].as_str().unwrap()]);
}

#[tokio::test]
async fn a_direct_conversation_needs_somebody_else_who_exists() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let direct = |body| alice.post("/api/v1/conversations/direct", body);

    direct(json!({"user_id": alice.id})).await.expect_invalid("user_id");
    direct(json!({"user_id": Uuid::now_v7().to_string()})).await.expect_invalid("user_id");
    direct(json!({"user_id": "nonsense"})).await.expect_invalid("user_id");
    direct(json!({"user_id": 1})).await.expect_invalid("user_id");
    direct(json!({})).await.expect_invalid("user_id");
}

#[tokio::test]
async fn a_direct_conversation_is_neither_renamed_nor_deleted_nor_joined() {
    let chat = TestChat::start().await;
    let [alice, bob, carol] = chat.users(["alice", "bob", "carol"]).await;
    let conversation = alice.direct_with(&bob).await;

    let renamed = alice.rename(&conversation, "ours").await;
    let deleted = alice.delete(&conversation.path("")).await;
    let added = alice.add(&conversation, &carol).await;

    renamed.expect_error(409, "conflict");
    deleted.expect_error(409, "conflict");
    added.expect_error(409, "conflict");
}

#[tokio::test]
async fn twelve_racing_direct_requests_from_both_sides_make_one_conversation() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;

    let racing = (0..12).map(|number| {
        if number % 2 == 0 { alice.direct_with(&bob) } else { bob.direct_with(&alice) }.boxed()
    });
    let conversations = futures_util::future::join_all(racing).await;

    let distinct: HashSet<_> = conversations.iter().map(|conversation| &conversation.id).collect();
    assert_eq!(distinct.len(), 1);
    assert_eq!(alice.list_conversations().await.len(), 1);
    assert_eq!(bob.list_conversations().await.len(), 1);
}

#[tokio::test]
async fn an_admin_adds_people_by_id_and_by_email() {
    let chat = TestChat::start().await;
    let [alice, bob, carol] = chat.users(["alice", "bob", "carol"]).await;
    let conversation = alice.start_conversation_with([]).await;
    let participants = conversation.path("/participants");

    let by_id = alice.post(&participants, json!({"user_id": bob.id})).await.expect(201);
    let by_email =
        alice.post(&participants, json!({"email": carol.email, "role": "admin"})).await.expect(201);
    let again = alice.post(&participants, json!({"user_id": bob.id})).await.expect(200);

    assert_eq!(by_id["user_id"], bob.id.as_str());
    assert_eq!(by_id["user_name"], bob.name.as_str());
    assert_eq!(by_id["user_email"], bob.email.as_str());
    assert_eq!(by_id["role"], "member");
    assert_eq!(by_email["role"], "admin");
    assert_eq!(again, by_id);
    let listed = alice.participants(&conversation).await;
    assert_eq!(participant_ids(&listed), HashSet::from([&*alice.id, &*bob.id, &*carol.id]));
    assert_eq!(bob.details(&conversation).await["participant_count"], 3);
}

#[tokio::test]
async fn a_new_participant_sees_all_history() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.start_conversation_with([]).await;
    let before = alice.send(&conversation, "said before bob came").await;

    alice.add(&conversation, &bob).await.expect(201);

    assert_eq!(bob.history(&conversation).await, [before]);
}

#[tokio::test]
async fn only_an_admin_adds_and_only_people_who_exist() {
    let chat = TestChat::start().await;
    let [alice, bob, carol] = chat.users(["alice", "bob", "carol"]).await;
    let conversation = alice.start_conversation_with([&bob]).await;
    let participants = conversation.path("/participants");

    bob.add(&conversation, &carol).await.expect_error(403, "forbidden");
    alice.post(&participants, json!({"user_id": Uuid::now_v7().to_string()})).await.expect_invalid("user_id");
    alice.post(&participants, json!({"user_id": "nonsense"})).await.expect_invalid("user_id");
    alice.post(&participants, json!({"email": "nobody@nowhere.example"})).await.expect_invalid("email");
    alice.post(&participants, json!({"user_id": carol.id, "role": "owner"})).await.expect_invalid("role");
    alice.post(&participants, json!({})).await.expect_error(422, "invalid");
    assert_eq!(alice.details(&conversation).await["participant_count"], 2);
}

#[tokio::test]
async fn participants_are_listed_in_pages() {
    let chat = TestChat::start().await;
    let [alice, bob, carol] = chat.users(["alice", "bob", "carol"]).await;
    let conversation = alice.start_conversation_with([&bob, &carol]).await;

    let first = alice.get(&conversation.path("/participants?limit=2")).await.expect(200);
    let cursor = first["next"].as_str().unwrap();
    let second =
        alice.get(&conversation.path(&format!("/participants?limit=2&cursor={cursor}"))).await.expect(200);

    assert_eq!(second["next"], Value::Null);
    let both: Vec<_> =
        [&first, &second].into_iter().flat_map(|page| page["items"].as_array().unwrap()).cloned().collect();
    assert_eq!(both.len(), 3);
    assert_eq!(participant_ids(&both), HashSet::from([&*alice.id, &*bob.id, &*carol.id]));
}

#[tokio::test]
async fn a_conversation_shows_ten_participants_and_counts_all() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let others = chat.users(["b", "c", "d", "e", "f", "g", "h", "i", "j", "k"]).await;
    let ids = others.iter().map(|other| &other.id).collect::<Vec<_>>();

    let answer = alice.post(CONVERSATIONS, json!({"participant_ids": ids})).await.expect(201);

    assert_eq!(answer["participants"].as_array().unwrap().len(), 10);
    assert_eq!(answer["participant_count"], 11);
}

#[tokio::test]
async fn an_admin_changes_roles() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.start_conversation_with([&bob]).await;

    bob.change_role(&conversation, &bob, "admin").await.expect_error(403, "forbidden");
    let promoted = alice.change_role(&conversation, &bob, "admin").await.expect(200);
    alice.change_role(&conversation, &bob, "emperor").await.expect_invalid("role");

    assert_eq!(promoted["user_id"], bob.id.as_str());
    assert_eq!(promoted["role"], "admin");
    bob.rename(&conversation, "Bob may do this now").await.expect(200);
}

#[tokio::test]
async fn changing_or_removing_somebody_who_is_not_in_it_is_not_found() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.start_conversation_with([]).await;

    let changed = alice.change_role(&conversation, &bob, "admin").await;
    let removed = alice.remove(&conversation, &bob).await;

    changed.expect_error(404, "not_found");
    removed.expect_error(404, "not_found");
}

#[tokio::test]
async fn an_admin_removes_others_and_a_member_only_themselves() {
    let chat = TestChat::start().await;
    let [alice, bob, carol] = chat.users(["alice", "bob", "carol"]).await;
    let conversation = alice.start_conversation_with([&bob, &carol]).await;

    bob.remove(&conversation, &carol).await.expect_error(403, "forbidden");
    alice.remove(&conversation, &carol).await.expect(204);
    alice.remove(&conversation, &carol).await.expect_error(404, "not_found");
    bob.leave(&conversation).await.expect(204);

    for gone in [&bob, &carol] {
        gone.get(&conversation.path("")).await.expect_error(404, "not_found");
        assert!(gone.list_conversations().await.is_empty());
    }
    assert_eq!(participant_ids(&alice.participants(&conversation).await), HashSet::from([&*alice.id]));
}

#[tokio::test]
async fn when_the_last_admin_leaves_the_longest_standing_participant_becomes_admin() {
    let chat = TestChat::start().await;
    let [alice, bob, carol] = chat.users(["alice", "bob", "carol"]).await;
    let conversation = alice.start_conversation_with([]).await;
    alice.add(&conversation, &carol).await.expect(201);
    alice.add(&conversation, &bob).await.expect(201);

    alice.leave(&conversation).await.expect(204);

    let participants = bob.participants(&conversation).await;
    assert_eq!(role_of(&participants, &carol.id), "admin");
    assert_eq!(role_of(&participants, &bob.id), "member");
    carol.rename(&conversation, "under new management").await.expect(200);
}

#[tokio::test]
async fn the_only_admin_cannot_become_a_member() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.start_conversation_with([&bob]).await;

    let refused = alice.change_role(&conversation, &alice, "member").await;

    refused.expect_conflict("role");
    let participants = bob.participants(&conversation).await;
    assert!(participants.iter().any(|participant| participant["role"] == "admin"), "{participants:?}");
}

#[tokio::test]
async fn to_a_stranger_every_route_of_a_conversation_is_not_found() {
    let chat = TestChat::start().await;
    let [alice, bob, eve] = chat.users(["alice", "bob", "eve"]).await;
    let conversation = alice.start_conversation_with([&bob]).await;
    let path = |rest: &str| conversation.path(rest);
    let bobs = path(&format!("/participants/{}", bob.id));

    let answers = [
        eve.get(&path("")).await,
        eve.put(&path(""), json!({"name": "mine"})).await,
        eve.patch(&path(""), json!({"name": "mine"})).await,
        eve.delete(&path("")).await,
        eve.get(&path("/participants")).await,
        eve.post(&path("/participants"), json!({"user_id": eve.id})).await,
        eve.patch(&bobs, json!({"role": "admin"})).await,
        eve.delete(&bobs).await,
        eve.leave(&conversation).await,
        eve.get(&path("/messages")).await,
        eve.post(&path("/messages"), json!({"content": "let me in"})).await,
    ];

    for answer in answers {
        answer.expect_error(404, "not_found");
    }
}

#[tokio::test]
async fn a_conversation_that_does_not_exist_is_answered_as_a_foreign_one() {
    let chat = TestChat::start().await;
    let [alice, eve] = chat.users(["alice", "eve"]).await;
    let foreign = alice.start_conversation_with([]).await;

    let missing =
        eve.get(&format!("{CONVERSATIONS}/{}", Uuid::now_v7())).await.expect_error(404, "not_found");
    let foreign = eve.get(&foreign.path("")).await.expect_error(404, "not_found");

    assert_eq!(missing, foreign);
}

#[tokio::test]
async fn an_id_that_is_none_never_reaches_a_conversation() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;

    let answer = alice.get(&format!("{CONVERSATIONS}/nonsense")).await;

    answer.expect_error(404, "not_found");
}

#[tokio::test]
async fn text_that_no_database_holds_is_refused_or_belongs_to_nobody() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;

    alice.rename(&conversation, "nul\u{0}").await.expect_invalid("name");
    let start = json!({"name": "nul\u{0}"});
    alice.post(CONVERSATIONS, start).await.expect_invalid("name");
    let start = json!({"participant_emails": ["nul\u{0}@example.com"]});
    alice.post(CONVERSATIONS, start).await.expect_invalid("participant_emails[0]");
    let adding = json!({"email": "nul\u{0}@example.com"});
    alice.post(&conversation.path("/participants"), adding).await.expect_invalid("email");
    alice.post_message(&conversation, json!({"content": "nul\u{0}"})).await.expect_invalid("content");
    let message = json!({"content": "hello", "metadata": {"a": "nul\u{0}"}});
    alice.post_message(&conversation, message).await.expect_invalid("metadata");
    let message = json!({"content": "hello", "client_id": "nul\u{0}"});
    alice.post_message(&conversation, message).await.expect_invalid("client_id");
    chat.log_in("username", "nul\u{0}", "Correct-Horse-1").await.expect_error(401, "unauthenticated");
}
