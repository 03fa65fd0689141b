//! Quotas of time and of size.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::Message;

use crate::support::curl::request;
use crate::support::socket::Socket;
use crate::support::{Target, text};

/// How much later than its limit a connection may be closed.
fn leeway() -> Duration {
    Duration::from_secs(10) + Target::get().idle / 10
}

/// Source: DG "Quotas for configuring and running a WebSocket API": idle connection timeout.
#[tokio::test]
async fn an_idle_connection_is_closed() {
    let mut socket = Socket::open_limited().await;
    let begun = Instant::now();

    let closed = socket.closes_within(Target::get().idle + leeway()).await;

    assert!(closed, "it is open after {:?}", begun.elapsed());
    assert!(begun.elapsed() >= Target::get().idle.mul_f64(0.9), "it was closed after {:?}", begun.elapsed());
}

/// Source: DG "Quotas for configuring and running a WebSocket API": idle is who sends and gets no message.
#[tokio::test]
async fn a_message_keeps_a_connection_open() {
    let mut socket = Socket::open_limited().await;
    let begun = Instant::now();

    while begun.elapsed() < Target::get().idle.mul_f64(1.5) {
        sleep(Target::get().idle / 4).await;
        // Only what the client sends, because this route answers nothing.
        socket.say(json!({ "message": { "kind": "probe/half" } })).await;
    }

    socket.say(json!({ "message": { "kind": "probe/ask" } })).await;
    assert_eq!(text(&socket.next().await, "requestContext.routeKey"), "probe/ask");
}

/// Source: DG "Quotas for configuring and running a WebSocket API": connection duration, whatever is sent
/// meanwhile.
#[tokio::test]
async fn a_connection_ends_at_its_greatest_age_though_it_is_used() {
    let mut socket = Socket::open_limited().await;
    let (begun, lifetime) = (Instant::now(), Target::get().lifetime);

    while begun.elapsed() < lifetime + leeway() {
        if socket.closes_within(Target::get().idle / 4).await {
            assert!(begun.elapsed() >= lifetime.mul_f64(0.9), "it was closed after {:?}", begun.elapsed());
            return;
        }
        socket.try_send(Message::text(r#"{"message":{"kind":"probe/ask"}}"#)).await;
    }
    panic!("it is open after {:?}", begun.elapsed());
}

/// Source: DG "Quotas for configuring and running an HTTP API": 10 MB of payload.
#[tokio::test]
async fn a_request_larger_than_the_quota_is_refused() {
    let large = vec![b'x'; 10 * 1024 * 1024 + 1024];

    let answer = request("POST", "/echo").header("Content-Type", "text/plain").body(large).send().await;

    answer.is(413, "Request Entity Too Large");
}

/// Source: LDG "Lambda quotas": the event of a function is at most 6 MB, so a request of 4 MB is none too large.
#[tokio::test]
async fn a_request_of_4_mb_is_taken() {
    let large = vec![b'x'; 4 * 1024 * 1024];
    let order = json!({ "do": "size" });

    let answer =
        request("POST", "/echo").header("Content-Type", "text/plain").order(&order).body(large).send().await;

    assert_eq!((answer.status, answer.text().as_str()), (200, "4194304"));
}
