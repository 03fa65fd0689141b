//! `$connect`, and what the client of a handshake sees of it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use crate::support::socket::{Handshake, Socket, UPGRADE};
use crate::support::{Target, at, returning, text, unique};

fn connecting(value: &Value) -> Handshake {
    Handshake::new().order(&returning(value))
}

fn status(line: &str) -> u16 {
    line.split(' ').nth(1).unwrap().parse().unwrap()
}

/// Source: DG "Manage connected users and client apps: $connect and $disconnect routes".
#[tokio::test]
async fn any_status_from_200_to_299_opens_the_connection() {
    for status in [200, 204, 299] {
        let mut socket = connecting(&json!({ "statusCode": status })).open().await.unwrap();

        assert!(!socket.id().await.is_empty(), "{status}");
    }
}

/// Source: dherault/serverless-offline pull request 1301; DG "Set up a `$connect` route that requires a WebSocket
/// subprotocol", whose example answers 400.
#[tokio::test]
async fn another_status_is_the_answer_to_the_handshake() {
    for status in [400, 401, 403, 500] {
        let refusal = connecting(&json!({ "statusCode": status })).refusal().await;

        assert_eq!(refusal.status, status);
    }
}

/// Source: serverless/serverless-websockets-plugin issue 13, where the function has a syntax error.
#[tokio::test]
async fn an_error_of_connect_is_a_bad_gateway() {
    assert_eq!(Handshake::new().order(&json!({ "do": "fail" })).refusal().await.status, 502);
}

/// Source: LDG "Using the Lambda runtime API for custom runtimes" (invocation error); which status it has for `$connect`
/// is in no source.
#[tokio::test]
async fn a_panic_of_connect_is_an_error_of_the_server() {
    assert!(Handshake::new().order(&json!({ "do": "panic" })).refusal().await.status >= 500);
}

/// Source: LDG "Understanding the Lambda execution environment lifecycle"; the status is in no source.
#[tokio::test]
async fn a_connect_whose_process_exits_is_an_error_of_the_server() {
    assert!(Handshake::new().order(&json!({ "do": "exit" })).refusal().await.status >= 500);
}

/// Source: michalkvasnicak/aws-lambda-graphql issue 137, where the function returns nothing.
#[tokio::test]
async fn a_connect_that_answers_nothing_is_a_bad_gateway() {
    assert_eq!(connecting(&json!(null)).refusal().await.status, 502);
}

/// Source: DG "Set up integrations for WebSocket APIs"; the status is known only of a function that returns nothing.
#[tokio::test]
async fn a_connect_that_answers_no_proxy_response_is_an_error_of_the_server() {
    for value in [json!("yes"), json!([200]), json!({ "status": 200 })] {
        assert!(connecting(&value).refusal().await.status >= 500, "{value}");
    }
}

/// Source: DG "Quotas for configuring and running a WebSocket API" (integration timeout); the status is in no source.
#[tokio::test]
async fn a_connect_that_takes_longer_than_its_integration_may_is_an_error_of_the_server() {
    let begun = Instant::now();

    let refusal = Handshake::new().order(&json!({ "do": "sleep", "ms": 4000 })).refusal().await;

    assert!(refusal.status >= 500, "{refusal:?}");
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
}

/// Source: DG "Manage connected users and client apps: $connect and $disconnect routes".
#[tokio::test]
async fn the_handshake_is_held_until_connect_has_answered() {
    let begun = Instant::now();

    Handshake::new().order(&json!({ "do": "sleep", "ms": 700 })).open().await.unwrap();

    assert!(begun.elapsed() >= Duration::from_millis(700), "{:?}", begun.elapsed());
}

/// Source: DG "Manage connected users and client apps: $connect and $disconnect routes", "The `$connect` route":
/// its integration is optional.
#[tokio::test]
async fn an_api_without_connect_opens_every_connection() {
    let mut socket = Socket::open_bare().await;

    socket.say(json!({ "message": { "kind": "probe/ask" }, "do": "echo" })).await;

    assert_eq!(text(&socket.next().await, "requestContext.eventType"), "MESSAGE");
}

/// Source: DG "Set up a `$connect` route that requires a WebSocket subprotocol".
#[tokio::test]
async fn the_subprotocol_that_connect_chooses_is_answered() {
    let value = json!({ "statusCode": 200, "headers": { "Sec-WebSocket-Protocol": "second" } });
    let lines = [&UPGRADE[..], &["Sec-WebSocket-Protocol: first, second"]].concat();

    let (head, _stream) = connecting(&value).raw(&lines).await;

    assert_eq!(status(&head), 101, "{head}");
    assert!(head.to_lowercase().contains("\r\nsec-websocket-protocol: second\r\n"), "{head}");
}

/// Source: DG "Set up a `$connect` route that requires a WebSocket subprotocol": a `$connect` that does not like
/// the subprotocols answers 400.
#[tokio::test]
async fn a_subprotocol_is_offered_to_connect() {
    let (mut watcher, id) = Socket::open_with_id().await;

    let offering = Handshake::new().watched_by(&id).header("sec-websocket-protocol", "first, second");
    let refusal = offering.order(&returning(&json!({ "statusCode": 400 }))).refusal().await;

    assert_eq!(refusal.status, 400);
    let event = watcher.watched("CONNECT").await;
    let headers = at(&event, "headers").as_object().unwrap();
    let offered = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-protocol"));
    assert_eq!(offered.unwrap().1, "first, second");
}

/// Source: RFC 6455, section 4.2.2, with the key and the answer of section 1.3.
#[tokio::test]
async fn the_answer_proves_that_the_key_was_read() {
    let (head, _stream) = Handshake::new().raw(&UPGRADE).await;

    assert_eq!(status(&head), 101, "{head}");
    let head = head.to_lowercase();
    assert!(head.contains("\r\nupgrade: websocket\r\n"), "{head}");
    assert!(head.contains("\r\nsec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"), "{head}");
}

/// Source: RFC 6455, section 4.2.1.
#[tokio::test]
async fn a_handshake_without_a_key_is_refused() {
    let lines = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"];

    let (head, _stream) = Handshake::new().raw(&lines).await;

    assert!((400..500).contains(&status(&head)), "{head}");
}

/// Source: DG "Quotas for configuring and running a WebSocket API": 4,096 characters of URL.
#[tokio::test]
async fn a_url_longer_than_the_quota_is_refused() {
    // No authorizer and no `$connect` that a long query could be too much for.
    let of_length =
        |length| Handshake::at(&Target::get().bare_websocket_url).query("long", &"x".repeat(length));

    let fits = of_length(3_900).open().await;
    let refusal = of_length(4_100).refusal().await;

    assert!(fits.is_ok());
    assert!(refusal.status >= 400, "{refusal:?}");
}

/// Source: AWS re:Post knowledge center "410 `GoneException` errors from API Gateway WebSocket API".
#[tokio::test]
async fn a_connection_is_not_posted_to_before_connect_has_answered() {
    let (mut watcher, id) = Socket::open_with_id().await;

    let mut socket = Handshake::new().order(&json!({ "do": "post", "to": id })).open().await.unwrap();

    assert_eq!(watcher.next().await, json!({ "outcome": "gone" }));
    // Nor is it delivered later.
    assert_eq!(text(&socket.event().await, "requestContext.routeKey"), "twoWay");
}

/// Source: DG "Manage connected users and client apps: $connect and $disconnect routes": only the status counts.
#[tokio::test]
async fn the_body_of_connect_is_never_a_frame() {
    let mut socket = connecting(&json!({ "statusCode": 200, "body": "welcome" })).open().await.unwrap();

    assert_eq!(text(&socket.event().await, "requestContext.routeKey"), "twoWay");
}

/// Source: RT fixture `example-apigw-websocket-request-without-method.json`, where names have capitals.
#[tokio::test]
async fn connect_sees_headers_in_the_case_in_which_they_were_sent() {
    let (mut watcher, id) = Socket::open_with_id().await;
    let user_agent = format!("User-Agent: suite watcher={id}");
    let lines = [&UPGRADE[..], &["X-cUstom: one", "X-cUstom: two", user_agent.as_str()]].concat();

    let (head, _stream) = Handshake::new().raw(&lines).await;

    assert_eq!(status(&head), 101, "{head}");
    let event = watcher.watched("CONNECT").await;
    assert_eq!(at(&event, "multiValueHeaders.X-cUstom"), &json!(["one", "two"]));
    assert_eq!(text(&event, "headers.Sec-WebSocket-Version"), "13");
    assert_eq!(text(&event, "headers.Sec-WebSocket-Key"), "dGhlIHNhbXBsZSBub25jZQ==");
}

/// Source: RT fixture `example-apigw-websocket-request-without-method.json`, which has neither.
#[tokio::test]
async fn connect_sees_no_header_of_the_upgrade_itself() {
    let (mut watcher, id) = Socket::open_with_id().await;

    Handshake::new().watched_by(&id).open().await.unwrap();

    let event = watcher.watched("CONNECT").await;
    for map in ["headers", "multiValueHeaders"] {
        for name in at(&event, map).as_object().unwrap().keys() {
            assert!(!["connection", "upgrade"].contains(&name.to_lowercase().as_str()), "{event}");
        }
    }
}

/// Source: RT fixture `example-apigw-websocket-request-without-method.json`: `X-Forwarded-*` and
/// `X-Amzn-Trace-Id`.
#[tokio::test]
async fn connect_sees_where_the_client_is_and_a_trace() {
    let (mut watcher, id) = Socket::open_with_id().await;

    Handshake::new().watched_by(&id).open().await.unwrap();

    let event = watcher.watched("CONNECT").await;
    let encrypted = Target::get().websocket_url.starts_with("wss:");
    let proto = if encrypted { "https" } else { "http" };
    assert_eq!(text(&event, "headers.X-Forwarded-Proto"), proto);
    assert!(text(&event, "headers.X-Forwarded-Port").parse::<u16>().is_ok());
    assert!(
        text(&event, "headers.X-Forwarded-For").contains(text(&event, "requestContext.identity.sourceIp"))
    );
    assert!(text(&event, "headers.X-Amzn-Trace-Id").contains("Root=1-"));
}

/// Source: RT fixture `example-apigw-websocket-request.json`: `queryStringParameters` beside all their values.
#[tokio::test]
async fn connect_sees_the_query_decoded() {
    let (mut watcher, id) = Socket::open_with_id().await;
    let value = format!("ü & {}", unique());

    Handshake::new()
        .watched_by(&id)
        .query("name", &value)
        .query("many", "1")
        .query("many", "2")
        .open()
        .await
        .unwrap();

    let event = watcher.watched("CONNECT").await;
    assert_eq!(text(&event, "queryStringParameters.name"), value);
    assert_eq!(at(&event, "multiValueQueryStringParameters.name"), &json!([value]));
    assert_eq!(at(&event, "multiValueQueryStringParameters.many"), &json!(["1", "2"]));
}

/// Source: RFC 6455, section 4.1: frames may follow as soon as the handshake is done.
#[tokio::test]
async fn a_message_right_after_the_handshake_is_not_lost() {
    let mut socket = Handshake::new().order(&json!({ "do": "sleep", "ms": 100 })).open().await.unwrap();

    socket
        .say(json!({ "action": "twoWay", "do": "return", "value": { "statusCode": 200, "body": "here" } }))
        .await;

    assert_eq!(socket.text().await, "here");
}

/// Source: SO-e2e, "should request to upgade to WebSocket when receving an HTTP request", which expects 426 at
/// `/<number>`; another 4xx is let pass, because it is not known that AWS still answers so.
#[tokio::test]
async fn a_request_without_an_upgrade_is_refused() {
    let (head, mut stream) = Handshake::new().raw(&["Connection: close"]).await;

    assert!((400..500).contains(&status(&head)), "{head}");
    let mut body = String::new();
    stream.read_to_string(&mut body).await.unwrap();
    assert!(!body.contains("requestContext"), "{body}");
}
