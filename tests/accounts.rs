//! Signing up, in and out; one's profile; tokens and tickets.

use std::time::{SystemTime, UNIX_EPOCH};

use reqwest::Method;
use serde_json::{Value, json};
use support::{Handshake, TestChat, User, tokens};
use uuid::Uuid;

const SIGNUP: &str = "/api/v1/auth/signup";
const LOGIN: &str = "/api/v1/auth/login";
const LOGOUT: &str = "/api/v1/auth/logout";
const PROFILE: &str = "/api/v1/auth/profile";

fn new_account() -> Value {
    let username = format!("new_{}", &Uuid::new_v4().simple().to_string()[..16]);
    json!({
        "email": format!("{username}@example.com"),
        "username": username,
        "first_name": "Nora",
        "last_name": "New",
        "password": "Quite-Secret-4-you",
        "password_confirm": "Quite-Secret-4-you",
    })
}

fn new_account_with(field: &str, value: Value) -> Value {
    let mut account = new_account();
    account[field] = value;
    account
}

#[tokio::test]
async fn signing_up_answers_with_the_user_and_a_pair_of_tokens() {
    let chat = TestChat::start().await;
    let account = new_account();

    let answer = chat.post(SIGNUP, account.clone()).await.expect(201);

    assert_eq!(answer["token_type"].as_str().map(str::to_lowercase).as_deref(), Some("bearer"));
    assert_eq!(answer["expires_in"], 15 * 60);
    assert!(answer["refresh_token"].is_string());
    let user = &answer["user"];
    assert_eq!(user["email"], account["email"]);
    assert_eq!(user["username"], account["username"]);
    assert_eq!(user["name"], "Nora New");
    assert_eq!(user["role"], "user");
    assert_eq!(user["disabled"], false);
    assert_eq!(user["email_verified"], false);
    let profile = chat.call(Method::GET, PROFILE, answer["access_token"].as_str(), None).await;
    assert_eq!(profile.expect(200), *user);
}

#[tokio::test]
async fn no_answer_ever_holds_a_password() {
    let chat = TestChat::start().await;
    let account = new_account();

    let signed_up = chat.post(SIGNUP, account.clone()).await.expect(201);
    let refused = chat.post(SIGNUP, account).await;

    assert!(!signed_up.to_string().contains("Quite-Secret"));
    assert!(!refused.body.to_string().contains("Quite-Secret"));
}

#[tokio::test]
async fn without_a_username_one_is_made_from_the_email() {
    let chat = TestChat::start().await;
    let mut account = new_account();
    account.as_object_mut().unwrap().remove("username");

    let first = chat.post(SIGNUP, account.clone()).await.expect(201);
    let local_part = account["email"].as_str().unwrap().split('@').next().unwrap().to_owned();
    account["email"] = json!(format!("{local_part}@example.org"));
    let second = chat.post(SIGNUP, account).await.expect(201);

    assert_eq!(first["user"]["username"], local_part);
    assert_ne!(second["user"]["username"], first["user"]["username"]);
    assert!((3..=30).contains(&second["user"]["username"].as_str().unwrap().len()));
}

#[tokio::test]
async fn an_email_that_gives_no_good_username_still_gets_one() {
    let chat = TestChat::start().await;
    let mut account = new_account_with(
        "email",
        json!(format!("a+{}@example.com", "x".repeat(50) + &Uuid::new_v4().simple().to_string()[..8])),
    );
    account.as_object_mut().unwrap().remove("username");

    let answer = chat.post(SIGNUP, account).await.expect(201);

    let username = answer["user"]["username"].as_str().unwrap();
    assert!((3..=30).contains(&username.len()), "{username}");
    assert!(username.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c)), "{username}");
}

#[tokio::test]
async fn an_email_and_a_username_are_taken_once_ignoring_case() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;

    let same_email = chat.post(SIGNUP, new_account_with("email", json!(alice.email.to_uppercase()))).await;
    let same_username =
        chat.post(SIGNUP, new_account_with("username", json!(alice.username.to_uppercase()))).await;

    same_email.expect_conflict("email");
    same_username.expect_conflict("username");
}

#[tokio::test]
async fn racing_signups_with_one_email_make_one_account() {
    let chat = TestChat::start().await;
    let account = new_account();

    let answers = futures_util::future::join_all((0..4).map(|_| chat.post(SIGNUP, account.clone()))).await;

    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409]);
}

#[tokio::test]
async fn weak_passwords_are_refused() {
    let chat = TestChat::start().await;
    let account = new_account();
    let username = account["username"].as_str().unwrap();
    let weak = [
        "Sh0rt!".to_owned(),
        "no-upper-case-1".to_owned(),
        "NO-LOWER-CASE-1".to_owned(),
        "No-digit-at-all".to_owned(),
        "NoSpecial12345".to_owned(),
        format!("Aa1!{}", "x".repeat(125)),
        account["email"].as_str().unwrap().to_owned(),
        username.to_owned(),
        String::new(),
    ];

    for password in weak {
        let mut account = account.clone();
        account["password"] = json!(password);
        account["password_confirm"] = json!(password);

        let answer = chat.post(SIGNUP, account).await;

        answer.expect_invalid("password");
    }
}

#[tokio::test]
async fn common_passwords_are_refused() {
    let chat = TestChat::start().await;
    let mut account = new_account();
    account["password"] = json!("Password1!");
    account["password_confirm"] = json!("Password1!");

    let answer = chat.post(SIGNUP, account).await;

    answer.expect_invalid("password");
}

#[tokio::test]
async fn each_bad_field_of_a_signup_is_named() {
    let chat = TestChat::start().await;
    let bad = [
        ("email", json!("")),
        ("email", json!("nobody")),
        ("email", json!("two@at@example.com")),
        ("email", json!("spaced out@example.com")),
        ("email", json!(7)),
        ("username", json!("ab")),
        ("username", json!("x".repeat(31))),
        ("username", json!("with space")),
        ("username", json!("ümlaut")),
        ("username", json!({"an": "object"})),
        ("first_name", json!("")),
        ("first_name", json!("x".repeat(51))),
        ("last_name", json!("")),
        ("last_name", json!("x".repeat(51))),
        ("last_name", json!(["a", "list"])),
        ("password", json!(1_234_567_890)),
        ("password_confirm", json!("Quite-Other-4-you")),
    ];

    for (field, value) in bad {
        let answer = chat.post(SIGNUP, new_account_with(field, value)).await;

        answer.expect_invalid(field);
    }
}

#[tokio::test]
async fn each_missing_field_of_a_signup_is_named() {
    let chat = TestChat::start().await;

    for field in ["email", "first_name", "last_name", "password"] {
        let mut account = new_account();
        account.as_object_mut().unwrap().remove(field);

        let answer = chat.post(SIGNUP, account).await;

        answer.expect_invalid(field);
    }
}

#[tokio::test]
async fn names_may_be_written_in_any_script() {
    let chat = TestChat::start().await;
    let account = new_account_with("first_name", json!("Łukasz 李"));

    let answer = chat.post(SIGNUP, account).await.expect(201);

    assert_eq!(answer["user"]["first_name"], "Łukasz 李");
}

#[tokio::test]
async fn unknown_fields_are_ignored() {
    let chat = TestChat::start().await;
    let account = new_account_with("favourite_colour", json!("green"));

    let answer = chat.post(SIGNUP, account).await;

    answer.expect(201);
}

#[tokio::test]
async fn one_signs_in_by_email_or_username_ignoring_case() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let ways = [
        ("email", alice.email.clone()),
        ("email", alice.email.to_uppercase()),
        ("username", alice.username.clone()),
        ("username", alice.username.to_uppercase()),
        ("username", alice.email.clone()),
    ];

    for (key, who) in ways {
        let answer = chat.log_in(key, &who, &alice.password).await.expect(200);

        assert_eq!(answer["user"]["id"], alice.id.as_str(), "by {key} {who}");
        assert_eq!(answer["expires_in"], 15 * 60);
        assert!(answer["access_token"].is_string() && answer["refresh_token"].is_string());
        assert!(answer["token_type"].is_string());
    }
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_account_are_answered_alike() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;

    let wrong_password = chat.log_in("email", &alice.email, "Quite-Wrong-4-you").await;
    let unknown_account = chat.log_in("email", "nobody@example.com", &alice.password).await;

    let wrong_password = wrong_password.expect_error(401, "unauthenticated");
    let unknown_account = unknown_account.expect_error(401, "unauthenticated");
    assert_eq!(wrong_password, unknown_account);
}

#[tokio::test]
async fn a_sign_in_without_an_account_or_a_password_is_invalid() {
    let chat = TestChat::start().await;

    let without_password = chat.post(LOGIN, json!({"email": "alice@example.com"})).await;
    let without_account = chat.post(LOGIN, json!({"password": "Quite-Secret-4-you"})).await;
    let no_text = chat.post(LOGIN, json!({"email": "alice@example.com", "password": 1_234_567_890})).await;

    without_password.expect_invalid("password");
    without_account.expect_invalid("email");
    no_text.expect_invalid("password");
}

#[tokio::test]
async fn each_sign_in_is_a_session_of_its_own() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;

    let (first, second) = (alice.signed_in_again().await, alice.signed_in_again().await);

    let session = |user: &User| tokens::claim(&user.access_token, "sid");
    assert_ne!(session(&first), session(&second));
    first.log_out().await.expect(204);
    chat.refresh(&second.refresh_token).await.expect(200);
}

#[tokio::test]
async fn a_refresh_gives_a_new_pair_of_the_same_session() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;

    let pair = chat.refresh(&alice.refresh_token).await.expect(200);

    let access_token = pair["access_token"].as_str().unwrap();
    assert_ne!(pair["refresh_token"], alice.refresh_token.as_str());
    assert_eq!(tokens::claim(access_token, "sid"), tokens::claim(&alice.access_token, "sid"));
    assert_eq!(tokens::claim(access_token, "sub"), alice.id.as_str());
    chat.call(Method::GET, PROFILE, Some(access_token), None).await.expect(200);
    chat.refresh(pair["refresh_token"].as_str().unwrap()).await.expect(200);
}

#[tokio::test]
async fn a_refresh_repeated_because_its_answer_was_lost_gives_another_pair_of_the_same_session() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;

    let lost = chat.refresh(&alice.refresh_token).await.expect(200);
    let repeated = chat.refresh(&alice.refresh_token).await.expect(200);

    assert_ne!(repeated["refresh_token"], lost["refresh_token"]);
    let session = |pair: &Value| tokens::claim(pair["access_token"].as_str().unwrap(), "sid");
    assert_eq!(session(&repeated), session(&lost));
    chat.refresh(repeated["refresh_token"].as_str().unwrap()).await.expect(200);
}

#[tokio::test]
async fn a_refresh_with_anything_else_is_refused() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;

    let access_token = chat.refresh(&alice.access_token).await;
    let nonsense = chat.refresh("nonsense").await;
    let missing = chat.post("/api/v1/auth/refresh", json!({})).await;
    let no_text = chat.post("/api/v1/auth/refresh", json!({"refresh_token": 7})).await;

    access_token.expect_error(401, "unauthenticated");
    nonsense.expect_error(401, "unauthenticated");
    missing.expect_invalid("refresh_token");
    no_text.expect_invalid("refresh_token");
}

#[tokio::test]
async fn after_signing_out_the_refresh_token_is_dead_and_other_sessions_live() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let elsewhere = chat.log_in("email", &alice.email, &alice.password).await.expect(200);

    let answer = alice.log_out().await;

    answer.expect(204);
    chat.refresh(&alice.refresh_token).await.expect_error(401, "unauthenticated");
    chat.refresh(elsewhere["refresh_token"].as_str().unwrap()).await.expect(200);
}

#[tokio::test]
async fn signing_out_with_the_refresh_token_named_kills_it() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;

    let answer = alice.post("/api/v1/auth/logout", json!({"refresh_token": alice.refresh_token})).await;

    answer.expect(204);
    chat.refresh(&alice.refresh_token).await.expect_error(401, "unauthenticated");
}

#[tokio::test]
async fn signing_out_twice_is_harmless_by_either_token() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let elsewhere = alice.signed_in_again().await;
    let by_token = || chat.post(LOGOUT, json!({"refresh_token": elsewhere.refresh_token}));

    alice.log_out().await.expect(204);
    alice.log_out().await.expect(204);
    by_token().await.expect(204);
    by_token().await.expect(204);

    for session in [&alice, &elsewhere] {
        chat.refresh(&session.refresh_token).await.expect_error(401, "unauthenticated");
    }
}

#[tokio::test]
async fn signing_out_takes_a_token_and_an_access_token_ends_only_its_own_session() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;

    chat.post(LOGOUT, json!({})).await.expect_error(401, "unauthenticated");
    chat.post(LOGOUT, json!({"refresh_token": "x".repeat(43)})).await.expect_error(401, "unauthenticated");
    chat.post(LOGOUT, json!({"refresh_token": 7})).await.expect_invalid("refresh_token");
    alice.post(LOGOUT, json!({"refresh_token": bob.refresh_token})).await.expect(204);

    chat.refresh(&alice.refresh_token).await.expect_error(401, "unauthenticated");
    chat.refresh(&bob.refresh_token).await.expect(200);
}

#[tokio::test]
async fn after_signing_out_no_connection_can_be_opened() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let ticket = alice.ticket().await;
    alice.log_out().await.expect(204);

    let with_token = chat.connect(Handshake::new().bearer(&alice.access_token)).await;
    let with_ticket = chat.connect(Handshake::new().ticket(&ticket)).await;

    assert_eq!(with_token.err(), Some(401));
    assert_eq!(with_ticket.err(), Some(401));
}

#[tokio::test]
async fn one_sees_and_changes_ones_names() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;

    let changed =
        alice.patch(PROFILE, json!({"first_name": "Alicia", "last_name": "Keen"})).await.expect(200);
    let partly_changed = alice.patch(PROFILE, json!({"last_name": "Keener"})).await.expect(200);
    let repeated = alice.patch(PROFILE, json!({"last_name": "Keener"})).await.expect(200);

    assert_eq!(changed["name"], "Alicia Keen");
    assert_eq!(partly_changed["first_name"], "Alicia");
    assert_eq!(partly_changed["last_name"], "Keener");
    assert_eq!(repeated, partly_changed);
    assert_eq!(alice.profile().await, partly_changed);
}

#[tokio::test]
async fn a_profile_has_every_field_of_a_user() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;

    let profile = alice.profile().await;

    for key in [
        "id",
        "username",
        "first_name",
        "last_name",
        "name",
        "created_at",
        "email",
        "email_verified",
        "role",
        "disabled",
    ] {
        assert!(profile.get(key).is_some_and(|value| !value.is_null()), "{key}: {profile}");
    }
    assert_eq!(profile["id"], alice.id.as_str());
    assert_eq!(Uuid::parse_str(&alice.id).unwrap().get_version_num(), 7);
}

#[tokio::test]
async fn names_have_1_to_50_characters() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;

    alice.patch(PROFILE, json!({"first_name": "é".repeat(50)})).await.expect(200);
    alice.patch(PROFILE, json!({"first_name": "é".repeat(51)})).await.expect_invalid("first_name");
    alice.patch(PROFILE, json!({"last_name": ""})).await.expect_invalid("last_name");
    alice.patch(PROFILE, json!({"last_name": "   "})).await.expect_invalid("last_name");
    alice.patch(PROFILE, json!({"last_name": 3})).await.expect_invalid("last_name");
}

#[tokio::test]
async fn only_its_owner_with_a_good_token_sees_a_profile() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let tokens = [
        None,
        Some("nonsense".to_owned()),
        Some(alice.refresh_token.clone()),
        Some(tokens::forged(&alice.access_token)),
        Some(tokens::unsigned(&alice.access_token)),
    ];

    for token in tokens {
        let seen = chat.call(Method::GET, PROFILE, token.as_deref(), None).await;
        let changed =
            chat.call(Method::PATCH, PROFILE, token.as_deref(), Some(json!({"first_name": "Eve"}))).await;

        seen.expect_error(401, "unauthenticated");
        changed.expect_error(401, "unauthenticated");
    }
}

#[tokio::test]
async fn an_expired_token_is_refused_everywhere() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let renewed = tokens::signed_again(&alice.access_token, |claims| claims["exp"] = json!(now + 60));
    // More than any leeway for clocks that differ.
    let expired = tokens::signed_again(&alice.access_token, |claims| {
        claims["iat"] = json!(now - 1200);
        claims["nbf"] = json!(now - 1200);
        claims["exp"] = json!(now - 300);
    });

    for path in [PROFILE, "/api/v1/conversations", &conversation.path("/messages")] {
        chat.call(Method::GET, path, Some(&renewed), None).await.expect(200);

        let answer = chat.call(Method::GET, path, Some(&expired), None).await;

        answer.expect_error(401, "unauthenticated");
    }
    assert_eq!(chat.connect(Handshake::new().bearer(&expired)).await.err(), Some(401));
}

#[tokio::test]
async fn a_token_for_another_audience_or_issuer_is_refused() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;

    for claim in ["aud", "iss"] {
        let token =
            tokens::signed_again(&alice.access_token, |claims| claims[claim] = json!("somebody-else"));

        let answer = chat.call(Method::GET, PROFILE, Some(&token), None).await;

        answer.expect_error(401, "unauthenticated");
    }
}

#[tokio::test]
async fn a_ticket_opens_one_connection_at_the_address_it_names() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;

    let answer = alice.post("/api/v1/auth/ws-ticket", json!({})).await.expect(201);

    assert_eq!(answer["expires_in"], 60);
    let url = answer["url"].as_str().unwrap();
    let handshake = || Handshake::new().to(url).ticket(answer["ticket"].as_str().unwrap());
    alice.connect_by(handshake()).await.ping().await;
    assert_eq!(chat.connect(handshake()).await.err(), Some(401));
}

#[tokio::test]
async fn each_ticket_is_another_and_opens_a_connection() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;

    let (first, second) = (alice.ticket().await, alice.ticket().await);

    assert_ne!(first, second);
    for ticket in [first, second] {
        alice.connect_by(Handshake::new().ticket(&ticket)).await.ping().await;
    }
}

#[tokio::test]
async fn a_ticket_used_by_many_at_once_opens_one_connection() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let ticket = alice.ticket().await;

    let racing = (0..4).map(|_| chat.connect(Handshake::new().ticket(&ticket)));
    let opened = futures_util::future::join_all(racing).await;

    assert_eq!(opened.iter().filter(|connection| connection.is_ok()).count(), 1);
}

#[tokio::test]
async fn only_somebody_signed_in_gets_a_ticket() {
    let chat = TestChat::start().await;

    let answer = chat.post("/api/v1/auth/ws-ticket", json!({})).await;

    answer.expect_error(401, "unauthenticated");
}

#[tokio::test]
async fn malformed_json_is_told_from_wrong_types() {
    let chat = TestChat::start().await;
    let request = || chat.request(Method::POST, LOGIN, None).header("content-type", "application/json");

    let malformed = chat.answer_to(request().body("{\"email\": ")).await;
    let empty = chat.answer_to(request()).await;
    let wrong_type =
        chat.answer_to(request().body("{\"email\": [], \"password\": \"Quite-Secret-4-you\"}")).await;

    malformed.expect_error(400, "malformed");
    empty.expect_error(400, "malformed");
    wrong_type.expect_invalid("email");
}

#[tokio::test]
async fn a_body_over_64_kib_is_refused() {
    let chat = TestChat::start().await;

    for length in [65 * 1024, 1024 * 1024] {
        let answer = chat.post(SIGNUP, new_account_with("first_name", json!("x".repeat(length)))).await;

        answer.expect_error(413, "too_large");
    }
}

#[tokio::test]
async fn a_trailing_slash_means_the_same_path() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;

    let profile = alice.get("/api/v1/auth/profile/").await.expect(200);
    let ticket = alice.post("/api/v1/auth/ws-ticket/", json!({})).await;

    assert_eq!(profile, alice.profile().await);
    ticket.expect(201);
}

#[tokio::test]
async fn an_unknown_path_under_auth_is_not_found() {
    let chat = TestChat::start().await;

    let answer = chat.get("/api/v1/auth/no-such-thing").await;

    answer.expect_error(404, "not_found");
}

#[tokio::test]
async fn every_answer_has_a_request_id_of_its_own() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;

    let first = alice.get(PROFILE).await;
    let second = alice.get(PROFILE).await;

    assert!(first.header("x-request-id").is_some_and(|id| !id.is_empty()));
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
}
