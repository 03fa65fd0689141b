//! Posts to connections whose clients do not read.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Gateway, PATIENCE, until};

/// A connection and its id.
struct Client {
    socket: WebSocketStream<TcpStream>,
    id: String,
}

impl Client {
    async fn connect(gateway: &Gateway) -> Self {
        let tcp = TcpSocket::new_v4().unwrap();
        // A small window, so that little is on the way when it stops reading.
        tcp.set_recv_buffer_size(16 * 1024).unwrap();
        let address = gateway.websocket_url.strip_prefix("ws://").unwrap().split('/').next().unwrap();
        let stream = tcp.connect(address.parse().unwrap()).await.unwrap();
        let (mut socket, _) = tokio_tungstenite::client_async(&gateway.websocket_url, stream).await.unwrap();
        socket.send(Message::text("{}")).await.unwrap();
        let frame = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
        let answer: Value = serde_json::from_str(frame.to_text().unwrap()).unwrap();
        Self { id: answer["connectionId"].as_str().unwrap().to_owned(), socket }
    }

    async fn next(&mut self) -> Value {
        let frame = timeout(PATIENCE, self.socket.next()).await.unwrap().unwrap().unwrap();
        serde_json::from_str(frame.to_text().unwrap()).unwrap()
    }
}

/// Posts a frame of a given size and gives the status, within a second.
async fn post(gateway: &Gateway, client: &Client, number: usize, size: usize) -> reqwest::Response {
    let id = client.id.replace('=', "%3D");
    let url = format!("{}/ws/@connections/{id}", gateway.console_url);
    let signature = "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/execute-api/aws4_request";
    let frame = json!({"number": number, "padding": "x".repeat(size)}).to_string();
    let begun = Instant::now();
    let answer = gateway.http.post(url).header("authorization", signature).body(frame).send().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1), "a post took {:?}", begun.elapsed());
    answer
}

/// Posts until one is refused and gives how many were not.
async fn fill(gateway: &Gateway, client: &Client, size: usize) -> usize {
    for number in 0..5_000 {
        let answer = post(gateway, client, number, size).await;
        if answer.status() != 200 {
            assert_eq!(answer.status(), 429);
            assert_eq!(answer.headers()["x-amzn-errortype"], "LimitExceededException");
            return number;
        }
    }
    panic!("what waits for a client that does not read is not bounded");
}

#[tokio::test]
async fn names_of_headers_keep_their_case_behind_many_others() {
    let gateway = Gateway::start(&[]);
    let address = gateway.websocket_url.strip_prefix("ws://").unwrap().split('/').next().unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();

    let handshake = format!(
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nLong: {}\r\nX-cUSTOM: 1\r\n\r\n",
        "x".repeat(9_000)
    );
    stream.write_all(handshake.as_bytes()).await.unwrap();

    let given = gateway.given_when(|given| !given.is_empty()).await;
    assert_eq!(given[0].event["headers"]["X-cUSTOM"], "1");
}

#[tokio::test]
async fn posts_to_a_client_that_does_not_read_fail_fast_and_disturb_no_other() {
    let gateway = Gateway::start(&[]);
    let mut stuck = Client::connect(&gateway).await;
    let mut other = Client::connect(&gateway).await;

    let accepted = fill(&gateway, &stuck, 30_000).await;

    for number in 0..20 {
        assert_eq!(post(&gateway, &stuck, number, 30_000).await.status(), 429);
        assert_eq!(post(&gateway, &other, number, 30_000).await.status(), 200);
        assert_eq!(other.next().await["number"], number);
    }
    let path = format!("connections/{}.json", stuck.id.replace('=', "%3D"));
    let shown = gateway.console(&path).await;
    assert!(shown["queuedFrames"].as_u64().unwrap() > 0);
    assert_eq!((&shown["frames"][0]["kind"], &shown["frames"][0]["code"]), (&json!("refused"), &json!(429)));
    // What was accepted arrives, whole and in order, as soon as it is read; then there is room again.
    for number in 0..accepted {
        assert_eq!(stuck.next().await["number"], number);
    }
    until("there is room again", async || post(&gateway, &stuck, accepted, 10).await.status() == 200).await;
    assert_eq!(stuck.next().await["number"], accepted);
}

#[tokio::test]
async fn small_frames_for_a_client_that_does_not_read_are_bounded_as_well() {
    let gateway = Gateway::start(&[]);
    let mut stuck = Client::connect(&gateway).await;

    // The socket's buffers take the first ones.
    let first = fill(&gateway, &stuck, 30_000).await;
    for number in 0..first {
        assert_eq!(stuck.next().await["number"], number);
    }
    let accepted = fill(&gateway, &stuck, 2_000).await;

    for number in 0..accepted {
        assert_eq!(stuck.next().await["number"], number);
    }
}

#[tokio::test]
async fn a_client_that_reads_gets_every_post_of_a_long_burst() {
    let gateway = Gateway::start(&[]);
    let mut client = Client::connect(&gateway).await;
    let id = client.id.clone();

    let posts = async {
        let reference = Client { socket: Client::connect(&gateway).await.socket, id };
        for number in 0..2_000 {
            assert_eq!(post(&gateway, &reference, number, 10).await.status(), 200, "post {number}");
        }
    };
    let ((), ()) = tokio::join!(posts, async {
        for number in 0..2_000 {
            assert_eq!(client.next().await["number"], number);
        }
    });
}
