//! Messages on a two-way route, one at a time on each connection.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use crate::load::{self, Times};

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

/// Opens so many.
pub(super) async fn open_all(url: &str, connections: usize) -> Result<Vec<Socket>> {
    let mut opened = Vec::with_capacity(connections);
    for _ in 0..connections {
        opened.push(Socket::open(url).await?);
    }
    Ok(opened)
}

/// Sends messages for so long over these connections.
pub(super) async fn repeat(sockets: Vec<Socket>, lasting: Duration) -> Result<Times> {
    let asking = |mut socket: Socket| async move {
        socket.ask().await?;
        Ok((socket, ()))
    };
    // An answer is checked as it is read.
    load::repeat(sockets, lasting, asking, |()| Ok(())).await
}
