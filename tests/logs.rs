//! What operators read: one line for each request, frame and job, by which all that belongs together is found.

use reqwest::{Method, header};
use serde_json::{Value, json};
use support::{StackOptions, TestChat};

const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";
const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn of_request<'a>(request_id: &'a str, message: &'a str) -> impl Fn(&Value) -> bool + 'a {
    move |line| line["request_id"] == request_id && line["message"] == message
}

#[tokio::test]
async fn a_request_is_one_line_with_all_that_is_known_of_it() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    let path = format!("/api/v1/conversations/{}/messages", conversation.id);
    let request = chat
        .request(Method::POST, &path, Some(&alice.access_token))
        .header(header::USER_AGENT, "a browser \"of\n a kind\"".replace('\n', ""))
        .json(&json!({"content": "not for the log"}));

    let answer = chat.answer_to(request).await;

    let id = answer.header("x-request-id").unwrap().to_owned();
    let line = chat.stack.line("HistoryFunction", of_request(&id, "request")).await;
    for (field, value) in [
        ("level", "INFO"),
        ("function", "HistoryFunction"),
        ("method", "POST"),
        ("route", "/api/v1/conversations/{id}/messages"),
        ("user_id", &alice.id),
        ("conversation_id", &conversation.id),
        ("ip", "127.0.0.1"),
        ("user_agent", "a browser \"of a kind\""),
    ] {
        assert_eq!(line[field], value, "{field} of {line}");
    }
    assert_eq!(line["status"], 201);
    assert!(line["latency_ms"].as_f64().unwrap() > 0.0);
    assert!(line["cold_start"].is_boolean());
    assert_eq!(line["trace_id"].as_str().map(str::len), Some(32));
    assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
    assert_eq!(line["_aws"], Value::Null, "nobody counts it");
    let lines = chat.stack.lines();
    assert_eq!(lines.iter().filter(|(_, line)| line["request_id"] == id.as_str()).count(), 1);
}

#[tokio::test]
async fn every_function_that_a_request_touched_knows_its_id() {
    let chat = TestChat::start().await;
    let account = json!({
        "email": format!("{}@example.com", uuid::Uuid::new_v4().simple()),
        "first_name": "Ada",
        "last_name": "Tester",
        "password": "Quite-Secret-1",
    });

    let answer = chat.post("/api/v1/auth/signup", account).await;

    let id = answer.header("x-request-id").unwrap().to_owned();
    let request = chat.stack.line("AuthFunction", of_request(&id, "request")).await;
    let job = chat.stack.line("MailFunction", |line| line["caused_by"] == id.as_str()).await;
    assert_eq!(job["message"], "job");
    assert_ne!(job["request_id"], id.as_str());
    assert_eq!(job["trace_id"], request["trace_id"]);
    assert_eq!(job["user_id"], answer.body["user"]["id"]);
}

#[tokio::test]
async fn a_trace_goes_on_from_the_clients_header_into_the_jobs() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let request = chat
        .request(Method::POST, "/api/v1/auth/resend-verification", Some(&alice.access_token))
        .header("traceparent", TRACEPARENT)
        .json(&json!({}));

    let answer = chat.answer_to(request).await;

    let id = answer.header("x-request-id").unwrap().to_owned();
    let request = chat.stack.line("AuthFunction", of_request(&id, "request")).await;
    let job = chat.stack.line("MailFunction", |line| line["caused_by"] == id.as_str()).await;
    assert_eq!(request["trace_id"], TRACE_ID);
    assert_eq!(job["trace_id"], TRACE_ID);
}

#[tokio::test]
async fn a_frame_is_one_line_that_names_connection_user_and_conversation() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    let mut phone = alice.connect_to(&conversation).await;
    phone.send(&conversation, "not for the log").await;
    phone.close().await;

    let of_conversation = |line: &Value| line["conversation_id"] == conversation.id.as_str();
    let command = chat.stack.line("WsMessageFunction", of_conversation).await;
    let told = chat.stack.lines_of("WsMessageFunction").into_iter().filter(of_conversation).count();
    assert_eq!(told, 1);
    let of_connection = |line: &Value| line["connection_id"] == command["connection_id"];
    let opened = chat.stack.line("WsConnectFunction", of_connection).await;
    let closed = chat.stack.line("WsDisconnectFunction", of_connection).await;

    assert_eq!(command["message"], "command");
    assert_eq!((&command["command"], &command["code"]), (&json!("message.send"), &json!("OK")));
    assert_eq!((&opened["message"], &opened["status"]), (&json!("connect"), &json!(200)));
    assert_eq!(closed["message"], "disconnect");
    for line in [&command, &opened, &closed] {
        assert_eq!(line["user_id"], alice.id.as_str(), "{line}");
        assert_eq!(line["ip"], "127.0.0.1");
        assert!(line["latency_ms"].as_f64().unwrap() > 0.0);
    }
}

#[tokio::test]
async fn an_unknown_command_is_not_repeated_into_the_log() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    let mut phone = alice.connect_to(&conversation).await;

    phone.request_refused(json!({"type": "tell-nobody"}), "INVALID_TYPE").await;
    phone.send(&conversation, "a command").await;

    let of_conversation = |line: &Value| line["conversation_id"] == conversation.id.as_str();
    let known = chat.stack.line("WsMessageFunction", of_conversation).await;
    // What came before it over the same connection is told by now.
    let lines = chat.stack.lines_of("WsMessageFunction").into_iter();
    let own = lines.filter(|line| line["connection_id"] == known["connection_id"]);
    let own: Vec<_> = own.filter(|line| line["code"] == "INVALID_TYPE").collect();
    let [unknown] = &own[..] else { panic!("{own:?}") };
    assert_eq!(unknown["command"], "unknown");
    assert!(!unknown.to_string().contains("tell-nobody"));
}

#[tokio::test]
async fn a_fault_of_ours_is_told_once_with_its_whole_cause() {
    let chat = TestChat::alone(StackOptions::default()).await;
    let alice = chat.user("alice").await;
    let postgres = chat.stack.postgres_connection(None).await;
    postgres.execute("alter table conversations rename to conversations_away", &[]).await.unwrap();

    let answer = alice.get("/api/v1/conversations").await;

    assert_eq!((answer.status, &answer.body["code"]), (500, &json!("internal")));
    let id = answer.header("x-request-id").unwrap().to_owned();
    let line = chat.stack.line("ConversationsFunction", of_request(&id, "request")).await;
    assert_eq!((&line["status"], &line["failed"]), (&json!(500), &json!(true)));
    let lines = chat.stack.lines();
    let errors: Vec<_> = lines
        .iter()
        .filter(|(_, line)| line["request_id"] == id.as_str() && line["level"] == "ERROR")
        .collect();
    let [(function, error)] = errors[..] else { panic!("{errors:?}") };
    assert_eq!(function, "ConversationsFunction");
    assert!(error["cause"].as_str().unwrap().contains("42P01"), "{error}");
    assert_eq!(error["user_id"], alice.id.as_str());
    assert!(!answer.body.to_string().contains("42P01"));
}

#[tokio::test]
async fn the_level_says_what_is_logged() {
    let variables = vec![("LOG_LEVEL", "warn".to_owned())];
    let chat = TestChat::alone(StackOptions { variables, ..StackOptions::default() }).await;
    let alice = chat.user("alice").await;
    let postgres = chat.stack.postgres_connection(None).await;
    postgres.execute("alter table conversations rename to conversations_away", &[]).await.unwrap();

    alice.get("/api/v1/conversations").await;

    chat.stack.line("ConversationsFunction", |line| line["level"] == "ERROR").await;
    let told = chat.stack.lines();
    assert!(told.iter().all(|(_, line)| line["level"] != "INFO"), "{told:?}");
}

#[tokio::test]
async fn the_figures_of_a_line_are_marked_for_cloudwatch_where_a_namespace_is_set() {
    let variables = vec![("METRICS_NAMESPACE", "Chat".to_owned())];
    let chat = TestChat::alone(StackOptions { variables, concurrency: 1, ..StackOptions::default() }).await;
    let alice = chat.user("alice").await;

    let answer = alice.get("/api/v1/conversations").await;

    let id = answer.header("x-request-id").unwrap().to_owned();
    let line = chat.stack.line("ConversationsFunction", of_request(&id, "request")).await;
    let directive = &line["_aws"]["CloudWatchMetrics"][0];
    assert!(line["_aws"]["Timestamp"].as_i64().unwrap() > 1_600_000_000_000);
    assert_eq!(directive["Namespace"], "Chat");
    assert_eq!(directive["Dimensions"], json!([["function"]]));
    let units: Vec<_> =
        directive["Metrics"].as_array().unwrap().iter().map(|metric| &metric["Unit"]).collect();
    assert_eq!(units, ["Milliseconds", "Count", "Count", "Count"]);
    for metric in directive["Metrics"].as_array().unwrap() {
        assert!(line[metric["Name"].as_str().unwrap()].is_number(), "{metric} of {line}");
    }
    assert_eq!(
        (&line["invocations"], &line["errors"], &line["cold_starts"]),
        (&json!(1), &json!(0), &json!(1))
    );
}
