//! The fault of delivering everything twice.

use std::collections::HashSet;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Gateway, Given, PATIENCE};

/// The pids of the processes that were given the events a condition picks.
fn pids(given: &[Given], picked: impl Fn(&Value) -> bool) -> HashSet<i64> {
    given.iter().filter(|given| picked(&given.event)).map(|given| given.pid).collect()
}

#[tokio::test]
async fn a_request_is_given_to_two_processes_at_once_and_the_first_answer_is_used() {
    let gateway = Gateway::start(&["--deliver-twice", "--concurrency", "1"]);

    let (status, answer) = gateway.post("/", &json!({"race": true})).await;

    assert_eq!((status, &answer["late"]), (200, &Value::Null));
    let given = gateway.given();
    assert_eq!(given.len(), 2);
    assert_eq!(given[0].request_id, given[1].request_id);
    assert_eq!(pids(&given, |_| true).len(), 2);
    // The late copy still runs to its end, and its process takes the next request.
    gateway.touch("release");
    assert_eq!(gateway.post("/", &json!({})).await.0, 200);
    gateway.given_when(|given| given.len() == 4).await;
    assert_eq!(pids(&gateway.given(), |_| true).len(), 2);
}

#[tokio::test]
async fn a_connections_events_are_given_twice_and_its_client_sees_one_answer_each() {
    let gateway = Gateway::start(&["--deliver-twice"]);

    let (mut socket, _) = tokio_tungstenite::connect_async(&gateway.websocket_url).await.unwrap();
    let mut answers = Vec::new();
    for marker in 0..5 {
        socket.send(Message::text(json!({"marker": marker}).to_string())).await.unwrap();
        let frame = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
        answers.push(serde_json::from_str::<Value>(frame.to_text().unwrap()).unwrap()["marker"].clone());
    }
    socket.close(None).await.unwrap();

    // A second answer to a message would have come in the place of a later one's.
    assert_eq!(answers, [0, 1, 2, 3, 4]);
    let of_route = |key: &'static str| move |event: &Value| event["requestContext"]["routeKey"] == key;
    let given = gateway.given_when(|given| pids(given, of_route("$disconnect")).len() == 2).await;
    assert_eq!(pids(&given, of_route("$connect")).len(), 2);
    let messages = given.iter().filter(|given| of_route("$default")(&given.event));
    assert_eq!(messages.count(), 10);
}

#[tokio::test]
async fn an_asynchronous_event_is_given_twice_under_one_request_id() {
    let gateway = Gateway::start(&["--deliver-twice"]);

    let request_id = gateway.send_event("Peer", &json!({})).await;

    let given = gateway.given_when(|given| given.len() == 2).await;
    assert!(given.iter().all(|given| given.request_id == request_id));
    assert_eq!(pids(&given, |_| true).len(), 2);
}
