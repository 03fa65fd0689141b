//! One open connection's socket: a task that reads, a task that writes, and how they end.
//!
//! Limits are those of "Quotas for configuring and running a WebSocket API" in the API Gateway Developer
//! Guide. Only messages count as activity, pings and pongs do not.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::connection::{Connection, Outgoing};
use super::{MESSAGE_LIMIT, dispatch};
use crate::console::Kind;
use crate::gateway::Gateway;

const FRAME_LIMIT: usize = 32 * 1024;

/// What is written between two flushes.
const BATCH_FRAMES: usize = 64;
const BATCH_BYTES: usize = 64 * 1024;

/// What may be in the buffer before it is written, and at all: pongs for a client that sends pings and does not read
/// go there, too.
const WRITE_BUFFER: usize = 64 * 1024;
const WRITE_BUFFER_LIMIT: usize = WRITE_BUFFER + 2 * MESSAGE_LIMIT;

/// How long queued frames and a close frame may take to be written.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// How long a closed connection is still read, so that the client sees the close frame and no reset.
const LINGER: Duration = Duration::from_secs(2);

type Socket<S> = WebSocketStream<S>;

pub(super) fn into_stream(upgraded: Upgraded) -> Option<(TcpStream, Bytes)> {
    let parts = upgraded.downcast::<TokioIo<TcpStream>>().ok()?;
    Some((parts.io.into_inner(), parts.read_buf))
}

/// Serves an open connection and answers with the code and the reason of its end.
pub(super) async fn serve<S>(
    gateway: &Arc<Gateway>,
    connection: &Arc<Connection>,
    stream: S,
    read: Bytes,
    outgoing: mpsc::UnboundedReceiver<Outgoing>,
) -> (u16, String)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let config = WebSocketConfig::default()
        .read_buffer_size(4 * 1024)
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(WRITE_BUFFER_LIMIT)
        .max_frame_size(Some(FRAME_LIMIT))
        .max_message_size(Some(MESSAGE_LIMIT));
    // As long as it is there it holds the 8 KiB that the handshake was read into.
    let already_read = read.to_vec();
    drop(read);
    let socket = WebSocketStream::from_partially_read(stream, already_read, Role::Server, Some(config)).await;
    let (sink, mut messages) = socket.split();
    let writer = tokio::spawn(write(sink, outgoing, Arc::clone(connection)));
    let abort = writer.abort_handle();
    let ended = receive(gateway, connection, &mut messages).await;
    gateway.connections.remove(&connection.facts.id);
    let end = if let Some(end) = ended {
        end
    } else {
        let (code, reason) = connection.closed_with.get().copied().unwrap_or((CloseCode::Abnormal, ""));
        if let Ok(Ok(Some(sink))) = timeout(CLOSE_LIMIT, writer).await
            && let Ok(socket) = messages.reunite(sink)
        {
            // Meanwhile $disconnect runs.
            gateway.connections.served.spawn(linger(socket));
        }
        (code.into(), reason.to_owned())
    };
    abort.abort();
    end
}

/// Reads messages until the client ends the connection, whose code and reason it answers with, or the
/// gateway does.
async fn receive<S>(
    gateway: &Arc<Gateway>,
    connection: &Arc<Connection>,
    messages: &mut SplitStream<Socket<S>>,
) -> Option<(u16, String)>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let ends_at = connection.connected_at + gateway.connection_lifetime;
    let mut check = ends_at.min(connection.connected_at + gateway.idle_timeout);
    loop {
        let received = tokio::select! {
            // Nothing is taken any more once the connection is closed, though it has come already.
            biased;
            () = connection.closing.notified() => return None,
            () = sleep_until(check) => {
                let idle_since = connection.connected_at + Duration::from_millis(connection.last_active.load(Ordering::Relaxed));
                check = ends_at.min(idle_since + gateway.idle_timeout);
                if check <= Instant::now() {
                    gateway.connections.end(connection, CloseCode::Away, "Going away");
                }
                continue;
            }
            received = messages.next() => received,
        };
        match received {
            Some(Ok(Message::Text(text))) => {
                connection.touch();
                connection.received(&text);
                dispatch(gateway, connection, &text);
            }
            Some(Ok(Message::Binary(_))) => {
                connection.frames.note(Kind::Binary, "");
                gateway.connections.end(
                    connection,
                    CloseCode::Unsupported,
                    "Binary frames are not supported",
                );
            }
            Some(Ok(Message::Close(frame))) => {
                gateway.connections.remove(&connection.facts.id);
                let (code, reason) =
                    frame.as_ref().map_or((1005, ""), |frame| (frame.code.into(), frame.reason.as_str()));
                connection.frames.note(Kind::ClosedByClient(code), reason);
                // Reading on sends the answer to the close frame.
                let _ = timeout(LINGER, async { while let Some(Ok(_)) = messages.next().await {} }).await;
                return Some(match frame {
                    Some(frame) => (frame.code.into(), frame.reason.to_string()),
                    None => (1005, "Client-side close frame status not set".to_owned()),
                });
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Err(Error::Capacity(_))) => {
                gateway.connections.end(connection, CloseCode::Size, "Message too big");
                return None;
            }
            Some(Err(Error::Utf8(_))) => {
                gateway.connections.end(connection, CloseCode::Invalid, "Invalid UTF-8");
                return None;
            }
            Some(Err(Error::Protocol(problem))) if !is_reset(&problem) => {
                gateway.connections.end(connection, CloseCode::Protocol, "Protocol error");
                return None;
            }
            Some(Err(_)) | None => return Some((1006, String::new())),
        }
    }
}

fn is_reset(problem: &ProtocolError) -> bool {
    matches!(problem, ProtocolError::ResetWithoutClosingHandshake)
}

/// Writes what is queued, flushing once per batch; gives the sink back after a close frame.
async fn write<S>(
    mut sink: SplitSink<Socket<S>, Message>,
    mut outgoing: mpsc::UnboundedReceiver<Outgoing>,
    connection: Arc<Connection>,
) -> Option<SplitSink<Socket<S>, Message>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(first) = outgoing.recv().await {
        let (mut next, mut frames, mut bytes) = (Some(first), 0, 0);
        while let Some(Outgoing::Text(text)) = next {
            frames += 1;
            bytes += text.len();
            put(&mut sink, Message::Text(text)).await.ok()?;
            // Only what was written makes room in the queue, so a batch must end while more comes.
            next = if frames < BATCH_FRAMES && bytes < BATCH_BYTES { outgoing.try_recv().ok() } else { None };
        }
        sink.flush().await.ok()?;
        connection.written(frames, bytes);
        // What ended the batch is its size, the end of the queue or a request to close.
        if next.is_some() {
            let (code, reason) = connection.closed_with.get().copied()?;
            put(&mut sink, Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await.ok()?;
            sink.flush().await.ok()?;
            return Some(sink);
        }
    }
    None
}

/// Puts a frame into the buffer, which is written before if pongs have filled it.
async fn put<S>(sink: &mut SplitSink<Socket<S>, Message>, mut frame: Message) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        // The half of a split socket keeps the frame until it is asked to be ready for the next one.
        sink.start_send_unpin(frame)?;
        match poll_fn(|cx| sink.poll_ready_unpin(cx)).await {
            Err(Error::WriteBufferFull(unwritten)) => frame = *unwritten,
            result => return result,
        }
        sink.flush().await?;
    }
}

/// Ends a connection after its close frame was written: what the client still sends is read and dropped,
/// because a socket closed with unread data would be reset before the client sees the frame.
async fn linger<S>(mut socket: Socket<S>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let stream = socket.get_mut();
    let _ = stream.shutdown().await;
    let mut dropped = [0; 4096];
    let _ = timeout(LINGER, async { while matches!(stream.read(&mut dropped).await, Ok(1..)) {} }).await;
}
