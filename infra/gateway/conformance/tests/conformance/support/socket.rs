//! WebSocket connections by tokio-tungstenite, or byte by byte.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue, Request};
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};
use url::Url;

use super::{PATIENCE, Target, text};

/// A connection with or without TLS.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Connects to where a URL points.
pub(crate) async fn stream_to(url: &str) -> Box<dyn Stream> {
    let url = Url::parse(url).unwrap();
    let (host, tls) = (url.host_str().unwrap().to_owned(), matches!(url.scheme(), "wss" | "https"));
    let port = url.port().unwrap_or(if tls { 443 } else { 80 });
    let stream = TcpStream::connect((host.as_str(), port)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    if !tls {
        return Box::new(stream);
    }
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
    let name = ServerName::try_from(host).unwrap();
    Box::new(tokio_rustls::TlsConnector::from(config).connect(name, stream).await.unwrap())
}

/// What every handshake says after its first line, for those who send it byte by byte; the key is that of RFC 6455,
/// section 1.3.
pub(crate) const UPGRADE: [&str; 4] = [
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
];

/// A handshake to be made.
pub(crate) struct Handshake {
    base: String,
    query: form_urlencoded::Serializer<'static, String>,
    headers: Vec<(String, String)>,
}

/// An open connection.
pub(crate) struct Socket(WebSocketStream<Box<dyn Stream>>);

/// The answer to a handshake that failed.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
}

impl Handshake {
    /// With the WebSocket API, whose authorizer lets it pass.
    pub(crate) fn new() -> Self {
        Self::answered("allow")
    }

    /// With the WebSocket API, whose authorizer answers as told.
    pub(crate) fn answered(authorize: &str) -> Self {
        Self::at(&Target::get().websocket_url).query("authorize", authorize)
    }

    /// With any WebSocket API.
    pub(crate) fn at(url: &str) -> Self {
        let query = form_urlencoded::Serializer::new(String::new());
        Self { base: url.to_owned(), query, headers: Vec::new() }
    }

    pub(crate) fn query(mut self, name: &str, value: &str) -> Self {
        self.query.append_pair(name, value);
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Asks `$connect` to do something.
    pub(crate) fn order(self, order: &Value) -> Self {
        self.query("order", &order.to_string())
    }

    /// Has its `$connect` and `$disconnect` told to another connection.
    pub(crate) fn watched_by(self, watcher: &str) -> Self {
        self.header("user-agent", &format!("suite watcher={watcher}"))
    }

    /// Its URL, for another client.
    pub(crate) fn url(mut self) -> String {
        // A plus is a blank in forms, but not everywhere in queries; one that is meant is `%2B` already.
        let query = self.query.finish().replace('+', "%20");
        if query.is_empty() { self.base } else { format!("{}?{query}", self.base) }
    }

    /// Makes it.
    pub(crate) async fn open(self) -> Result<Socket, Refusal> {
        let headers = self.headers.clone();
        let url = self.url();
        let mut request: Request<()> = url.as_str().into_client_request().unwrap();
        for (name, value) in &headers {
            let name = HeaderName::try_from(name.as_str()).unwrap();
            request.headers_mut().insert(name, HeaderValue::try_from(value.as_str()).unwrap());
        }
        let stream = stream_to(&url).await;
        let opened = timeout(PATIENCE, tokio_tungstenite::client_async(request, stream)).await;
        match opened.expect("an answer to the handshake in time") {
            Ok((socket, _)) => Ok(Socket(socket)),
            Err(Error::Http(answer)) => Err(Refusal { status: answer.status().as_u16() }),
            Err(other) => panic!("{other}"),
        }
    }

    /// Makes it, though it must fail.
    pub(crate) async fn refusal(self) -> Refusal {
        match self.open().await {
            Ok(_) => panic!("the handshake succeeded"),
            Err(refusal) => refusal,
        }
    }

    /// Makes it, sending and answering with bytes; the lines come after the request's first one.
    pub(crate) async fn raw(self, lines: &[&str]) -> (String, Box<dyn Stream>) {
        let url = Url::parse(&self.url()).unwrap();
        let mut stream = stream_to(url.as_str()).await;
        let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
        let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{}\r\n\r\n", lines.join("\r\n"));
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        let read = async {
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.expect("an answer to the handshake"));
            }
        };
        timeout(PATIENCE, read).await.expect("an answer to the handshake in time");
        (String::from_utf8(head).unwrap(), stream)
    }
}

impl Socket {
    /// A connection that is let pass.
    pub(crate) async fn open() -> Self {
        Handshake::new().open().await.unwrap()
    }

    /// A connection of the bare WebSocket API.
    pub(crate) async fn open_bare() -> Self {
        Handshake::at(&Target::get().bare_websocket_url).open().await.unwrap()
    }

    /// A connection of the bare WebSocket API that its limits of time are tried on.
    pub(crate) async fn open_limited() -> Self {
        Handshake::at(&Target::get().limited_websocket_url).open().await.unwrap()
    }

    /// A connection that is watched, the event of its `$connect`, and who watches.
    pub(crate) async fn open_watched() -> (Self, Value, Self) {
        let (mut watcher, id) = Self::open_with_id().await;
        let socket = Handshake::new().watched_by(&id).open().await.unwrap();
        let event = watcher.watched("CONNECT").await;
        (socket, event, watcher)
    }

    /// A connection and its id.
    pub(crate) async fn open_with_id() -> (Self, String) {
        let mut socket = Self::open().await;
        let id = socket.id().await;
        (socket, id)
    }

    /// Sends any message.
    pub(crate) async fn send(&mut self, message: Message) {
        self.0.send(message).await.unwrap();
    }

    /// Sends any message, though the connection may be closed meanwhile.
    pub(crate) async fn try_send(&mut self, message: Message) {
        let _ = self.0.send(message).await;
    }

    /// Sends a text.
    pub(crate) async fn say(&mut self, text: impl ToString) {
        self.send(Message::text(text.to_string())).await;
    }

    /// Sends a text in fragments of a size.
    pub(crate) async fn say_in_fragments(&mut self, text: &str, size: usize) {
        let pieces: Vec<_> = text.as_bytes().chunks(size).collect();
        for (index, piece) in pieces.iter().enumerate() {
            let code = if index == 0 { Data::Text } else { Data::Continue };
            self.frame(piece, OpCode::Data(code), index + 1 == pieces.len()).await;
        }
    }

    /// Sends one frame.
    pub(crate) async fn frame(&mut self, payload: &[u8], code: OpCode, last: bool) {
        // What is refused may be refused before all of it is sent.
        let _ = self.0.send(Message::Frame(Frame::message(payload.to_vec(), code, last))).await;
    }

    /// What comes next, whatever it is; none at the end.
    pub(crate) async fn message(&mut self) -> Option<Message> {
        timeout(PATIENCE, self.0.next()).await.expect("something in time").and_then(Result::ok)
    }

    /// The text of the next frame.
    pub(crate) async fn text(&mut self) -> String {
        read(self.message().await)
    }

    /// The JSON of the next frame.
    pub(crate) async fn next(&mut self) -> Value {
        parse(&self.text().await)
    }

    /// The same, however long it takes.
    pub(crate) async fn next_whenever(&mut self) -> Value {
        parse(&read(self.0.next().await.and_then(Result::ok)))
    }

    /// Sends an order on the two-way route and gives the answer.
    pub(crate) async fn ask(&mut self, order: &Value) -> Value {
        self.order("twoWay", order).await;
        self.next().await
    }

    /// Sends an order on a route.
    pub(crate) async fn order(&mut self, route: &str, order: &Value) {
        let mut message = order.clone();
        message["action"] = route.into();
        self.say(message).await;
    }

    /// The event of a message.
    pub(crate) async fn event(&mut self) -> Value {
        self.ask(&json!({ "do": "echo" })).await
    }

    /// The connection's id.
    pub(crate) async fn id(&mut self) -> String {
        text(&self.event().await, "requestContext.connectionId").to_owned()
    }

    /// The next event of a watched connection; its type must be as said.
    pub(crate) async fn watched(&mut self, kind: &str) -> Value {
        let told = self.next().await["watched"].take();
        assert_eq!(text(&told, "requestContext.eventType"), kind, "{told}");
        told
    }

    /// Closes it, with a code and a reason or without.
    pub(crate) async fn close(&mut self, with: Option<(u16, &str)>) {
        use tokio_tungstenite::tungstenite::protocol::CloseFrame;
        let frame =
            with.map(|(code, reason)| CloseFrame { code: code.into(), reason: reason.to_owned().into() });
        self.send(Message::Close(frame)).await;
    }

    /// Reads to the end and gives the code of the close frame, if there is one.
    pub(crate) async fn close_code(&mut self) -> Option<u16> {
        let mut code = None;
        while let Some(message) = self.message().await {
            if let Message::Close(frame) = message {
                code = frame.map(|frame| frame.code.into());
            }
        }
        code
    }

    /// Waits until it is closed, and says whether it was within the time.
    pub(crate) async fn closes_within(&mut self, time: Duration) -> bool {
        let to_the_end = async { while matches!(self.0.next().await, Some(Ok(_))) {} };
        timeout(time, to_the_end).await.is_ok()
    }
}

fn read(message: Option<Message>) -> String {
    match message {
        Some(Message::Text(text)) => text.as_str().to_owned(),
        other => panic!("no text but {other:?}"),
    }
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| panic!("no JSON: {text}"))
}
