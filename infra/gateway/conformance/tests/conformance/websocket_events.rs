//! The events of WebSocket routes.

use std::net::IpAddr;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::support::socket::{Handshake, Socket};
use crate::support::{Target, at, host, stage, text};

fn epoch_of(request_time: &str) -> i64 {
    let format = format_description!(
        "[day]/[month repr:short]/[year]:[hour]:[minute]:[second] [offset_hour sign:mandatory][offset_minute]"
    );
    OffsetDateTime::parse(request_time, &format).unwrap().unix_timestamp()
}

/// Source: RT fixture `example-apigw-websocket-request-without-method.json`.
#[tokio::test]
async fn connect_is_told_with_its_context() {
    let (_socket, event, _watcher) = Socket::open_watched().await;

    let context = at(&event, "requestContext");
    let url = &Target::get().websocket_url;
    assert_eq!(text(context, "routeKey"), "$connect");
    assert_eq!(text(context, "eventType"), "CONNECT");
    assert_eq!(text(context, "messageDirection"), "IN");
    assert_eq!(text(context, "stage"), stage(url));
    assert_eq!(text(context, "domainName"), host(url));
    assert!(!text(context, "apiId").is_empty());
    assert!(text(context, "identity.sourceIp").parse::<IpAddr>().is_ok());
    assert!(context.get("messageId").is_none_or(Value::is_null), "{context}");
    assert_eq!(at(&event, "isBase64Encoded"), false);
    assert!(event.get("body").is_none_or(Value::is_null), "{event}");
}

/// Source: rails-lambda/lamby issue 74; MousaZeidBaker/aws-lambda-typing pull request 64: neither headers nor a
/// query.
#[tokio::test]
async fn a_message_is_told_without_what_the_handshake_had() {
    let event = Socket::open().await.event().await;

    assert_eq!(text(&event, "requestContext.eventType"), "MESSAGE");
    assert_eq!(text(&event, "requestContext.messageDirection"), "IN");
    assert_eq!(at(&event, "isBase64Encoded"), false);
    for absent in ["headers", "multiValueHeaders", "queryStringParameters", "multiValueQueryStringParameters"]
    {
        assert!(event.get(absent).is_none_or(Value::is_null), "{absent} in {event}");
    }
}

/// Source: lambda-http of RT, which tells WebSocket events from others by this.
#[tokio::test]
async fn no_event_has_fields_of_http() {
    let (mut socket, connect, _watcher) = Socket::open_watched().await;
    let message = socket.event().await;

    for event in [connect, message] {
        for absent in ["httpMethod", "path", "resource", "version", "rawPath"] {
            assert!(event.get(absent).is_none(), "{absent} in {event}");
        }
    }
}

/// Source: DG "Working with WebSocket APIs": the body is the message.
#[tokio::test]
async fn a_message_is_told_as_it_was_sent() {
    let mut socket = Socket::open().await;
    let message = "{ \"action\" : \"twoWay\",\n \"do\":\"echo\", \"text\":\"\\u00e9 é 🦀\" }";

    socket.say(message).await;

    assert_eq!(text(&socket.next().await, "body"), message);
}

/// Source: DG "API Gateway WebSocket API mapping template reference": `messageId`, `requestId`.
#[tokio::test]
async fn every_message_has_ids_of_its_own() {
    let mut socket = Socket::open().await;

    let (first, second) = (socket.event().await, socket.event().await);

    for id in ["messageId", "requestId", "extendedRequestId"] {
        let path = format!("requestContext.{id}");
        assert!(!text(&first, &path).is_empty());
        assert_ne!(text(&first, &path), text(&second, &path));
    }
    assert_eq!(text(&first, "requestContext.connectionId"), text(&second, "requestContext.connectionId"));
}

/// Source: RT fixtures `example-apigw-websocket-*.json`, in which both are the same and end with an equals sign.
#[tokio::test]
async fn the_two_ids_of_a_request_are_the_same() {
    let (mut socket, connect, _watcher) = Socket::open_watched().await;

    for event in [connect, socket.event().await] {
        let id = text(&event, "requestContext.requestId");
        assert_eq!(text(&event, "requestContext.extendedRequestId"), id);
        assert!(id.ends_with('='), "{id}");
    }
}

/// Source: RT fixture `example-apigw-websocket-request.json`: `TWegAcC4EowCHnA=`.
#[tokio::test]
async fn a_connection_id_is_short_base64_with_padding() {
    let (_socket, id) = Socket::open_with_id().await;

    let known = |c: char| c.is_ascii_alphanumeric() || "+/-_".contains(c);
    assert!(id.len() <= 20 && id.ends_with('='), "{id}");
    assert!(id.trim_end_matches('=').chars().all(known), "{id}");
}

/// Source: localstack/localstack issue 10295; RT, whose types require both numbers.
#[tokio::test]
async fn the_moment_of_the_handshake_is_in_every_event() {
    let (mut socket, connect, mut watcher) = Socket::open_watched().await;
    let message = socket.event().await;
    socket.close(None).await;
    let disconnect = watcher.watched("DISCONNECT").await;

    let at_first = at(&connect, "requestContext.connectedAt").as_i64().unwrap();
    for event in [connect, message, disconnect] {
        assert_eq!(at(&event, "requestContext.connectedAt").as_i64(), Some(at_first));
        assert!(at(&event, "requestContext.requestTimeEpoch").as_i64().unwrap() >= at_first);
    }
}

/// Source: DG "API Gateway WebSocket API mapping template reference": `requestTime` is in CLF.
#[tokio::test]
async fn the_time_of_a_request_is_told_twice() {
    let event = Socket::open().await.event().await;

    let epoch = at(&event, "requestContext.requestTimeEpoch").as_i64().unwrap();
    assert_eq!(epoch_of(text(&event, "requestContext.requestTime")), epoch / 1000);
    let now = OffsetDateTime::now_utc().unix_timestamp();
    assert!((now - epoch / 1000).abs() < 300, "{epoch} at {now}");
}

/// Source: RT fixture `example-apigw-v2-custom-authorizer-websocket-request.json`; DG "API Gateway
/// WebSocket API mapping template reference": `identity.userAgent`.
#[tokio::test]
async fn the_user_agent_is_in_every_event() {
    let (mut socket, connect, mut watcher) = Socket::open_watched().await;
    let message = socket.event().await;
    socket.close(None).await;
    let disconnect = watcher.watched("DISCONNECT").await;

    let at_first = text(&connect, "requestContext.identity.userAgent").to_owned();
    assert!(at_first.starts_with("suite watcher="), "{at_first}");
    assert_eq!(text(&message, "requestContext.identity.userAgent"), at_first);
    assert_eq!(text(&disconnect, "requestContext.identity.userAgent"), at_first);
}

/// Source: RT fixture `example-apigw-websocket-request-without-method.json`, which has none.
#[tokio::test]
async fn a_client_without_a_user_agent_has_none() {
    let event = Socket::open().await.event().await;

    assert!(at(&event, "requestContext.identity").get("userAgent").is_none_or(Value::is_null), "{event}");
}

/// Source: DG "API Gateway WebSocket API mapping template reference": `$stageVariables`.
#[tokio::test]
async fn stage_variables_are_in_every_event() {
    let (mut socket, connect, mut watcher) = Socket::open_watched().await;
    let message = socket.event().await;
    socket.close(None).await;
    let disconnect = watcher.watched("DISCONNECT").await;

    for event in [connect, message, disconnect] {
        assert_eq!(at(&event, "stageVariables"), &json!({ "tenant": "acme" }));
    }
}

/// Source: RT fixture `example-apigw-websocket-request-disconnect-route.json`.
#[tokio::test]
async fn an_end_without_a_code_is_told_as_1005() {
    let (mut socket, _connect, mut watcher) = Socket::open_watched().await;

    socket.close(None).await;

    let event = watcher.watched("DISCONNECT").await;
    assert_eq!(text(&event, "requestContext.routeKey"), "$disconnect");
    assert_eq!(at(&event, "requestContext.disconnectStatusCode"), 1005);
    assert_eq!(text(&event, "requestContext.disconnectReason"), "Client-side close frame status not set");
}

/// Source: DG "Manage connected users and client apps: $connect and $disconnect routes", "The `$disconnect`
/// route": `disconnectStatusCode` and `disconnectReason`.
#[tokio::test]
async fn the_clients_code_and_reason_are_told() {
    let (mut socket, _connect, mut watcher) = Socket::open_watched().await;

    socket.close(Some((4001, "enough"))).await;

    let event = watcher.watched("DISCONNECT").await;
    assert_eq!(at(&event, "requestContext.disconnectStatusCode"), 4001);
    assert_eq!(text(&event, "requestContext.disconnectReason"), "enough");
}

/// Source: RT fixture `example-apigw-websocket-request-disconnect-route.json`: only these headers, most of them
/// empty.
#[tokio::test]
async fn an_end_is_told_with_hardly_any_headers() {
    let (mut socket, _connect, mut watcher) = Socket::open_watched().await;

    socket.close(None).await;

    let event = watcher.watched("DISCONNECT").await;
    assert_eq!(text(&event, "headers.Host"), host(&Target::get().websocket_url));
    assert_eq!(text(&event, "headers.x-api-key"), "");
    assert_eq!(text(&event, "headers.x-restapi"), "");
    assert_eq!(at(&event, "multiValueHeaders.x-restapi"), &json!([""]));
    assert_eq!(at(&event, "isBase64Encoded"), false);
    assert!(event.get("body").is_none_or(Value::is_null), "{event}");
}

/// Source: dherault/serverless-offline issue 1379; DG "Create an AWS Lambda REQUEST authorizer".
#[tokio::test]
async fn what_the_authorizer_told_is_in_every_event_as_text() {
    let (mut socket, connect, mut watcher) = Socket::open_watched().await;
    let message = socket.event().await;
    socket.close(None).await;
    let disconnect = watcher.watched("DISCONNECT").await;

    for event in [connect, message, disconnect] {
        let authorizer = at(&event, "requestContext.authorizer");
        assert_eq!(text(authorizer, "principalId"), "somebody");
        assert_eq!(text(authorizer, "text"), "seven");
        assert_eq!(text(authorizer, "number"), "7");
        assert_eq!(text(authorizer, "truth"), "true");
        assert!(authorizer.get("integrationLatency").is_some(), "{authorizer}");
    }
}

/// Source: DG "Manage connected users and client apps: $connect and $disconnect routes": it follows an end of a
/// connection, and there was none.
#[tokio::test]
async fn a_refused_handshake_has_no_disconnect() {
    let (mut watcher, id) = Socket::open_with_id().await;
    let refused =
        Handshake::new().watched_by(&id).order(&json!({ "do": "return", "value": { "statusCode": 403 } }));

    refused.refusal().await;
    watcher.watched("CONNECT").await;
    let mut other = Handshake::new().watched_by(&id).open().await.unwrap();
    let opened = watcher.watched("CONNECT").await;
    other.close(None).await;

    let ended = watcher.watched("DISCONNECT").await;
    assert_eq!(text(&ended, "requestContext.connectionId"), text(&opened, "requestContext.connectionId"));
}

/// Source: DG "Manage connected users and client apps: $connect and $disconnect routes": `$disconnect` runs also
/// when the connection was lost.
#[tokio::test]
async fn a_lost_connection_has_its_disconnect() {
    let (socket, connect, mut watcher) = Socket::open_watched().await;

    drop(socket);

    let event = watcher.watched("DISCONNECT").await;
    assert_eq!(text(&event, "requestContext.connectionId"), text(&connect, "requestContext.connectionId"));
}

/// Source: DG "Controlling and managing access to a WebSocket API": the authorizer is asked about `$connect`
/// only.
#[tokio::test]
async fn messages_are_not_authorized_again() {
    let (mut socket, connect, _watcher) = Socket::open_watched().await;

    let authorizer = at(&connect, "requestContext.authorizer");

    assert!(text(authorizer, "asked").contains("CONNECT"));
    for _ in 0..2 {
        assert_eq!(at(&socket.event().await, "requestContext.authorizer"), authorizer);
    }
}
