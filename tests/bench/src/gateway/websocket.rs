//! Messages on a two-way route, one at a time on each connection.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{net::TcpStream, task::JoinSet};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use crate::http::Times;

/// What the function that does nothing is sent.
const EMPTY: &str = r#"{"type":"empty"}"#;

/// A connection.
pub(super) struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    pub(super) async fn open(url: &str) -> Result<Self> {
        let request = url.into_client_request()?;
        let authority = request.uri().authority().context("the WebSocket URL has a host")?.to_string();
        let stream = TcpStream::connect(authority).await?;
        stream.set_nodelay(true)?;
        let (socket, _) = tokio_tungstenite::client_async(request, stream).await?;
        Ok(Self(socket))
    }

    pub(super) async fn send(&mut self, text: &'static str) -> Result<()> {
        Ok(self.0.send(Message::text(text)).await?)
    }

    /// Waits for an answer, which must be the function's.
    pub(super) async fn answer(&mut self) -> Result<()> {
        match self.0.next().await.context("the gateway hung up")?? {
            Message::Text(text) if text == "done" => Ok(()),
            other => bail!("instead of an answer came {other}"),
        }
    }

    /// Sends a message to the function that does nothing and waits for its answer.
    pub(super) async fn ask(&mut self) -> Result<()> {
        self.send(EMPTY).await?;
        self.answer().await
    }

    /// Makes sure that nothing is left to read.
    pub(super) async fn is_silent(&mut self) -> Result<()> {
        self.0.send(Message::Ping("?".into())).await?;
        let next = self.0.next().await.context("the gateway hung up")??;
        ensure!(next.is_pong(), "one answer too many: {next}");
        Ok(())
    }
}

/// Sends messages for so long over so many connections.
pub(super) async fn repeat(url: &str, connections: usize, lasting: Duration) -> Result<Times> {
    let mut opened = Vec::with_capacity(connections);
    for _ in 0..connections {
        opened.push(Socket::open(url).await?);
    }
    let start = Instant::now();
    let mut asking = JoinSet::new();
    for mut socket in opened {
        asking.spawn(async move {
            let mut latencies = Vec::new();
            while start.elapsed() < lasting {
                let asked = Instant::now();
                socket.ask().await?;
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
