//! The Lambda Runtime API, which unmodified function binaries poll (Lambda Developer Guide, "Using the
//! Lambda runtime API for custom runtimes").
//!
//! Each process has a port of its own, so the gateway knows which one speaks, and the address is a host and a port as on
//! Lambda. A request for the next event is held open until there is one and never answered otherwise: the Rust runtime
//! panics on an empty answer. No page of a browser is answered: an event is nobody else's.
//!
//! How a connection ends tells whether a killed process had read its event: the kernel resets a connection
//! that is closed with unread data, or written to after its end, and ends any other in order.

use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use anyhow::Result;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::functions::{PAYLOAD_LIMIT, error_object};
use crate::hosted::{Function, Next};
use crate::responses::empty;
use crate::server;

/// Listens for one process until the token is cancelled, and gives the port.
pub(crate) fn listen(function: &Arc<Function>, slot: u64, stop: CancellationToken) -> Result<u16> {
    let (listener, port) = server::bind(Ipv4Addr::LOCALHOST, 0)?;
    let function = Arc::clone(function);
    tokio::spawn(server::accept(listener, stop, move |stream, _| {
        serve(Arc::clone(&function), slot, port, stream)
    }));
    Ok(port)
}

/// Serves one connection of one process.
async fn serve(function: Arc<Function>, slot: u64, port: u16, stream: TcpStream) {
    let reset = Arc::new(AtomicBool::new(false));
    let watched = Watched { stream, reset: Arc::clone(&reset) };
    let receipt = Mutex::new(None);
    let host = format!("127.0.0.1:{port}");
    server::serve(watched, |request| {
        let (function, receipt, host) = (&function, &receipt, &host);
        async move {
            let answer = if is_own(request.headers(), host) {
                answer(function, slot, receipt, request).await
            } else {
                empty(StatusCode::FORBIDDEN)
            };
            Ok::<_, Infallible>(answer)
        }
    })
    .await;
    if let Some(receipt) = receipt.into_inner().unwrap_or_else(PoisonError::into_inner) {
        // Nobody asks unless the process ended with the event.
        let _ = receipt.send(!reset.load(Ordering::Relaxed));
    }
}

/// The receipt of the last event that went through a connection.
type Receipt = Mutex<Option<oneshot::Sender<bool>>>;

/// A socket that notes whether the connection was reset.
#[derive(Debug)]
struct Watched {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Watched {
    fn note<T>(&self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if matches!(result, Poll::Ready(Err(_))) {
            self.reset.store(true, Ordering::Relaxed);
        }
        result
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // Also when what was written last met the end after the last read.
        if !matches!(self.stream.take_error(), Ok(None)) {
            self.reset.store(true, Ordering::Relaxed);
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        // After its regular end a connection is reset by writing; reading still shows the end only.
        let ended = matches!(result, Poll::Ready(Ok(()))) && buf.filled().len() == before;
        if ended && !matches!(self.stream.take_error(), Ok(None)) {
            self.reset.store(true, Ordering::Relaxed);
        }
        self.note(result)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.note(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.note(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Whether it is the process who asks: a page that guessed the port names another host, or its browser tells.
fn is_own(headers: &HeaderMap, host: &str) -> bool {
    let asked = headers.get(header::HOST).map(HeaderValue::as_bytes);
    let of_a_page = |name: &HeaderName| *name == header::ORIGIN || name.as_str().starts_with("sec-fetch-");
    asked == Some(host.as_bytes()) && !headers.keys().any(of_a_page)
}

async fn answer(
    function: &Arc<Function>,
    slot: u64,
    receipt: &Receipt,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let Some(call) = path.strip_prefix("/2018-06-01/runtime/") else {
        return empty(StatusCode::NOT_FOUND);
    };
    if call == "invocation/next" && request.method() == Method::GET {
        return next(function, slot, receipt).await;
    }
    if request.method() != Method::POST {
        return empty(StatusCode::METHOD_NOT_ALLOWED);
    }
    let body = Limited::new(request.into_body(), PAYLOAD_LIMIT)
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes);
    if call == "init/error" {
        function.init_failed(slot, body.unwrap_or_default());
        return empty(StatusCode::ACCEPTED);
    }
    let Some((request_id, kind)) = call.strip_prefix("invocation/").and_then(|rest| rest.split_once('/'))
    else {
        return empty(StatusCode::NOT_FOUND);
    };
    let (result, accepted) = match (kind, body) {
        ("response", Ok(body)) => (Ok(body), StatusCode::ACCEPTED),
        ("error", Ok(body)) => (Err(body), StatusCode::ACCEPTED),
        ("response" | "error", Err(_)) => {
            let message = format!(
                "Response payload size exceeded maximum allowed payload size ({PAYLOAD_LIMIT} bytes)."
            );
            (Err(error_object("Function.ResponseSizeTooLarge", &message)), StatusCode::PAYLOAD_TOO_LARGE)
        }
        _ => return empty(StatusCode::NOT_FOUND),
    };
    if function.respond(slot, request_id, result) { empty(accepted) } else { empty(StatusCode::BAD_REQUEST) }
}

async fn next(function: &Arc<Function>, slot: u64, receipt: &Receipt) -> Response<Full<Bytes>> {
    let delivery = match function.next(slot) {
        Next::Now(delivery) => delivery,
        Next::Later(delivery) => match delivery.await {
            Ok(delivery) => delivery,
            Err(_) => return empty(StatusCode::FORBIDDEN),
        },
        Next::Unknown => return empty(StatusCode::FORBIDDEN),
    };
    *receipt.lock().unwrap_or_else(PoisonError::into_inner) = Some(delivery.receipt);
    let mut response = Response::new(Full::new(delivery.event));
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: String| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    };
    set("lambda-runtime-aws-request-id", delivery.request_id);
    set("lambda-runtime-deadline-ms", delivery.deadline.to_string());
    set("lambda-runtime-invoked-function-arn", function.arn().to_owned());
    set("lambda-runtime-trace-id", delivery.trace);
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    response
}
