//! Connections that cost the generator little: frames are searched, not parsed.
//!
//! Every message carries its number between markers. A frame is read by finding the markers, whether it is
//! an ack, a message or a batch of them, and however its JSON is laid out.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _, stream::SplitSink, stream::SplitStream};
use serde_json::json;
use support::{Conversation, User};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, Utf8Bytes, client::IntoClientRequest as _},
};

/// Cannot occur in a frame but by our writing it.
const MARK: &str = "~#";
/// How a frame about who comes and goes begins.
const PRESENCE: &str = r#"{"type":"presence","#;

pub(crate) struct Sender(SplitSink<WebSocketStream<TcpStream>, Message>);

pub(crate) struct Receiver(SplitStream<WebSocketStream<TcpStream>>);

/// Connects somebody. A small receive buffer lets the server notice sooner that nobody reads.
pub(crate) async fn connect(
    url: &str,
    user: &User,
    receive_buffer: Option<u32>,
) -> Result<(Sender, Receiver)> {
    let mut request = url.into_client_request()?;
    request.headers_mut().insert("authorization", format!("Bearer {}", user.access_token).parse()?);
    let authority = request.uri().authority().context("the WebSocket URL has a host")?.to_string();
    let stream = match receive_buffer {
        None => TcpStream::connect(authority).await?,
        Some(bytes) => {
            let address = lookup_host(authority).await?.find(SocketAddr::is_ipv4);
            let socket = TcpSocket::new_v4()?;
            socket.set_recv_buffer_size(bytes)?;
            socket.connect(address.context("the gateway has an IPv4 address")?).await?
        }
    };
    stream.set_nodelay(true)?;
    let (socket, _) = tokio_tungstenite::client_async(request, stream).await?;
    let (sink, stream) = socket.split();
    Ok((Sender(sink), Receiver(stream)))
}

/// Connects somebody and subscribes them to a conversation.
pub(crate) async fn open(url: &str, user: &User, conversation: &Conversation) -> Result<(Sender, Receiver)> {
    let (mut sender, mut receiver) = connect(url, user, None).await?;
    sender
        .send_text(json!({"type": "subscribe", "conversations": {&conversation.id: null}}).to_string())
        .await?;
    let answer = receiver.next_frame().await?;
    if !answer.contains("\"subscribed\"") {
        bail!("subscribing was answered with {answer}");
    }
    Ok((sender, receiver))
}

impl Sender {
    /// Sends the message with this number.
    pub(crate) async fn send(&mut self, conversation: &Conversation, number: usize) -> Result<()> {
        self.send_with(conversation, number, "").await
    }

    /// Sends the message with this number, and with more text.
    pub(crate) async fn send_with(
        &mut self,
        conversation: &Conversation,
        number: usize,
        more: &str,
    ) -> Result<()> {
        let id = &conversation.id;
        let run = std::process::id();
        let frame = format!(
            r#"{{"type":"message.send","conversation_id":"{id}","client_id":"{run}-{number}","content":"message {MARK}{number}{MARK}{more}"}}"#
        );
        self.send_text(frame).await
    }

    pub(crate) async fn send_text(&mut self, text: String) -> Result<()> {
        Ok(self.0.send(Message::text(text)).await?)
    }
}

impl Receiver {
    /// The numbers of the messages in the next frame, which must hold messages or acks only.
    pub(crate) async fn next_numbers(&mut self) -> Result<Vec<usize>> {
        Ok(self.next_marked().await?.1)
    }

    /// The numbers of the next messages that are acked, and how many frames with messages came before.
    pub(crate) async fn next_acks(&mut self) -> Result<(usize, Vec<usize>)> {
        let mut echoes = 0;
        loop {
            match self.next_marked().await? {
                (true, acked) => return Ok((echoes, acked)),
                (false, _) => echoes += 1,
            }
        }
    }

    /// Whether the next frame is an ack, and the numbers in it.
    async fn next_marked(&mut self) -> Result<(bool, Vec<usize>)> {
        let frame = self.next_frame().await?;
        let numbers = numbers(&frame);
        if numbers.is_empty() || frame.contains("\"error\"") {
            bail!("instead of messages came {frame}");
        }
        Ok((frame.contains("\"ack\""), numbers))
    }

    /// The next text frame but those about who comes and goes, which nothing here asks for.
    pub(crate) async fn next_frame(&mut self) -> Result<Utf8Bytes> {
        loop {
            match self.0.next().await.context("the server hung up")?? {
                Message::Text(text) if text.starts_with(PRESENCE) => {}
                Message::Text(text) => return Ok(text),
                Message::Close(close) => bail!("the server closed: {close:?}"),
                _ => {}
            }
        }
    }
}

/// The numbers between markers.
pub(crate) fn numbers(frame: &str) -> Vec<usize> {
    frame.split(MARK).skip(1).step_by(2).filter_map(|number| number.parse().ok()).collect()
}

/// Where the log's entries in a frame of pushes or in an ack stand.
pub(crate) fn seqs(frame: &str) -> impl Iterator<Item = u64> {
    frame.split("\"seq\":").skip(1).filter_map(|rest| {
        let rest = rest.trim_start();
        let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        rest[..end].parse().ok()
    })
}
