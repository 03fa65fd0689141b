//! Functions that fail behind a WebSocket route.

use serde_json::{Value, json};

use crate::support::socket::Socket;
use crate::support::{returning, text};

/// The frame that a failing order gets; the connection must have outlived it.
async fn frame_after(route: &str, order: &Value) -> Value {
    let (mut socket, id) = Socket::open_with_id().await;
    socket.order(route, order).await;
    let frame = socket.next().await;
    assert_eq!(text(&frame, "connectionId"), id, "{frame}");
    assert!(!text(&frame, "requestId").is_empty(), "{frame}");
    assert_eq!(socket.id().await, id);
    frame
}

#[track_caller]
fn assert_internal(frame: &Value) {
    assert_eq!(text(frame, "message"), "Internal server error", "{frame}");
}

/// Source: SO-e2e; aws-samples/simple-websockets-chat-app issue 24 shows the shape of such a frame.
#[tokio::test]
async fn an_error_is_answered_with_a_frame_and_the_connection_stays() {
    assert_internal(&frame_after("twoWay", &json!({ "do": "fail" })).await);
}

/// Source: SO-e2e; a one-way route has no other frame.
#[tokio::test]
async fn an_error_on_a_one_way_route_is_answered_as_well() {
    assert_internal(&frame_after("oneWay", &json!({ "do": "fail" })).await);
}

/// Source: LDG "Using the Lambda runtime API for custom runtimes": an invocation error, which the runtime reports
/// for a panic.
#[tokio::test]
async fn a_panic_is_answered_with_a_frame() {
    assert_internal(&frame_after("oneWay", &json!({ "do": "panic" })).await);
}

/// Source: LDG "Understanding the Lambda execution environment lifecycle".
#[tokio::test]
async fn an_exit_is_answered_with_a_frame_and_the_function_starts_anew() {
    assert_internal(&frame_after("twoWay", &json!({ "do": "exit" })).await);
}

/// Source: DG "Quotas for configuring and running a WebSocket API": integration timeouts from 50 ms on; Kludex/mangum
/// issue 128 and aws/chalice issue 1406 show such a frame.
#[tokio::test]
async fn a_function_slower_than_its_integration_may_be_is_answered_with_a_frame() {
    let frame = frame_after("hurried", &json!({ "do": "sleep", "ms": 1500 })).await;

    assert!(!text(&frame, "message").is_empty(), "{frame}");
}

/// Source: LDG "Configure Lambda function timeout".
#[tokio::test]
async fn a_function_slower_than_its_own_timeout_is_answered_with_a_frame() {
    assert_internal(&frame_after("brief", &json!({ "do": "sleep", "ms": 5000 })).await);
}

/// Source: middyjs/middy issue 1219: keys that no proxy response has; DG "Set up integrations for WebSocket
/// APIs".
#[tokio::test]
async fn what_is_no_proxy_response_is_answered_with_a_frame() {
    for value in [
        json!({ "statusCode": 200, "unknown": 1 }),
        json!("text"),
        json!([]),
        json!({ "body": "without a status" }),
        json!({ "statusCode": 200, "body": { "no": "text" } }),
    ] {
        assert_internal(&frame_after("twoWay", &returning(&value)).await);
    }
}

/// Source: DG "Quotas for configuring and running a WebSocket API": 128 KB in either direction.
#[tokio::test]
async fn an_answer_larger_than_a_message_may_be_never_arrives() {
    let (mut socket, id) = Socket::open_with_id().await;
    // The function tells of itself right before it answers, so its answer would come before that of the echo.
    let order = json!({ "do": "tell", "to": id, "then": { "do": "payload", "bytes": 135_000 } });
    assert!(socket.ask(&order).await["told"].is_object());

    let frame = socket.event().await;

    // Whether there is a frame about it, the source does not say.
    let is_error = frame["connectionId"] == id;
    let echo = if is_error { socket.next().await } else { frame };
    assert_eq!(text(&echo, "requestContext.eventType"), "MESSAGE");
}

/// Source: aws-samples/simple-websockets-chat-app issue 24, where a frame has the request's id.
#[tokio::test]
async fn the_frame_names_the_request_that_failed() {
    let mut socket = Socket::open().await;

    let told = socket.ask(&json!({ "do": "tell", "then": { "do": "fail" } })).await;
    let frame = socket.next().await;

    assert_internal(&frame);
    assert_eq!(text(&frame, "requestId"), text(&told, "told.requestContext.requestId"));
}
