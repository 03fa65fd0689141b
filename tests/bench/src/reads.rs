//! Reading a page of history over kept connections.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use support::TestChat;
use tokio::{net::TcpStream, task::JoinSet};

use crate::{heading, line, milliseconds, percentile, rate, socket};

const CONNECTIONS: usize = 8;
const PAGE: usize = 50;

/// Measures and prints.
pub(crate) async fn measure(chat: &TestChat, lasting: Duration) -> Result<()> {
    heading("History of 50 messages over HTTP, 8 connections");
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    let (mut sender, mut acks) = socket::open(&chat.stack.websocket_url, &alice, &conversation).await?;
    for number in 0..PAGE {
        sender.send(&conversation, number).await?;
        acks.next_acks().await?;
    }
    let authority = chat
        .stack
        .url
        .strip_prefix("http://")
        .context("the gateway speaks HTTP")?
        .trim_end_matches('/')
        .to_owned();
    let path = conversation.path("/messages");
    let authorization = format!("Bearer {}", alice.access_token);

    let start = Instant::now();
    let mut reading = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (authority, path, authorization) = (authority.clone(), path.clone(), authorization.clone());
        reading.spawn(async move {
            let stream = TcpStream::connect(&authority).await?;
            stream.set_nodelay(true)?;
            let (mut requests, connection) = http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            let mut latencies = Vec::new();
            while start.elapsed() < lasting {
                let asked = Instant::now();
                let request =
                    Request::get(&path).header("host", &authority).header("authorization", &authorization);
                let response = requests.send_request(request.body(Empty::<Bytes>::new())?).await?;
                let status = response.status();
                let body = response.into_body().collect().await?.to_bytes();
                ensure!(status == 200, "{status}: {}", String::from_utf8_lossy(&body));
                if latencies.is_empty() {
                    let read = socket::numbers(std::str::from_utf8(&body)?).len();
                    ensure!(read == PAGE, "a page has {read} messages");
                }
                latencies.push(asked.elapsed());
            }
            anyhow::Ok(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(outcome) = reading.join_next().await {
        latencies.extend(outcome??);
    }
    let took = start.elapsed();
    latencies.sort_unstable();
    let (p50, p99) = (milliseconds(percentile(&latencies, 0.5)), milliseconds(percentile(&latencies, 0.99)));
    line("requests", &format!("{:>8}, p50 {p50}, p99 {p99}", rate(latencies.len(), took)));
    Ok(())
}
