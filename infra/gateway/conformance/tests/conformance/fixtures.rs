//! Public fixtures and the target's own events, read by the types of `aws_lambda_events` and held against each other.

use std::collections::BTreeSet;
use std::fs;

use aws_lambda_events::apigw::{
    ApiGatewayCustomAuthorizerRequestTypeRequest, ApiGatewayV2CustomAuthorizerV2Request,
    ApiGatewayV2httpRequest, ApiGatewayWebsocketProxyRequest,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::support::curl::request;
use crate::support::shape::shape;
use crate::support::socket::{Handshake, Socket};
use crate::support::{Target, at, text};

/// Below these the keys are the request's own.
const MAPS: [&str; 9] = [
    "headers",
    "multiValueHeaders",
    "queryStringParameters",
    "multiValueQueryStringParameters",
    "pathParameters",
    "stageVariables",
    "requestContext.authorizer.lambda",
    "requestContext.authorizer.jwt.claims",
    "requestContext.authentication",
];

fn fixture(name: &str) -> Value {
    let path = format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&fs::read_to_string(&path).unwrap_or_else(|err| panic!("{path}: {err}"))).unwrap()
}

#[track_caller]
fn read<T: DeserializeOwned>(event: &Value) -> T {
    serde_json::from_value(event.clone()).unwrap_or_else(|err| panic!("{err}: {event}"))
}

/// Holds an event against a fixture: the same paths of the same types, but for those that are said to be in one only.
#[track_caller]
fn compare(event: &Value, name: &str, of_websocket: bool, only_in_fixture: &[&str], only_in_event: &[&str]) {
    let mut maps = MAPS.to_vec();
    if of_websocket {
        maps.push("requestContext.authorizer");
    }
    let (event, fixture) = (shape(event, &maps), shape(&fixture(name), &maps));
    let all: BTreeSet<_> = event.keys().chain(fixture.keys()).collect();
    let differences: Vec<_> = all
        .into_iter()
        .filter(|path| match (event.get(*path), fixture.get(*path)) {
            (Some(own), Some(known)) => own != known,
            (Some(_), None) => !only_in_event.contains(&path.as_str()),
            (None, _) => !only_in_fixture.contains(&path.as_str()),
        })
        .map(|path| format!("{path}: {:?}, in the fixture {:?}", event.get(path), fixture.get(path)))
        .collect();
    assert!(differences.is_empty(), "{name}: {differences:#?}");
    for (paths, here, there) in [(only_in_fixture, &fixture, &event), (only_in_event, &event, &fixture)] {
        for path in paths {
            let differs = here.contains_key(*path) && !there.contains_key(*path);
            assert!(differs, "{name}: {path} is no difference any more");
        }
    }
}

/// The events of one connection: its beginning, a message and its end.
async fn connection() -> (Value, Value, Value) {
    let (mut socket, connect, mut watcher) = Socket::open_watched().await;
    let message = socket.event().await;
    socket.close(None).await;
    (connect, message, watcher.watched("DISCONNECT").await)
}

/// Source: RT, the fixtures of `lambda-events`, read by the types that they are tests of there.
#[test]
fn the_fixtures_are_what_functions_in_rust_read() {
    read::<ApiGatewayWebsocketProxyRequest>(&fixture("example-apigw-websocket-request"));
    read::<ApiGatewayWebsocketProxyRequest>(&fixture("example-apigw-websocket-request-without-method"));
    read::<ApiGatewayWebsocketProxyRequest>(&fixture("example-apigw-websocket-request-disconnect-route"));
    read::<ApiGatewayCustomAuthorizerRequestTypeRequest>(&fixture(
        "example-apigw-v2-custom-authorizer-websocket-request",
    ));
    read::<ApiGatewayV2httpRequest>(&fixture("example-apigw-v2-request-no-authorizer"));
    read::<ApiGatewayV2httpRequest>(&fixture("example-apigw-v2-request-lambda-authorizer"));
    read::<ApiGatewayV2httpRequest>(&fixture("example-apigw-v2-request-jwt-authorizer"));
    read::<ApiGatewayV2httpRequest>(&fixture("example-apigw-v2-request-multi-value-parameters"));
    read::<ApiGatewayV2CustomAuthorizerV2Request>(&fixture("example-apigw-v2-custom-authorizer-v2-request"));
    read::<ApiGatewayV2CustomAuthorizerV2Request>(&fixture(
        "example-apigw-v2-custom-authorizer-v2-request-without-cookies",
    ));
}

/// Source: RT, `ApiGatewayWebsocketProxyRequest`.
#[tokio::test]
async fn the_events_of_a_connection_are_what_functions_in_rust_read() {
    let (connect, message, disconnect) = connection().await;

    let read_connect: ApiGatewayWebsocketProxyRequest = read(&connect);
    assert_eq!(read_connect.request_context.route_key.as_deref(), Some("$connect"));
    assert_eq!(
        read_connect.request_context.connected_at,
        at(&connect, "requestContext.connectedAt").as_i64().unwrap()
    );
    let read_message: ApiGatewayWebsocketProxyRequest = read(&message);
    assert_eq!(read_message.body.as_deref(), Some(text(&message, "body")));
    let read_disconnect: ApiGatewayWebsocketProxyRequest = read(&disconnect);
    assert_eq!(read_disconnect.request_context.disconnect_status_code, Some(1005));
}

/// Source: RT fixture `example-apigw-websocket-request-without-method.json`, of an API with API keys.
#[tokio::test]
async fn a_connect_event_has_the_shape_of_the_fixture() {
    let (connect, _, _) = connection().await;

    compare(
        &connect,
        "example-apigw-websocket-request-without-method",
        true,
        &["requestContext.identity.apiKey", "requestContext.identity.apiKeyId"],
        &[
            "queryStringParameters",
            "multiValueQueryStringParameters",
            "stageVariables",
            "requestContext.authorizer",
            "requestContext.identity.userAgent",
        ],
    );
}

/// Source: RT fixture `example-apigw-websocket-request-disconnect-route.json`, of an API with neither an
/// authorizer nor stage variables.
#[tokio::test]
async fn a_disconnect_event_has_the_shape_of_the_fixture() {
    let (_, _, disconnect) = connection().await;

    compare(
        &disconnect,
        "example-apigw-websocket-request-disconnect-route",
        true,
        &[],
        &["stageVariables", "requestContext.authorizer", "requestContext.identity.userAgent"],
    );
}

/// Source: RT fixture `example-apigw-v2-custom-authorizer-websocket-request.json`; what it has more comes from
/// the program that recorded it.
#[tokio::test]
async fn the_authorizers_event_of_a_handshake_has_the_shape_of_the_fixture() {
    let mut socket = Handshake::new().header("user-agent", "suite").open().await.unwrap();
    let event = socket.event().await;
    let asked: Value = serde_json::from_str(text(&event, "requestContext.authorizer.asked")).unwrap();

    read::<ApiGatewayCustomAuthorizerRequestTypeRequest>(&asked);
    compare(
        &asked,
        "example-apigw-v2-custom-authorizer-websocket-request",
        true,
        &[
            "version",
            "context.request_id",
            "deadline",
            "invoked_function_arn",
            "xray_trace_id",
            "client_context",
            "identity",
            "env_config.function_name",
            "memory",
            "log_stream",
            "log_group",
        ],
        &[],
    );
}

/// Source: RT fixture `example-apigw-v2-request-no-authorizer.json`, of an API with mutual TLS.
#[tokio::test]
async fn a_requests_event_has_the_shape_of_the_fixture() {
    let event = request("GET", "/echo").event().await;

    let read_event: ApiGatewayV2httpRequest = read(&event);
    assert_eq!(read_event.raw_path.as_deref(), Some("/echo"));
    let only_there = ["requestContext.authentication"];
    compare(&event, "example-apigw-v2-request-no-authorizer", false, &only_there, &["stageVariables"]);
}

/// Source: RT fixture `example-apigw-v2-request-multi-value-parameters.json`, of a route with a Lambda authorizer
/// and an API without stage variables.
#[tokio::test]
async fn an_event_with_all_there_is_has_the_shape_of_the_fixture() {
    let event = request("GET", "/guarded/1?Parameter1=value1&Parameter1=value2")
        .header("X-Answer", "allow")
        .header("Cookie", "cookie1; cookie2")
        .header("Header2", "value1")
        .header("Header2", "value2")
        .header("Content-Type", "application/json")
        .body("{\r\n\t\"a\": 1\r\n}")
        .event()
        .await;

    read::<ApiGatewayV2httpRequest>(&event);
    let known = fixture("example-apigw-v2-request-multi-value-parameters");
    for same in ["rawQueryString", "cookies", "queryStringParameters", "body", "isBase64Encoded"] {
        assert_eq!(at(&event, same), at(&known, same), "{same}");
    }
    assert_eq!(text(&event, "headers.header2"), text(&known, "headers.Header2"));
    let only_there = ["requestContext.authentication"];
    compare(&event, "example-apigw-v2-request-lambda-authorizer", false, &only_there, &[]);
}

/// Source: RT fixture `example-apigw-v2-request-jwt-authorizer.json`, of a request with cookies, a query and a
/// body.
#[tokio::test]
async fn an_event_with_a_token_has_the_shape_of_the_fixture() {
    let event = request("GET", "/scoped?parameter1=value1")
        .header("Authorization", &Target::get().scoped_token)
        .header("Cookie", "cookie1")
        .header("Content-Type", "application/json")
        .body("{}")
        .event()
        .await;

    read::<ApiGatewayV2httpRequest>(&event);
    let only_there = ["requestContext.authentication", "pathParameters"];
    compare(&event, "example-apigw-v2-request-jwt-authorizer", false, &only_there, &[]);
}

/// Source: RT fixture `example-apigw-v2-custom-authorizer-v2-request.json`.
#[tokio::test]
async fn the_authorizers_event_of_a_request_has_the_shape_of_the_fixture() {
    let answer = request("GET", "/guarded/1?parameter1=value1").header("X-Answer", "allow");
    let event = answer.header("Cookie", "cookie1; cookie2").event().await;
    let asked = at(&event, "requestContext.authorizer.lambda.asked");

    read::<ApiGatewayV2CustomAuthorizerV2Request>(asked);
    let only_there = ["requestContext.authentication"];
    compare(asked, "example-apigw-v2-custom-authorizer-v2-request", false, &only_there, &[]);
}
