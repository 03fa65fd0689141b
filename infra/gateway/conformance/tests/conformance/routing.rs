//! Which route takes a message, and what its answer becomes.

use serde_json::{Value, json};

use crate::support::socket::Socket;
use crate::support::{returning, text};

/// The route that took a message; the function behind all of them tells it.
async fn route_of(message: &str) -> String {
    let mut socket = Socket::open().await;
    socket.say(message).await;
    text(&socket.next().await, "requestContext.routeKey").to_owned()
}

/// Sends an order to a route, then another to the two-way route, and gives what came back first.
async fn first_after(route: &str, order: &Value) -> Value {
    let (mut socket, id) = Socket::open_with_id().await;
    // The function tells of itself right before it answers, so its answer would come before that of the echo.
    socket.order(route, &json!({ "do": "tell", "to": id, "then": order })).await;
    assert!(socket.next().await["told"].is_object());
    socket.event().await
}

/// Source: DG "WebSocket selection expressions".
#[tokio::test]
async fn the_expression_selects_the_route() {
    assert_eq!(route_of(r#"{"action":"twoWay"}"#).await, "twoWay");
}

/// Source: DG "Invoke your backend integration with API Gateway WebSocket APIs", "The `$default` route".
#[tokio::test]
async fn what_selects_no_route_goes_to_default() {
    for message in [r#"{"action":"unknown"}"#, r#"{"other":"twoWay"}"#, "{}", r#"{"action":null}"#] {
        assert_eq!(route_of(message).await, "$default", "{message}");
    }
}

/// Source: DG "Invoke your backend integration with API Gateway WebSocket APIs": also messages that are no JSON.
#[tokio::test]
async fn what_is_no_json_goes_to_default() {
    for message in ["hello", r#"{"action":"twoWay""#, "twoWay"] {
        assert_eq!(route_of(message).await, "$default", "{message}");
    }
}

/// Source: DG "WebSocket selection expressions": the result must be the route key.
#[tokio::test]
async fn keys_are_compared_with_their_case() {
    assert_eq!(route_of(r#"{"action":"twoway"}"#).await, "$default");
}

/// Source: DG "WebSocket selection expressions": `$request.body.{path_to_body_element}`.
#[tokio::test]
async fn an_expression_may_go_deep_and_a_key_may_be_any_text() {
    let mut socket = Socket::open_bare().await;

    socket.say(json!({ "message": { "kind": "probe/ask" } })).await;

    assert_eq!(text(&socket.next().await, "requestContext.routeKey"), "probe/ask");
}

/// Source: aws-samples/simple-websockets-chat-app issue 24.
#[tokio::test]
async fn without_any_route_the_answer_is_forbidden_and_the_connection_stays() {
    let mut socket = Socket::open_bare().await;

    for message in [r#"{"message":{"kind":"unknown"}}"#, "no json"] {
        socket.say(message).await;
        let frame = socket.next().await;

        assert_eq!(text(&frame, "message"), "Forbidden", "{message}");
        assert!(!text(&frame, "connectionId").is_empty() && !text(&frame, "requestId").is_empty(), "{frame}");
    }
    socket.say(json!({ "message": { "kind": "probe/ask" } })).await;
    assert_eq!(text(&socket.next().await, "requestContext.eventType"), "MESSAGE");
}

/// Source: DG "Set up route responses for WebSocket APIs".
#[tokio::test]
async fn the_body_of_a_two_way_route_is_a_frame() {
    let answer =
        Socket::open().await.ask(&returning(&json!({ "statusCode": 200, "body": r#"{"a":1}"# }))).await;

    assert_eq!(answer, json!({ "a": 1 }));
}

/// Source: issue 2 of yai333/React-Chat-App-using-AWS-API-Gateway-Websocket-and-Serverless-Framework: the status
/// does not matter.
#[tokio::test]
async fn a_two_way_route_answers_whatever_its_status() {
    for status in [201, 400, 500] {
        let value = json!({ "statusCode": status, "body": status.to_string() });

        assert_eq!(Socket::open().await.ask(&returning(&value)).await, status);
    }
}

/// Source: DG "Set up route responses for WebSocket APIs".
#[tokio::test]
async fn a_two_way_route_without_a_body_answers_nothing() {
    let event = first_after("twoWay", &returning(&json!({ "statusCode": 200 }))).await;

    assert_eq!(text(&event, "requestContext.eventType"), "MESSAGE");
}

/// Source: DG "Set up route responses for WebSocket APIs": routes are one-way unless they have a response; AWS
/// re:Post answers say so of any status.
#[tokio::test]
async fn a_one_way_route_answers_nothing_whatever_its_status() {
    for status in [200, 400, 500] {
        let order = returning(&json!({ "statusCode": status, "body": r#"{"never":true}"# }));

        let event = first_after("oneWay", &order).await;

        assert_eq!(text(&event, "requestContext.eventType"), "MESSAGE", "{status}");
    }
}

/// Source: DG "Set up route responses for WebSocket APIs": the route needs a response beside the expression that
/// selects it.
#[tokio::test]
async fn an_expression_without_a_response_makes_no_two_way_route() {
    let mut socket = Socket::open_bare().await;
    let say = |kind: &str, order: Value| {
        let mut message = order;
        message["message"] = json!({ "kind": kind });
        message
    };

    let silent = json!({ "do": "tell", "then": returning(&json!({ "statusCode": 200, "body": r#"{"never":true}"# })) });
    socket.say(say("probe/half", silent)).await;
    assert!(socket.next().await["told"].is_object());
    socket.say(say("probe/ask", json!({ "do": "echo" }))).await;

    assert_eq!(text(&socket.next().await, "requestContext.routeKey"), "probe/ask");
}
