//! Requests, handshakes, messages and posts beyond what a template or an option lets through.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::support::{EMULATION, Gateway, PATIENCE, Project, nothing};

const THROTTLED: Project =
    Project { template: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/emulation/throttled.yaml"), ..EMULATION };

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(gateway: &Gateway) -> Result<Socket, Error> {
    tokio_tungstenite::connect_async(&gateway.websocket_url).await.map(|(socket, _)| socket)
}

/// Sends a message and gives the frame that answers it.
async fn ask(socket: &mut Socket, message: &Value) -> Value {
    socket.send(Message::text(message.to_string())).await.unwrap();
    let frame = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
    serde_json::from_str(frame.to_text().unwrap()).unwrap()
}

#[tokio::test]
async fn a_route_answers_429_beyond_its_burst_and_the_others_do_not() {
    let gateway = Gateway::of(&THROTTLED, &[]);
    let refused = (429, json!({"message": "Too Many Requests"}));

    for path in ["/one", "/other/1"] {
        for _ in 0..2 {
            assert_eq!(gateway.post(path, &nothing()).await.0, 200, "{path}");
        }
        assert_eq!(gateway.post(path, &nothing()).await, refused, "{path}");
    }
    assert_eq!(gateway.post("/other/2", &nothing()).await, refused);
    for _ in 0..10 {
        assert_eq!(gateway.post("/free", &nothing()).await.0, 200);
    }
    assert_eq!(gateway.given().len(), 2 + 2 + 10);
}

#[tokio::test]
async fn a_handshake_beyond_the_burst_of_connect_is_429() {
    let gateway = Gateway::of(&THROTTLED, &[]);

    let first = connect(&gateway).await;
    assert!(first.is_ok(), "{first:?}");
    let Err(Error::Http(refusal)) = connect(&gateway).await else { panic!("the second was not refused") };

    assert_eq!(refusal.status(), 429);
    let connects =
        gateway.given().into_iter().filter(|given| given.event["requestContext"]["eventType"] == "CONNECT");
    assert_eq!(connects.count(), 1);
}

#[tokio::test]
async fn a_message_beyond_the_burst_of_its_route_is_answered_by_a_frame_and_the_connection_goes_on() {
    let gateway = Gateway::of(&THROTTLED, &[]);
    let mut socket = connect(&gateway).await.unwrap();

    let first = ask(&mut socket, &json!({"do": "dear", "marker": 1})).await;
    let second = ask(&mut socket, &json!({"do": "dear", "marker": 2})).await;
    let third = ask(&mut socket, &json!({"do": "cheap", "marker": 3})).await;

    assert_eq!((&first["marker"], &third["marker"]), (&json!(1), &json!(3)));
    assert_eq!(second["message"], "Too Many Requests");
    assert_eq!(second["connectionId"], first["connectionId"]);
    assert!(second["requestId"].is_string(), "{second}");
    let given = gateway.given();
    assert!(!given.iter().any(|given| given.event["body"].as_str().is_some_and(|body| body.contains('2'))));
}

#[tokio::test]
async fn posts_take_their_time_and_are_429_beyond_their_limit_on_any_connection() {
    let gateway = Gateway::start(&["--post-limit", "0.001,2", "--post-latency", "60"]);
    let mut ids = Vec::new();
    let mut sockets = Vec::new();
    for _ in 0..3 {
        let mut socket = connect(&gateway).await.unwrap();
        let answer = ask(&mut socket, &json!({})).await;
        ids.push(answer["connectionId"].as_str().unwrap().replace('=', "%3D"));
        sockets.push(socket);
    }

    let mut answers = Vec::new();
    for id in &ids {
        let url = format!("{}/ws/@connections/{id}", gateway.console_url);
        let signature = "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/execute-api/aws4_request";
        let begun = Instant::now();
        let post = gateway.http.post(url).header("authorization", signature).body("{}");
        answers.push(post.send().await.unwrap());
        assert!(begun.elapsed() >= Duration::from_millis(60), "{:?}", begun.elapsed());
    }

    let statuses: Vec<_> = answers.iter().map(|answer| answer.status().as_u16()).collect();
    assert_eq!(statuses, [200, 200, 429]);
    assert_eq!(answers[2].headers()["x-amzn-errortype"], "LimitExceededException");
}
