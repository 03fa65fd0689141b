//! The same request again and again over kept connections.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request,
    body::Bytes,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use support::{TestChat, User};
use tokio::{net::TcpStream, task::JoinSet};

/// How long each request took, sorted, and all of them together.
pub(crate) type Times = (Vec<Duration>, Duration);

/// Reads a path of the chat as somebody for so long over so many connections, and checks the first answer on each.
pub(crate) async fn read(
    chat: &TestChat,
    user: &User,
    path: &str,
    connections: usize,
    lasting: Duration,
    check: fn(&str) -> Result<()>,
) -> Result<Times> {
    let authority = authority(&chat.stack.url)?;
    let request = Request::get(path)
        .header("host", authority)
        .header("authorization", format!("Bearer {}", user.access_token))
        .body(Full::default())?;
    repeat(authority, &request, connections, lasting, check).await
}

/// The host and the port of a URL of this machine.
pub(crate) fn authority(url: &str) -> Result<&str> {
    Ok(url.strip_prefix("http://").context("the gateway speaks HTTP")?.trim_end_matches('/'))
}

/// Makes a request for so long over so many connections, one after the other on each, and checks the first answer on
/// each.
pub(crate) async fn repeat(
    authority: &str,
    request: &Request<Full<Bytes>>,
    connections: usize,
    lasting: Duration,
    check: fn(&str) -> Result<()>,
) -> Result<Times> {
    let mut opened = Vec::with_capacity(connections);
    for _ in 0..connections {
        opened.push(open(authority).await?);
    }
    let start = Instant::now();
    let mut asking = JoinSet::new();
    for mut requests in opened {
        let request = request.clone();
        asking.spawn(async move {
            let mut latencies = Vec::new();
            while start.elapsed() < lasting {
                let asked = Instant::now();
                let body = ask(&mut requests, request.clone()).await?;
                if latencies.is_empty() {
                    check(std::str::from_utf8(&body)?)?;
                }
                latencies.push(asked.elapsed());
            }
            anyhow::Ok(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(outcome) = asking.join_next().await {
        latencies.extend(outcome??);
    }
    let took = start.elapsed();
    latencies.sort_unstable();
    Ok((latencies, took))
}

/// Opens a connection that is kept.
pub(crate) async fn open(authority: &str) -> Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(authority).await?;
    stream.set_nodelay(true)?;
    let (requests, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(requests)
}

/// Makes a request that must succeed, and gives the body of its answer.
pub(crate) async fn ask(
    requests: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<Bytes> {
    let response = requests.send_request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    ensure!(status == 200, "{status}: {}", String::from_utf8_lossy(&body));
    Ok(body)
}
