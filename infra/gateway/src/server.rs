//! Listening sockets: accepting connections and serving HTTP/1.1 on them.
//!
//! Every socket has Nagle's algorithm off.

use std::convert::Infallible;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;

/// What the kernel buffers of what a client does not read; small, so that a slow client is noticed.
const SEND_BUFFER: u32 = 128 * 1024;

const BACKLOG: u32 = 4096;

/// Binds a port of an interface; 0 means any free one.
pub(crate) fn bind(address: Ipv4Addr, port: u16) -> Result<(TcpListener, u16)> {
    let listen = || {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.set_send_buffer_size(SEND_BUFFER)?;
        socket.bind((address, port).into())?;
        let listener = socket.listen(BACKLOG)?;
        let port = listener.local_addr()?.port();
        std::io::Result::Ok((listener, port))
    };
    listen().with_context(|| format!("cannot listen on {address}:{port}"))
}

/// Accepts connections until the token is cancelled.
pub(crate) async fn accept<F>(
    listener: TcpListener,
    stop: CancellationToken,
    serve: impl Fn(TcpStream, SocketAddr) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                // A socket that is gone already fails at its first read.
                let _ = stream.set_nodelay(true);
                tokio::spawn(serve(stream, peer));
            }
            // Out of file descriptors: the pending connection stays in the backlog until one is free.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Serves the requests of one connection.
pub(crate) async fn serve<S, F>(stream: S, answer: impl Fn(Request<Incoming>) -> F)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send,
{
    let service = service_fn(answer);
    // Fails when the client breaks the connection, which concerns nobody else.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await;
}
