//! One's own sessions, and the password that starts them.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use support::{TestChat, User};

const SESSIONS: &str = "/api/v1/auth/sessions";
const PASSWORD: &str = "/api/v1/auth/password";
const NEW: &str = "Another-Horse-2";

async fn sessions(user: &User) -> Vec<Value> {
    user.get(SESSIONS).await.expect(200)["items"].as_array().unwrap().clone()
}

fn change(user: &User, new: &str) -> Value {
    json!({"current_password": user.password, "password": new, "password_confirm": new})
}

#[tokio::test]
async fn sessions_are_listed_newest_first_with_where_they_were_started() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let request = chat
        .request(Method::POST, "/api/v1/auth/login", None)
        .header("user-agent", "a phone")
        .json(&json!({"email": alice.email, "password": alice.password}));
    chat.answer_to(request).await.expect(200);

    let listed = sessions(&alice).await;

    assert_eq!(listed.len(), 2);
    assert_eq!(listed[0]["user_agent"], "a phone");
    assert_eq!((&listed[0]["current"], &listed[1]["current"]), (&json!(false), &json!(true)));
    for session in &listed {
        assert_eq!(session["ip"], "127.0.0.1");
        for field in ["id", "created_at", "last_used_at", "expires_at"] {
            assert!(session[field].is_string(), "{field} of {session}");
        }
    }
    let first = alice.get(&format!("{SESSIONS}?limit=1")).await.expect(200);
    let next = format!("{SESSIONS}?limit=1&cursor={}", first["next"].as_str().unwrap());
    let second = alice.get(&next).await.expect(200);
    assert_eq!([&first["items"][0], &second["items"][0]], [&listed[0], &listed[1]]);
    assert_eq!(second["next"], Value::Null);
    alice.get(&format!("{SESSIONS}?limit=101")).await.expect_invalid("limit");
    alice.get(&format!("{SESSIONS}?cursor=nonsense")).await.expect_invalid("cursor");
}

#[tokio::test]
async fn ending_one_session_closes_its_connections_and_leaves_the_others() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let elsewhere = alice.signed_in_again().await;
    let (mut here, mut there) = (alice.connect().await, elsewhere.connect().await);
    let other = sessions(&alice).await.into_iter().find(|session| session["current"] == false).unwrap();
    let path = format!("{SESSIONS}/{}", other["id"].as_str().unwrap());

    alice.delete(&path).await.expect(204);

    assert_eq!(there.closed().await, 1000);
    here.ping().await;
    chat.refresh(&elsewhere.refresh_token).await.expect_error(401, "unauthenticated");
    assert_eq!(sessions(&alice).await.len(), 1);
    alice.delete(&path).await.expect_error(404, "not_found");
}

#[tokio::test]
async fn nobody_ends_the_session_of_somebody_else() {
    let chat = TestChat::start().await;
    let [alice, eve] = chat.users(["alice", "eve"]).await;
    let path = format!("{SESSIONS}/{}", sessions(&alice).await[0]["id"].as_str().unwrap());

    eve.delete(&path).await.expect_error(404, "not_found");
    eve.delete(&format!("{SESSIONS}/nonsense")).await.expect_error(404, "not_found");
    chat.call(Method::DELETE, &path, None, None).await.expect_error(401, "unauthenticated");
    chat.get(SESSIONS).await.expect_error(401, "unauthenticated");

    chat.refresh(&alice.refresh_token).await.expect(200);
}

#[tokio::test]
async fn a_new_password_takes_the_place_of_the_old_one_and_ends_all_other_sessions() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let elsewhere = alice.signed_in_again().await;
    let (mut here, mut there) = (alice.connect().await, elsewhere.connect().await);

    alice.post(PASSWORD, change(&alice, NEW)).await.expect(204);

    assert_eq!(there.closed().await, 1000);
    here.ping().await;
    chat.refresh(&elsewhere.refresh_token).await.expect_error(401, "unauthenticated");
    chat.refresh(&alice.refresh_token).await.expect(200);
    chat.log_in("email", &alice.email, &alice.password).await.expect_error(401, "unauthenticated");
    chat.log_in("email", &alice.email, NEW).await.expect(200);
    alice.post(PASSWORD, change(&alice, NEW)).await.expect_error(401, "unauthenticated");
}

#[tokio::test]
async fn a_password_change_is_refused_when_anything_of_it_is_wrong() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let mut wrong = change(&alice, NEW);
    wrong["current_password"] = json!("Not-The-Password-1");
    let mut different = change(&alice, NEW);
    different["password_confirm"] = json!("Yet-Another-Horse-3");

    alice.post(PASSWORD, wrong).await.expect_error(401, "unauthenticated");
    alice.post(PASSWORD, different).await.expect_invalid("password_confirm");
    alice.post(PASSWORD, change(&alice, "short")).await.expect_invalid("password");
    alice
        .post(PASSWORD, json!({"password": NEW, "password_confirm": NEW}))
        .await
        .expect_invalid("current_password");
    chat.post(PASSWORD, change(&alice, NEW)).await.expect_error(401, "unauthenticated");

    chat.log_in("email", &alice.email, &alice.password).await.expect(200);
}

#[tokio::test]
async fn nobody_stays_signed_in_by_the_old_password_however_their_sign_ins_race_the_change() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;

    let signing_in = join_all((0..4).map(async |_| alice.sign_in_until_refused().await));
    let changing = async {
        // So that all of them are under way.
        chat.log_in("email", &alice.email, &alice.password).await.expect(200);
        alice.post(PASSWORD, change(&alice, NEW)).await.expect(204);
    };
    let (signed_in, ()) = tokio::join!(signing_in, changing);

    let signed_in: Vec<_> = signed_in.into_iter().flatten().collect();
    assert!(!signed_in.is_empty());
    for refresh_token in signed_in {
        chat.refresh(&refresh_token).await.expect_error(401, "unauthenticated");
    }
    chat.refresh(&alice.refresh_token).await.expect(200);
}

#[tokio::test]
async fn a_new_password_voids_the_links_that_would_set_another() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    chat.post("/api/v1/auth/password-reset", json!({"email": alice.email})).await.expect(202);
    let token = chat.mail_to(&alice.email, "/api/v1/auth/password-reset", 1).await.token();

    alice.post(PASSWORD, change(&alice, NEW)).await.expect(204);

    let reset =
        json!({"token": token, "password": "Yet-Another-One-7", "password_confirm": "Yet-Another-One-7"});
    chat.post("/api/v1/auth/password-reset/confirm", reset).await.expect_invalid("token");
}

#[tokio::test]
async fn of_two_racing_password_changes_one_wins() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let news = ["First-Horse-1", "Second-Horse-2"];

    let (first, second) = tokio::join!(
        alice.post(PASSWORD, change(&alice, news[0])),
        alice.post(PASSWORD, change(&alice, news[1])),
    );

    let mut statuses = [first.status, second.status];
    let winner = usize::from(statuses[1] == 204);
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 401]);
    chat.log_in("email", &alice.email, news[winner]).await.expect(200);
}
