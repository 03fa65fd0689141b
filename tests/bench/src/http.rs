//! The same request again and again over kept connections.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use support::{TestChat, User};
use tokio::{net::TcpStream, task::JoinSet};

/// Reads a path for so long over so many connections, and checks the first answer on each: how long each request took,
/// sorted, and all of them together.
pub(crate) async fn repeat(
    chat: &TestChat,
    user: &User,
    path: &str,
    connections: usize,
    lasting: Duration,
    check: fn(&str) -> Result<()>,
) -> Result<(Vec<Duration>, Duration)> {
    let authority = chat
        .stack
        .url
        .strip_prefix("http://")
        .context("the gateway speaks HTTP")?
        .trim_end_matches('/')
        .to_owned();
    let authorization = format!("Bearer {}", user.access_token);

    let start = Instant::now();
    let mut reading = JoinSet::new();
    for _ in 0..connections {
        let (authority, path, authorization) = (authority.clone(), path.to_owned(), authorization.clone());
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
                    check(std::str::from_utf8(&body)?)?;
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
    Ok((latencies, took))
}
