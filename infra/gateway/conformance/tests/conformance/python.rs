//! Cases told by Python's `websockets`, because the gateway and this suite read frames by the same library.

use serde_json::{Value, json};

use crate::support::python::Python;
use crate::support::socket::Handshake;
use crate::support::{returning, text};

fn echo(text: &str) -> String {
    json!({ "action": "twoWay", "do": "echo", "text": text }).to_string()
}

async fn connected(handshake: Handshake) -> Python {
    let mut python = Python::start();
    let opened = python.ask(&json!({ "do": "connect", "url": handshake.url() })).await;
    assert_eq!(opened["subprotocol"], Value::Null, "{opened}");
    python
}

async fn received(python: &mut Python) -> Value {
    let received = python.ask(&json!({ "do": "receive" })).await;
    serde_json::from_str(text(&received, "text")).unwrap()
}

/// Source: DG "Working with WebSocket APIs"; RFC 6455, which both clients follow.
#[tokio::test]
async fn python_sends_a_message_and_is_answered() {
    let mut python = connected(Handshake::new()).await;

    python.ask(&json!({ "do": "send", "text": echo("é 🦀") })).await;

    assert_eq!(text(&received(&mut python).await, "body"), echo("é 🦀"));
}

/// Source: RFC 6455, section 5.4.
#[tokio::test]
async fn python_sends_a_message_in_fragments() {
    let mut python = connected(Handshake::new()).await;
    let message = echo("in three pieces");

    let (first, rest) = message.split_at(10);
    let (second, third) = rest.split_at(10);
    python.ask(&json!({ "do": "send", "fragments": [first, second, third] })).await;

    assert_eq!(text(&received(&mut python).await, "body"), message);
}

/// Source: RFC 6455, sections 5.5.2 and 5.5.3.
#[tokio::test]
async fn python_pings_and_is_answered() {
    let mut python = connected(Handshake::new()).await;

    assert_eq!(python.ask(&json!({ "do": "ping", "payload": "hello" })).await, json!({ "pong": true }));
}

/// Source: DG "Set up a `$connect` route that requires a WebSocket subprotocol".
#[tokio::test]
async fn python_gets_the_subprotocol_that_connect_chose() {
    let answer = json!({ "statusCode": 200, "headers": { "Sec-WebSocket-Protocol": "second" } });
    let url = Handshake::new().order(&returning(&answer)).url();

    let opened = Python::start()
        .ask(&json!({ "do": "connect", "url": url, "subprotocols": ["first", "second"] }))
        .await;

    assert_eq!(opened["subprotocol"], "second", "{opened}");
}

/// Source: dherault/serverless-offline pull request 1301.
#[tokio::test]
async fn python_is_refused_with_the_status_of_connect() {
    let url = Handshake::new().order(&returning(&json!({ "statusCode": 401 }))).url();

    let refused = Python::start().ask(&json!({ "do": "connect", "url": url })).await;

    assert_eq!(refused, json!({ "status": 401 }));
}

/// Source: DG "Working with binary media types for WebSocket APIs".
#[tokio::test]
async fn python_is_told_1003_after_a_binary_frame() {
    let mut python = connected(Handshake::new()).await;

    python.ask(&json!({ "do": "send_binary", "bytes": [1, 2, 3] })).await;

    assert_eq!(python.ask(&json!({ "do": "receive" })).await, json!({ "closed": 1003 }));
}

/// Source: DG "Quotas for configuring and running a WebSocket API".
#[tokio::test]
async fn python_is_told_1009_after_a_frame_that_is_too_large() {
    let mut python = connected(Handshake::new()).await;

    python.ask(&json!({ "do": "send", "text": "x".repeat(33_500) })).await;

    assert_eq!(python.ask(&json!({ "do": "receive" })).await, json!({ "closed": 1009 }));
}

/// Source: RFC 6455, section 7.1.5.
#[tokio::test]
async fn python_closes_and_is_answered_with_its_code() {
    let mut python = connected(Handshake::new()).await;

    let closed = python.ask(&json!({ "do": "close", "code": 4002, "reason": "enough" })).await;

    assert_eq!(closed, json!({ "code": 4002 }));
}
