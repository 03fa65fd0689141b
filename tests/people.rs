//! Finding people.

use serde_json::{Value, json};
use support::{TestChat, User};

async fn found(user: &User, search: &str) -> Vec<Value> {
    let path = format!("/api/v1/users?search={}", search.replace('+', "%2B"));
    user.get(&path).await.expect(200)["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn people_are_found_by_the_beginning_of_a_username_or_by_a_whole_address() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let beginning = &bob.username[..bob.username.len() - 1];

    for search in [beginning, &beginning.to_uppercase(), &bob.username, &bob.email, &bob.email.to_uppercase()]
    {
        let people = found(&alice, search).await;
        assert!(people.iter().any(|person| person["id"] == json!(bob.id)), "{search}: {people:?}");
    }
    for search in [&bob.email[1..], &bob.email[..bob.email.len() - 1], "%", "_", "b%"] {
        let people = found(&alice, search).await;
        assert!(people.iter().all(|person| person["id"] != json!(bob.id)), "{search}: {people:?}");
    }
}

#[tokio::test]
async fn others_see_no_address_and_one_oneself_does() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;

    let seen = alice.get(&format!("/api/v1/users/{}", bob.id)).await.expect(200);
    let own = alice.get(&format!("/api/v1/users/{}", alice.id)).await.expect(200);

    let mut fields: Vec<_> = seen.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["created_at", "first_name", "id", "last_name", "name", "username"]);
    assert_eq!(seen["name"], json!(bob.name));
    assert_eq!(own, alice.profile().await);
    assert_eq!(found(&alice, &bob.email).await, [seen]);
}

#[tokio::test]
async fn people_are_paged_in_the_order_of_their_usernames() {
    let chat = TestChat::start().await;
    let users = chat.users(["pagea", "pageb", "pagec"]).await;
    let reader = &users[0];
    // Names of this story's users begin alike and end in what no other story has.
    let all = found(reader, "page").await;
    let mut paged = Vec::new();
    let mut cursor = String::new();

    loop {
        let page = reader.get(&format!("/api/v1/users?search=page&limit=1{cursor}")).await.expect(200);
        paged.extend(page["items"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }

    assert_eq!(paged, all);
    assert!(paged.len() >= 3);
    assert!(paged.is_sorted_by_key(|person| person["username"].as_str().unwrap().to_lowercase()));
}

#[tokio::test]
async fn a_lookup_needs_a_text_a_token_and_somebody_who_exists() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;

    alice.get("/api/v1/users").await.expect_invalid("search");
    alice.get("/api/v1/users?search=%20").await.expect_invalid("search");
    alice.get("/api/v1/users?search=a&cursor=nonsense").await.expect_invalid("cursor");
    alice.get("/api/v1/users?search=a&limit=0").await.expect_invalid("limit");
    alice.get("/api/v1/users/nonsense").await.expect_error(404, "not_found");
    alice.get("/api/v1/users/01890a5d-ac96-774b-bcce-b302099a8057").await.expect_error(404, "not_found");
    for path in ["/api/v1/users?search=a", &format!("/api/v1/users/{}", alice.id)] {
        chat.get(path).await.expect_error(401, "unauthenticated");
    }
    assert_eq!(found(&alice, "%00").await, Vec::<Value>::new());
}
