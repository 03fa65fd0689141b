//! Clients that write what no well-behaved client does.

use std::collections::HashMap;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Gateway, PATIENCE};

type Socket = WebSocketStream<TcpStream>;

async fn connect(gateway: &Gateway) -> Socket {
    let address = gateway.websocket_url.strip_prefix("ws://").unwrap().split('/').next().unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    tokio_tungstenite::client_async(&gateway.websocket_url, stream).await.unwrap().0
}

/// The next frame that is no pong.
async fn next(socket: &mut Socket) -> Value {
    loop {
        match timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap() {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn pings_of_a_client_that_does_not_read_take_no_memory_and_no_frame_from_it() {
    const MEGABYTES: usize = 48;
    let gateway = Gateway::start(&[]);
    let mut socket = connect(&gateway).await;
    socket.send(Message::text("{}")).await.unwrap();
    let id = next(&mut socket).await["connectionId"].as_str().unwrap().replace('=', "%3D");
    let before = gateway.resident_megabytes();
    // A masked ping with the longest payload there is, masked by zeros.
    let ping = [&[0x89, 0xfd, 0, 0, 0, 0][..], &[b'x'; 125]].concat();
    let pings = ping.repeat(1024 * 1024 / ping.len());

    for _ in 0..MEGABYTES {
        timeout(PATIENCE, socket.get_mut().write_all(&pings)).await.unwrap().unwrap();
    }
    let grown = gateway.resident_megabytes().saturating_sub(before);
    assert!(grown < MEGABYTES / 4, "{grown} MB for pongs that nobody reads");

    for number in 0..20 {
        let url = format!("{}/ws/@connections/{id}", gateway.console_url);
        let signature = "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/execute-api/aws4_request";
        let frame = json!({"number": number, "padding": "x".repeat(30_000)}).to_string();
        let post = gateway.http.post(url).header("authorization", signature).body(frame);
        assert_eq!(post.send().await.unwrap().status(), 200);
    }
    for number in 0..20 {
        assert_eq!(next(&mut socket).await["number"], number);
    }
}

#[tokio::test]
async fn however_a_connection_ends_its_disconnect_comes_once() {
    let gateway = Gateway::start(&[]);
    let mut expected = HashMap::new();
    // Masked by zeros, each after the other on a connection of its own; then the client leaves.
    for (sent, code) in [
        (&b""[..], 1006),
        (b"\x88\x80\0\0\0\0", 1005),
        (b"\x88\x82\0\0\0\0\x03\xe8", 1000),
        (b"\x88\x82\0\0\0\0\x0b\xb8\x88\x80\0\0\0\0", 3000),
        (b"\x88\x81\0\0\0\0\x03", 1002),
        (b"\x88\x82\0\0\0\0\x03\xed", 1002),
        (b"\x82\x81\0\0\0\0x\x88\x80\0\0\0\0", 1003),
        (b"\x81\x82\0\0\0\0\xc3\x28", 1007),
        (b"\x81\xff\0\0\0\0\0\0\x80\x01\0\0\0\0", 1009),
        (b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 1009),
        (b"\x81\x01x", 1002),
        (b"\x80\x80\0\0\0\0", 1002),
        (b"\x09\x80\0\0\0\0", 1002),
        (b"\xc1\x80\0\0\0\0", 1002),
        (b"\x83\x80\0\0\0\0", 1002),
        (b"\x01\x81\0\0\0\0x\x81\x81\0\0\0\0x", 1002),
    ] {
        let mut socket = connect(&gateway).await;
        socket.send(Message::text("{}")).await.unwrap();
        let id = next(&mut socket).await["connectionId"].as_str().unwrap().to_owned();
        socket.get_mut().write_all(sent).await.unwrap();
        socket.get_mut().shutdown().await.unwrap();
        let mut rest = Vec::new();
        // The gateway ends the connection, too.
        timeout(PATIENCE, socket.get_mut().read_to_end(&mut rest)).await.unwrap().unwrap();
        expected.insert(id, code);
    }

    let ends = |given: &[crate::support::Given]| -> Vec<(String, u64)> {
        let contexts = given.iter().map(|given| &given.event["requestContext"]);
        let ends = contexts.filter(|context| context["eventType"] == "DISCONNECT");
        let text = |context: &Value| context["connectionId"].as_str().unwrap().to_owned();
        ends.map(|context| (text(context), context["disconnectStatusCode"].as_u64().unwrap())).collect()
    };
    let given = gateway.given_when(|given| ends(given).len() >= expected.len()).await;
    assert_eq!(ends(&given).len(), expected.len());
    assert_eq!(ends(&given).into_iter().collect::<HashMap<_, _>>(), expected);
}
