//! What the platform in front of the functions does by itself.

use reqwest::{Method, header};
use serde_json::{Value, json};
use support::{ALLOWED_ORIGIN, Settings, Stack, StackOptions, TestChat};
use tokio::process::Command;

#[tokio::test]
async fn a_preflight_from_an_allowed_origin_is_answered() {
    let chat = TestChat::start().await;
    let preflight = chat
        .request(Method::OPTIONS, "/api/v1/conversations", None)
        .header(header::ORIGIN, ALLOWED_ORIGIN)
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
        .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization,content-type");

    let answer = chat.answer_to(preflight).await;

    assert!([200, 204].contains(&answer.status), "{}", answer.status);
    assert_eq!(answer.header("access-control-allow-origin"), Some(ALLOWED_ORIGIN));
    assert!(answer.header("access-control-allow-methods").unwrap().contains("POST"));
    assert!(answer.header("access-control-allow-headers").unwrap().to_lowercase().contains("authorization"));
}

#[tokio::test]
async fn a_preflight_from_a_foreign_origin_is_granted_nothing() {
    let chat = TestChat::start().await;
    let preflight = chat
        .request(Method::OPTIONS, "/api/v1/conversations", None)
        .header(header::ORIGIN, "http://evil.example")
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST");

    let answer = chat.answer_to(preflight).await;

    assert_eq!(answer.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_may_read_answers_and_their_headers() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let from = |origin: &str| {
        let request = chat.request(Method::GET, "/api/v1/auth/profile", Some(&alice.access_token));
        chat.answer_to(request.header(header::ORIGIN, origin))
    };

    let allowed = from(ALLOWED_ORIGIN).await;
    let foreign = from("http://evil.example").await;

    assert_eq!(allowed.header("access-control-allow-origin"), Some(ALLOWED_ORIGIN));
    let exposed = allowed.header("access-control-expose-headers").unwrap().to_lowercase();
    for name in ["x-request-id", "retry-after", "ratelimit", "ratelimit-policy"] {
        assert!(exposed.contains(name), "{exposed}");
    }
    assert_eq!(foreign.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn an_unknown_path_is_not_found() {
    let chat = TestChat::start().await;

    let answer = chat.get("/no/such/path").await;

    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn a_method_that_a_path_does_not_have_is_refused() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;

    let answer = alice.delete("/api/v1/conversations").await;

    answer.expect_error(404, "not_found");
}

#[tokio::test]
async fn a_function_process_killed_between_requests_is_replaced_unnoticed() {
    let chat = TestChat::alone(StackOptions { concurrency: 1, ..StackOptions::default() }).await;
    let alice = chat.user("alice").await;

    for _ in 0..10 {
        let [before] = chat.stack.processes("auth").await.try_into().unwrap();
        Stack::kill(&before);

        let answer = alice.get("/api/v1/auth/profile").await;

        assert_eq!(answer.expect(200)["id"], alice.id.as_str());
        let after = chat.stack.processes("auth").await;
        assert!(after.iter().all(|process| process.pid != before.pid), "{after:?}");
    }
}

#[tokio::test]
async fn bodies_pass_through_unharmed() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    let content = "quotes \" and \\ backslashes, \u{202e}directions\u{202c}, a tab\there, 漢字, 👩‍👩‍👧‍👦";

    let sent = alice.post_message(&conversation, json!({"content": content})).await.expect(201);

    assert_eq!(sent["content"], content);
    assert_eq!(alice.history(&conversation).await[0].content, content);
}

#[tokio::test]
async fn one_environment_suits_all_functions_as_cargo_lambda_needs_it() {
    let settings = Settings::get();
    let said = Command::new(settings.bin_dir.join("gateway"))
        .arg("environment")
        .arg("--template")
        .arg(&settings.template_file)
        .arg("--leave-out")
        .args(&settings.left_out)
        .arg("--parameter-overrides")
        .args(&settings.parameters)
        .arg("AllowedOrigins=http://localhost")
        .env("DATABASE_URL", "postgres://somewhere")
        .env("REDIS_URL", "redis://somewhere")
        .env("JWT_KEYS", "{}")
        .env("PUBLIC_URL", "http://localhost")
        .env("MAIL_FROM", "Chat <chat@example.com>")
        .output()
        .await
        .unwrap();

    let environment: Value =
        serde_json::from_slice(&said.stdout).unwrap_or_else(|err| panic!("{err}: {said:?}"));
    assert_eq!(environment["FAN_OUT_FUNCTION"], "FanOutFunction:live");
    assert_eq!(environment["MAIL_FUNCTION"], "MailFunction:live");
    assert_eq!(environment["DATABASE_URL"], "postgres://somewhere");
}
