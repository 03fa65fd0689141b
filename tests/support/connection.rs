//! An open WebSocket, and the frames that come over it.

use std::collections::VecDeque;

use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::Url;
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, client::IntoClientRequest as _, http::HeaderValue, protocol::frame::coding::CloseCode,
    },
};

use crate::{Conversation, Message, PATIENCE, canaries, frames};

/// How somebody asks for a WebSocket.
#[derive(Debug, Default)]
#[must_use]
pub struct Handshake {
    query: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
    url: Option<String>,
}

impl Handshake {
    /// A handshake without any credentials.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a ticket in the address.
    pub fn ticket(self, ticket: &str) -> Self {
        self.asking("ticket", ticket)
    }

    /// With an access token in the address.
    pub fn token(self, token: &str) -> Self {
        self.asking("token", token)
    }

    /// With an access token in the `Authorization` header.
    pub fn bearer(self, token: &str) -> Self {
        self.with("authorization", format!("Bearer {token}"))
    }

    /// With an access token as the second of two subprotocols, as browsers can.
    pub fn subprotocol(self, token: &str) -> Self {
        self.with("sec-websocket-protocol", format!("bearer, {token}"))
    }

    /// From a page of this origin.
    pub fn origin(self, origin: &str) -> Self {
        self.with("origin", origin.to_owned())
    }

    /// Subscribing to a conversation at once.
    pub fn conversation(self, conversation: &Conversation) -> Self {
        self.asking("conversation_id", &conversation.id)
    }

    /// Subscribing to a channel at once.
    pub fn channel(self, name: &str) -> Self {
        self.asking("channel", name)
    }

    /// To another address than the stack's own.
    pub fn to(mut self, url: &str) -> Self {
        self.url = Some(url.to_owned());
        self
    }

    fn asking(mut self, key: &'static str, value: &str) -> Self {
        self.query.push((key, value.to_owned()));
        self
    }

    fn with(mut self, key: &'static str, value: String) -> Self {
        self.headers.push((key, value));
        self
    }
}

/// What came over a connection.
#[derive(Debug)]
pub enum Incoming {
    /// A frame.
    Frame(Value),
    /// The end, with its close code; 1006 when there was none.
    Closed(u16),
    /// Nothing until the time was over.
    Nothing,
}

/// An open WebSocket.
#[derive(Debug)]
pub struct Connection {
    socket: WebSocketStream<TcpStream>,
    unread: VecDeque<Value>,
    presences: VecDeque<Value>,
    asked: u64,
    /// The subprotocol the server chose.
    pub subprotocol: Option<String>,
}

impl Connection {
    pub(crate) async fn open(url: &str, handshake: Handshake) -> Result<Self, u16> {
        let mut url = handshake.url.unwrap_or_else(|| url.to_owned());
        for (number, (key, value)) in handshake.query.iter().enumerate() {
            let separator = if number == 0 { '?' } else { '&' };
            url = format!("{url}{separator}{key}={value}");
        }
        if let Ok(url) = Url::parse(&url) {
            canaries::note_pairs(&url);
        }
        let mut request = url.as_str().into_client_request().unwrap_or_else(|err| panic!("{url}: {err}"));
        for (name, value) in handshake.headers {
            canaries::note_authorization(&value);
            let value = HeaderValue::from_str(&value).expect("a story's header is well formed");
            request.headers_mut().insert(name, value);
        }
        let authority = request.uri().authority().unwrap_or_else(|| panic!("{url} has no host")).to_string();
        let stream = TcpStream::connect(&authority).await.unwrap_or_else(|err| panic!("{authority}: {err}"));
        stream.set_nodelay(true).expect("a TCP socket can be told not to wait");
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((socket, response)) => {
                let subprotocol = response.headers().get("sec-websocket-protocol");
                let subprotocol = subprotocol.and_then(|value| value.to_str().ok()).map(str::to_owned);
                Ok(Self {
                    socket,
                    unread: VecDeque::new(),
                    presences: VecDeque::new(),
                    asked: 0,
                    subprotocol,
                })
            }
            Err(tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
            Err(err) => panic!("{authority}: the handshake broke off: {err}"),
        }
    }

    /// Sends a command without waiting for its answer.
    pub async fn send_command(&mut self, command: &Value) {
        self.send_text(command.to_string()).await;
    }

    /// Sends a text frame, whatever it holds.
    pub async fn send_text(&mut self, text: String) {
        if let Ok(command) = serde_json::from_str(&text) {
            canaries::note_json(&command);
        }
        self.socket.send(tungstenite::Message::text(text)).await.expect("the connection is open");
    }

    /// Sends a command over a connection that may have ended.
    pub async fn send_if_open(&mut self, command: &Value) {
        let _ended = self.socket.send(tungstenite::Message::text(command.to_string())).await;
    }

    /// Sends a binary frame.
    pub async fn send_binary(&mut self, bytes: Vec<u8>) {
        self.socket.send(tungstenite::Message::binary(bytes)).await.expect("the connection is open");
    }

    /// Sends a command and waits for its own answer; events that come first stay unread.
    pub async fn request(&mut self, mut command: Value) -> Value {
        self.asked += 1;
        let name = format!("ask-{}", self.asked);
        command["ref"] = json!(name);
        self.send_command(&command).await;
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.unread.iter().position(|frame| frame["ref"] == name) {
                let answer = self.unread.remove(at).expect("it was found there");
                frames::check_answered(&command, &answer);
                return answer;
            }
            assert!(
                self.receive(deadline).await,
                "no answer within {PATIENCE:?} to {command}; unread: {:?}",
                self.unread
            );
        }
    }

    /// Sends a command that must be refused with this code, and gives the error.
    pub async fn request_refused(&mut self, command: Value, code: &str) -> Value {
        let answer = self.request(command.clone()).await;
        assert_eq!(answer["type"], "error", "to {command}: {answer}");
        assert_eq!(answer["code"], code, "to {command}: {answer}");
        assert!(answer["message"].is_string(), "an error has a message: {answer}");
        answer
    }

    /// Sends a message and waits for its ack.
    pub async fn send(&mut self, conversation: &Conversation, content: &str) -> Message {
        let ack = self.send_message(json!({"conversation_id": conversation.id, "content": content})).await;
        assert_eq!(ack["duplicate"], false, "{ack}");
        Message::read(&ack["message"])
    }

    /// Sends a message as it is given and waits for its ack.
    pub async fn send_message(&mut self, mut message: Value) -> Value {
        message["type"] = json!("message.send");
        let answer = self.request(message).await;
        assert_eq!(answer["type"], "ack", "{answer}");
        answer
    }

    /// Subscribes to a conversation, asking for its newest page, and gives what is answered about it.
    pub async fn subscribe(&mut self, conversation: &Conversation) -> Value {
        self.subscribe_from(conversation, None).await
    }

    /// Subscribes to a conversation, asking for what came after an entry.
    pub async fn subscribe_from(&mut self, conversation: &Conversation, last_seq: Option<u64>) -> Value {
        let command = json!({"type": "subscribe", "conversations": {&conversation.id: last_seq}});
        let answer = self.request(command).await;
        assert_eq!(answer["type"], "subscribed", "{answer}");
        assert!(answer["expires_at"].is_string(), "{answer}");
        let of_it = answer["conversations"][&conversation.id].clone();
        for key in ["messages", "through", "complete", "role"] {
            assert!(of_it.get(key).is_some(), "subscribed tells {key}: {answer}");
        }
        of_it
    }

    /// Asks for the heads.
    pub async fn ping(&mut self) -> Value {
        let answer = self.request(json!({"type": "ping"})).await;
        assert_eq!(answer["type"], "pong", "{answer}");
        answer
    }

    /// The next frame that answers no request of ours, in order, those of a batch one by one.
    pub async fn next_event(&mut self) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(event) = self.unread.pop_front() {
                check_envelope(&event);
                return event;
            }
            assert!(self.receive(deadline).await, "no event within {PATIENCE:?}");
        }
    }

    /// The next event, which must be of this type.
    pub async fn next_event_of(&mut self, kind: &str) -> Value {
        let event = self.next_event().await;
        assert_eq!(event["type"], kind, "{event}");
        event
    }

    /// The next event, which must be a message.
    pub async fn next_message(&mut self) -> Message {
        let event = self.next_event_of("message").await;
        let message = Message::read(&event["message"]);
        assert_eq!(event["seq"], message.seq, "{event}");
        assert_eq!(event["conversation_id"], message.conversation_id, "{event}");
        message
    }

    /// The next `count` events, which must be messages.
    pub async fn next_messages(&mut self, count: usize) -> Vec<Message> {
        let mut messages = Vec::with_capacity(count);
        for _ in 0..count {
            messages.push(self.next_message().await);
        }
        messages
    }

    /// The next that came or went. These are kept apart from the other events: they come whenever others connect.
    pub async fn next_presence(&mut self) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(presence) = self.presences.pop_front() {
                return presence;
            }
            match timeout_at(deadline, self.socket.next()).await {
                Ok(Some(Ok(tungstenite::Message::Text(text)))) => self.keep(&text),
                Ok(Some(Ok(_))) => {}
                Ok(end) => panic!("the connection ended: {end:?}"),
                Err(late) => panic!("nobody came or went within {PATIENCE:?}: {late}"),
            }
        }
    }

    /// Who has come or gone so far and was not read of, after the server has answered once more.
    pub async fn unread_presences(&mut self) -> Vec<Value> {
        self.ping().await;
        self.presences.drain(..).collect()
    }

    /// What has come and was not read, after the server has answered once more.
    pub async fn unread_events(&mut self) -> Vec<Value> {
        self.ping().await;
        self.unread.drain(..).collect()
    }

    /// Waits until the server closes, and gives the close code.
    pub async fn closed(&mut self) -> u16 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.next_incoming(deadline).await {
                Incoming::Frame(_) => {}
                Incoming::Closed(code) => return code,
                Incoming::Nothing => panic!("not closed within {PATIENCE:?}"),
            }
        }
    }

    /// Closes from this side.
    pub async fn close(mut self) {
        self.socket.close(None).await.expect("the connection is open");
        while let Some(Ok(_)) = self.socket.next().await {}
    }

    /// Whatever comes next, for stories in which the connection or the server may fail.
    pub async fn next_incoming(&mut self, deadline: Instant) -> Incoming {
        loop {
            if let Some(frame) = self.unread.pop_front() {
                return Incoming::Frame(frame);
            }
            match timeout_at(deadline, self.socket.next()).await {
                Err(_) => return Incoming::Nothing,
                Ok(Some(Ok(tungstenite::Message::Text(text)))) => self.keep(&text),
                Ok(Some(Ok(tungstenite::Message::Close(close)))) => {
                    let code = close.map_or(CloseCode::Status, |close| close.code);
                    return Incoming::Closed(code.into());
                }
                Ok(Some(Ok(tungstenite::Message::Binary(_)))) => panic!("the server sends text only"),
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(_)) | None) => return Incoming::Closed(CloseCode::Abnormal.into()),
            }
        }
    }

    /// Waits for one more frame; false when the time is over.
    async fn receive(&mut self, deadline: Instant) -> bool {
        // What is unread stays first.
        let before = std::mem::take(&mut self.unread);
        let incoming = self.next_incoming(deadline).await;
        let after = std::mem::replace(&mut self.unread, before);
        let more = match incoming {
            Incoming::Frame(frame) => {
                self.unread.push_back(frame);
                true
            }
            Incoming::Closed(code) => {
                panic!("the server closed the connection with {code}; unread: {:?}", self.unread)
            }
            Incoming::Nothing => false,
        };
        self.unread.extend(after);
        more
    }

    fn keep(&mut self, text: &str) {
        let mut frame: Value = serde_json::from_str(text).unwrap_or_else(|err| panic!("{err}: {text}"));
        assert!(frame.is_object(), "frames are objects: {text}");
        canaries::note_json(&frame);
        frames::check_frame(&frame);
        // A push costs by its length; an answer holds up to 96 KiB of entries, of the 128 KiB the platform passes on.
        let most = if frame["ref"].is_null() { 32 } else { 100 };
        assert!(text.len() <= most * 1024, "a frame of {} bytes", text.len());
        if frame["type"] == "batch" {
            let Value::Array(frames) = frame["frames"].take() else { panic!("a batch has frames: {text}") };
            self.unread.extend(frames);
        } else if frame["type"] == "presence" {
            self.presences.push_back(frame);
        } else {
            self.unread.push_back(frame);
        }
    }
}

/// Every event that changes the log says where and when it stands in it.
#[track_caller]
fn check_envelope(event: &Value) {
    const OF_THE_LOG: [&str; 9] = [
        "message",
        "message.updated",
        "message.deleted",
        "reaction",
        "participant.added",
        "participant.updated",
        "participant.removed",
        "conversation.updated",
        "conversation.deleted",
    ];
    if event["type"].as_str().is_some_and(|kind| OF_THE_LOG.contains(&kind)) {
        assert!(event["conversation_id"].is_string(), "{event}");
        assert!(event["seq"].is_u64(), "{event}");
        assert!(event["created_at"].is_string(), "{event}");
    }
}
