//! How often somebody may ask over HTTP.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use futures_util::future;
use reqwest::{Method, Url};
use serde_json::json;
use support::{Answer, PATIENCE, StackOptions, TestChat, User};

use super::{Accepted, assert_exact, throttled};

/// The client's address in a story that has several.
fn address(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, last).into()
}

/// Checks a refusal by this throttle, whose windows are given as clients are told them.
#[track_caller]
fn assert_throttled(answer: Answer, policy: &str, windows: &str) -> u64 {
    let header = |name: &str| answer.header(name).unwrap_or_else(|| panic!("{name}: {answer:?}")).to_owned();
    let retry_after: u64 = header("retry-after").parse().unwrap();
    assert_eq!(header("ratelimit"), format!("\"{policy}\";r=0;t={retry_after}"));
    assert_eq!(header("ratelimit-policy"), windows);
    let problem = answer.expect_error(429, "throttled");
    assert_eq!(problem["retry_after"], retry_after);
    retry_after
}

/// Asks until it is refused, and on until it is let in again: three times within five seconds and no more.
async fn assert_three_in_five_seconds(policy: &str, ask: impl AsyncFn() -> Answer) {
    let mut accepted = Vec::new();
    let began = Instant::now();
    let mut refused = 0;
    while refused == 0
        || accepted.last().is_none_or(|one: &Accepted| one.asked < began + Duration::from_secs(5))
    {
        assert!(began.elapsed() < PATIENCE, "{policy}: {refused} refused, {} let in", accepted.len());
        let asked = Instant::now();
        let answer = ask().await;
        let answered = Instant::now();
        if answer.status == 429 {
            let oldest = accepted.len().checked_sub(3).map(|oldest| accepted[oldest]);
            let oldest = oldest.unwrap_or_else(|| panic!("{policy}: the first three are let in: {answer:?}"));
            assert!(asked < oldest.answered + Duration::from_secs(5), "{policy}: refused without a reason");
            let retry_after = assert_throttled(answer, policy, &format!("\"{policy}\";q=3;w=5"));
            assert!((1..=5).contains(&retry_after), "{policy}: {retry_after}");
            refused += 1;
        } else {
            assert!(answer.status < 500, "{answer:?}");
            accepted.push(Accepted { asked, answered });
        }
    }
    assert_exact(&mut accepted, 3, Duration::from_secs(5));
}

fn account(number: usize) -> serde_json::Value {
    json!({"email": format!("somebody-{number}@example.com"), "first_name": "Some", "last_name": "Body",
        "password": "Quite-Secret-1"})
}

#[tokio::test]
async fn sign_ups_from_an_address_are_throttled() {
    let chat = throttled([("SIGNUP", "3/5")]).await;
    let number = AtomicUsize::new(0);
    let sign_up = async |chat: &TestChat| {
        let account = account(number.fetch_add(1, Ordering::Relaxed));
        chat.post("/api/v1/auth/signup", account).await
    };

    assert_three_in_five_seconds("signup", async || sign_up(&chat).await).await;

    sign_up(&chat.from_address(address(2))).await.expect(201);
}

#[tokio::test]
async fn sign_ins_from_an_address_are_throttled_and_so_is_the_right_password() {
    let chat = throttled([("LOGIN", "3/5")]).await;
    let alice = chat.user("alice").await;

    assert_three_in_five_seconds("login", async || chat.log_in("email", &alice.email, &alice.password).await)
        .await;
}

#[tokio::test]
async fn sign_ins_to_an_account_are_throttled_from_wherever_and_likewise_where_there_is_none() {
    let chat = throttled([("LOGIN", "3/3600")]).await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let nobody = format!("Nobody-{}", alice.email);
    let (lower, upper) = (nobody.to_lowercase(), nobody.to_uppercase());
    let names = [[&alice.email, &alice.username, &alice.email], [&nobody, &lower, &upper]];

    for (names, first) in names.into_iter().zip([10, 20]) {
        for (name, last) in names.into_iter().zip(first..) {
            let refused = chat.from_address(address(last)).log_in("username", name, "wrong").await;
            refused.expect_error(401, "unauthenticated");
        }
        let elsewhere = chat.from_address(address(first + 5));
        let answer = elsewhere.log_in("email", names[0], &alice.password).await;
        assert_throttled(answer, "login", "\"login\";q=3;w=3600");
        elsewhere.log_in("email", &bob.email, &bob.password).await.expect(200);
    }
    let answer = chat.from_address(address(30)).log_in("email", &alice.email, &alice.password).await;
    assert_throttled(answer, "login", "\"login\";q=3;w=3600");
}

#[tokio::test]
async fn starting_conversations_is_throttled_and_a_refused_one_is_not_there() {
    let chat = throttled([("CONVERSATIONS", "3/5")]).await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    alice.direct(&bob).await.expect(201);
    let started = AtomicUsize::new(1);

    assert_three_in_five_seconds("conversations", async || {
        let answer = bob.post("/api/v1/conversations", json!({"participant_ids": [alice.id]})).await;
        started.fetch_add(usize::from(answer.status == 201), Ordering::Relaxed);
        answer
    })
    .await;

    assert_eq!(alice.list_conversations().await.len(), started.into_inner());
}

#[tokio::test]
async fn pages_and_searches_of_messages_are_throttled_together() {
    let chat = throttled([("READS", "3/3600")]).await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let ours = alice.start_conversation_with([&bob]).await;
    let paths =
        [ours.path("/messages"), ours.path("/messages/search?q=hello"), "/api/v1/search?q=hello".to_owned()];
    for path in &paths {
        alice.get(path).await.expect(200);
    }

    for path in &paths {
        assert_throttled(alice.get(path).await, "reads", "\"reads\";q=3;w=3600");
        bob.get(path).await.expect(200);
    }
    alice.send(&ours, "nothing but reading is throttled").await;
    alice.details(&ours).await;
}

#[tokio::test]
async fn reads_are_let_in_again_after_the_window() {
    let chat = throttled([("READS", "3/5")]).await;
    let alice = chat.user("alice").await;
    let ours = alice.start_conversation_with([]).await;

    assert_three_in_five_seconds("reads", async || alice.get(&ours.path("/messages")).await).await;
}

#[tokio::test]
async fn anonymous_requests_from_an_address_are_throttled_whatever_they_ask() {
    let chat = throttled([("ANONYMOUS", "3/5")]).await;
    let first = chat.from_address(address(3));
    for path in ["/api/v1/auth/nothing", "/api/v1/conversations", "/api/v1/conversations/any/messages"] {
        // So that all functions are warm: what follows has to take place within five seconds.
        first.get(path).await;
    }

    assert_three_in_five_seconds("anonymous", async || chat.get("/api/v1/auth/nothing").await).await;

    let elsewhere = chat.from_address(address(2));
    elsewhere.get("/api/v1/conversations").await.expect_error(401, "unauthenticated");
    let [get, post] = [Method::GET, Method::POST];
    let with_a_bad_token = elsewhere.call(get, "/api/v1/auth/profile", Some("bad"), None).await;
    with_a_bad_token.expect_error(401, "unauthenticated");
    let sending = elsewhere.call(post, "/api/v1/conversations/any/messages", None, Some(json!({}))).await;
    sending.expect_error(401, "unauthenticated");
    let signing_in = elsewhere.post("/api/v1/auth/login", json!({})).await;
    assert_throttled(signing_in, "anonymous", "\"anonymous\";q=3;w=5");
}

#[tokio::test]
async fn requests_of_a_user_are_throttled_and_are_not_anonymous() {
    let chat = throttled([("USER", "3/5"), ("ANONYMOUS", "3/3600")]).await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;

    assert_three_in_five_seconds("user", async || alice.get("/api/v1/auth/profile").await).await;

    bob.profile().await;
    chat.get("/api/v1/auth/profile").await.expect_error(401, "unauthenticated");
    let anonymous = chat.get("/api/v1/auth/profile").await;
    assert_throttled(anonymous, "anonymous", "\"anonymous\";q=3;w=3600");
}

#[tokio::test]
async fn no_header_changes_the_address_that_is_counted() {
    let chat = throttled([("ANONYMOUS", "3/3600")]).await;
    let from = async |claimed: &str| {
        let request = chat.request(Method::GET, "/api/v1/auth/profile", None);
        let request = request.header("x-forwarded-for", claimed).header("x-real-ip", claimed);
        chat.answer_to(request.header("forwarded", format!("for={claimed}"))).await
    };

    for claimed in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
        from(claimed).await.expect_error(401, "unauthenticated");
    }
    assert_throttled(from("192.0.2.4").await, "anonymous", "\"anonymous\";q=3;w=3600");
}

#[tokio::test]
async fn a_refused_request_does_nothing_and_takes_no_place_in_another_throttle() {
    let options = StackOptions {
        throttle_messages: "2/3600".to_owned(),
        throttles: vec![("USER", "4/3600".to_owned()), ("CONVERSATIONS", "1/3600".to_owned())],
        ..StackOptions::default()
    };
    let chat = TestChat::alone(options).await;
    let alice = chat.user("alice").await;
    let ours = alice.start_conversation_with([]).await;
    for _ in 0..5 {
        // By the throttle of conversations, so it takes none of the four places of the user.
        let refused = alice.post("/api/v1/conversations", json!({"name": "another"})).await;
        assert_throttled(refused, "conversations", "\"conversations\";q=1;w=3600");
    }
    alice.send(&ours, "first").await;
    assert_eq!(alice.list_conversations().await.len(), 1);
    alice.profile().await;

    for _ in 0..5 {
        let refused = alice.post_message(&ours, json!({"content": "refused"})).await;
        assert_throttled(refused, "user", "\"user\";q=4;w=3600");
        let edited = alice.patch(&ours.path(""), json!({"name": "refused"})).await;
        assert_throttled(edited, "user", "\"user\";q=4;w=3600");
    }

    let mut phone = alice.connect().await;
    let second = phone.send(&ours, "second").await;
    assert_eq!(second.seq, 2, "nothing was sent in between");
    let third = json!({"type": "message.send", "conversation_id": ours.id, "content": "third"});
    phone.request_refused(third, "THROTTLED").await;
    let newest = phone.subscribe(&ours).await;
    assert_eq!(newest["messages"].as_array().map(Vec::len), Some(2), "{newest}");
    assert_eq!(newest["through"], 2, "nor renamed");
}

#[tokio::test]
async fn a_request_that_is_handled_twice_is_paid_once() {
    let options = StackOptions {
        throttles: vec![("ANONYMOUS", "4/3600".to_owned())],
        concurrency: 2,
        gateway_args: vec!["--deliver-twice".to_owned()],
        ..StackOptions::default()
    };
    let chat = TestChat::alone(options).await;

    for _ in 0..4 {
        chat.get("/api/v1/auth/profile").await.expect_error(401, "unauthenticated");
    }
    let fifth = chat.get("/api/v1/auth/profile").await;
    assert_throttled(fifth, "anonymous", "\"anonymous\";q=4;w=3600");
}

#[tokio::test]
async fn without_redis_nobody_is_let_in_unchecked() {
    let options = StackOptions {
        throttles: vec![("ANONYMOUS", "20/60".to_owned()), ("USER", "20/60".to_owned())],
        redis_through: Some((Ipv4Addr::LOCALHOST, 1).into()),
        ..StackOptions::default()
    };
    let chat = TestChat::alone(options).await;

    chat.get("/api/v1/auth/profile").await.expect_error(503, "unavailable");
    chat.post("/api/v1/auth/signup", account(1)).await.expect_error(503, "unavailable");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_a_user_are_throttled_exactly_under_any_concurrency() {
    const MOST: usize = 20;
    const WINDOW: Duration = Duration::from_secs(2);
    let chat = throttled([("USER", "20/2")]).await;
    let alice = chat.user("alice").await;
    let (began, let_in) = (Instant::now(), &AtomicUsize::new(0));
    // Longer where the functions take their time to start.
    let goes_on = || {
        let took = began.elapsed();
        took < 3 * WINDOW || (took < PATIENCE && let_in.load(Ordering::Relaxed) < 2 * MOST)
    };

    let asking = (0..16).map(async |number| {
        let mut accepted = Vec::new();
        while goes_on() {
            let asked = Instant::now();
            // A read is asked beside its check, a change after it.
            let answer = match number % 2 {
                0 => alice.get("/api/v1/auth/profile").await,
                _ => alice.patch("/api/v1/auth/profile", json!({"first_name": "Alice"})).await,
            };
            if answer.status == 429 {
                answer.expect_error(429, "throttled");
            } else {
                answer.expect(200);
                let_in.fetch_add(1, Ordering::Relaxed);
                accepted.push(Accepted { asked, answered: Instant::now() });
            }
        }
        accepted
    });
    let mut accepted: Vec<_> = future::join_all(asking).await.into_iter().flatten().collect();

    assert_exact(&mut accepted, MOST, WINDOW);
    assert!(accepted.len() >= 2 * MOST, "refusals cost nothing, so {} were let in again", accepted.len());
}

#[tokio::test]
async fn signing_in_by_oauth_is_throttled_like_any_sign_in_and_a_confidential_client_by_itself() {
    let chat = throttled([("LOGIN", "3/3600"), ("ANONYMOUS", "30/3600"), ("CLIENTS", "40/3600")]).await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let client = oauth_client(&chat).await;
    let by_password = async |user: &User| {
        let fields = [("grant_type", "password"), ("username", &*user.email), ("password", &*user.password)];
        client.post(&chat, &fields).await
    };
    for _ in 0..3 {
        assert_eq!(by_password(&alice).await.status, 200);
    }

    assert_throttled(by_password(&alice).await, "login", "\"login\";q=3;w=3600");

    // Its address is everybody's who signs in by it, so that is not counted.
    assert_eq!(by_password(&bob).await.status, 200);
    let mut answer = by_password(&bob).await;
    for _ in 0..40 {
        answer = client.post(&chat, &[("grant_type", "client_credentials")]).await;
    }
    assert_throttled(answer, "clients", "\"clients\";q=40;w=3600");
}

#[tokio::test]
async fn refreshing_counts_for_whoever_does_and_not_for_their_address() {
    let chat = throttled([("ANONYMOUS", "5/3600"), ("USER", "8/3600")]).await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let mut tokens = [alice.refresh_token.clone(), bob.refresh_token.clone()];
    for _ in 0..4 {
        for token in &mut tokens {
            let answer = chat.refresh(token).await.expect(200);
            *token = answer["refresh_token"].as_str().unwrap().to_owned();
        }
    }
    for _ in 0..4 {
        alice.profile().await;
    }

    assert_throttled(chat.refresh(&tokens[0]).await, "user", "\"user\";q=8;w=3600");

    chat.refresh(&tokens[1]).await.expect(200);
}

#[tokio::test]
async fn guessing_a_password_is_throttled_wherever_one_is_asked_for() {
    let chat = throttled([("LOGIN", "3/3600")]).await;
    let alice = chat.user("alice").await;
    let (profile, password) = ("/api/v1/auth/profile", "/api/v1/auth/password");
    let change = |current: &str| json!({"current_password": current, "password": "Another-Horse-2", "password_confirm": "Another-Horse-2"});
    for _ in 0..2 {
        alice.post(password, change("wrong")).await.expect_error(401, "unauthenticated");
    }
    let erase = async |with: &str| alice.call(Method::DELETE, profile, Some(json!({"password": with}))).await;
    erase("wrong").await.expect_error(401, "unauthenticated");

    assert_throttled(erase(&alice.password).await, "login", "\"login\";q=3;w=3600");
    let answer = alice.post(password, change(&alice.password)).await;
    assert_throttled(answer, "login", "\"login\";q=3;w=3600");
}

/// A confidential client.
struct OAuthClient {
    id: String,
    secret: String,
}

async fn oauth_client(chat: &TestChat) -> OAuthClient {
    let client = json!({"name": "App", "grant_types": ["password", "client_credentials"]});
    let made = chat.admin("root").await.post("/api/v1/admin/oauth-clients", client).await.expect(201);
    let text = |key: &str| made[key].as_str().unwrap().to_owned();
    OAuthClient { id: text("client_id"), secret: text("client_secret") }
}

impl OAuthClient {
    async fn post(&self, chat: &TestChat, fields: &[(&str, &str)]) -> Answer {
        let fields = [fields, &[("client_id", &*self.id), ("client_secret", &*self.secret)]].concat();
        let form = Url::parse_with_params("http://form", fields).unwrap();
        let request = chat.request(Method::POST, "/oauth/token", None);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        chat.answer_to(request.body(form.query().unwrap().to_owned())).await
    }
}
