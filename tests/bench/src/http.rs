//! The same request again and again over kept connections.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request,
    body::Bytes,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use support::{TestChat, User};
use tokio::net::TcpStream;

use crate::load::{self, Times};

/// Reads a path of the chat as somebody for so long over so many connections, and checks every answer.
pub(crate) async fn read(
    chat: &TestChat,
    user: &User,
    path: &str,
    connections: usize,
    lasting: Duration,
    check: impl Fn(&str) -> Result<()> + Clone + Send + 'static,
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

/// Makes a request for so long over so many connections, one after the other on each, and checks every answer.
pub(crate) async fn repeat(
    authority: &str,
    request: &Request<Full<Bytes>>,
    connections: usize,
    lasting: Duration,
    check: impl Fn(&str) -> Result<()> + Clone + Send + 'static,
) -> Result<Times> {
    let mut opened = Vec::with_capacity(connections);
    for _ in 0..connections {
        opened.push(open(authority).await?);
    }
    let request = request.clone();
    let asking = move |mut requests| {
        let request = request.clone();
        async move {
            let body = ask(&mut requests, request).await?;
            Ok((requests, body))
        }
    };
    load::repeat(opened, lasting, asking, move |body| check(std::str::from_utf8(&body)?)).await
}

/// Opens a connection that is kept.
pub(crate) async fn open(authority: &str) -> Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(authority).await?;
    stream.set_nodelay(true)?;
    let (requests, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(requests)
}

/// Makes a request that must succeed, as must the function that it invokes, and gives the body of its answer.
pub(crate) async fn ask(
    requests: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<Bytes> {
    let response = requests.send_request(request).await?;
    let (status, failed) = (response.status(), response.headers().contains_key("x-amz-function-error"));
    let body = response.into_body().collect().await?.to_bytes();
    ensure!(status == 200 && !failed, "{status}: {}", String::from_utf8_lossy(&body));
    Ok(body)
}
