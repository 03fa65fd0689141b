//! The WebSocket edge: API Gateway's events to requests without `Option`s, commands to answers, errors to frames.

use std::collections::BTreeMap;

use aws_lambda_events::event::apigw::{
    ApiGatewayWebsocketProxyRequest, ApiGatewayWebsocketProxyRequestContext,
};
use aws_sdk_apigatewaymanagement::primitives::Blob;
use axum::http::{HeaderMap, StatusCode, header};
use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, join, try_join_all};
use lambda_runtime::LambdaEvent;
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;

use crate::connections::{self, Credential, Opening};
use crate::ids::{ConnectionId, ConversationId};
use crate::log::{self, Answered, Event, Job, Message, Progress, Token};
use crate::messages::{self, Editor, NewMessage, PageOf, Sent};
use crate::presence::Frame;
use crate::protocol::{
    Answer, Command, DeleteMessage, EditMessage, ErrorCode, ErrorFrame, Framed, MAX_ANSWER, React, Read,
    Typing,
};
use crate::telemetry::{Arrival, Fact, Invocation, Served};
use crate::{App, Error, Result, conversations, http, telemetry};

/// An event, when what every event has is there.
pub struct Request {
    /// Whose.
    pub connection: ConnectionId,
    /// API Gateway's id of it.
    pub request_id: String,
    /// When the connection's handshake began.
    pub connected_at: OffsetDateTime,
    /// Of the handshake; empty later.
    pub headers: HeaderMap,
    /// Of the handshake; empty later.
    pub query: Vec<(String, String)>,
    /// The frame's text.
    pub body: String,
    /// The client's address.
    pub ip: Option<String>,
    /// What the client said it is at the handshake.
    pub user_agent: Option<String>,
}

impl Request {
    /// From the platform's event.
    pub fn of(event: ApiGatewayWebsocketProxyRequest) -> Result<Self> {
        let ApiGatewayWebsocketProxyRequestContext {
            connection_id, request_id, connected_at, identity, ..
        } = event.request_context;
        let missing = |what| Error::Internal(anyhow::anyhow!("an event without {what}"));
        let query = event.multi_value_query_string_parameters.iter();
        Ok(Self {
            connection: ConnectionId(connection_id.ok_or_else(|| missing("a connection id"))?),
            request_id: request_id.ok_or_else(|| missing("a request id"))?,
            connected_at: connections::from_millis(connected_at).ok_or_else(|| missing("a time"))?,
            headers: event.headers,
            query: query.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            body: event.body.unwrap_or_default(),
            ip: identity.source_ip,
            user_agent: identity.user_agent.as_deref().map(http::shortened),
        })
    }

    /// As an operation is told of it.
    pub fn frame(&self) -> Frame<'_> {
        Frame { connection: &self.connection, request_id: &self.request_id }
    }
}

/// What a function answers API Gateway.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    status_code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}

impl Response {
    /// Done, and nothing to say.
    pub fn empty() -> Self {
        Self { status_code: 200, headers: None, body: None }
    }

    /// A frame to the connection that asked.
    fn frame(text: String) -> Self {
        Self { body: Some(text), ..Self::empty() }
    }
}

/// What a WebSocket function runs: boxed, so that the runtime is compiled into this crate once.
type Serving = LocalBoxFuture<'static, Result<(), lambda_runtime::Error>>;

/// Serves `$connect`; `origins` are the browser origins that may ask.
pub fn serve_connect(app: App, origins: Vec<String>) -> Serving {
    serve(async move |request| connect(&app, &origins, request).await)
}

/// Serves `$default`.
pub fn serve_message(app: App) -> Serving {
    serve(async move |request| message(&app, request).await)
}

/// Serves `$disconnect`.
pub fn serve_disconnect(app: App) -> Serving {
    serve(async move |request| disconnect(&app, &request).await)
}

fn serve(answer: impl AsyncFn(Request) -> Response + 'static) -> Serving {
    async move {
        let answer = &answer;
        let handler = async |event: LambdaEvent<ApiGatewayWebsocketProxyRequest>| {
            Ok::<_, lambda_runtime::Error>(handle(event, answer).await?)
        };
        lambda_runtime::run(lambda_runtime::service_fn(handler)).await
    }
    .boxed_local()
}

/// Runs an event as an invocation.
pub async fn handle<T>(
    event: LambdaEvent<ApiGatewayWebsocketProxyRequest>,
    answer: impl AsyncFn(Request) -> T,
) -> Result<T> {
    let request = Request::of(event.payload)?;
    let traceparent = request.headers.get("traceparent").and_then(|value| value.to_str().ok());
    let invocation = Invocation::begin(Arrival {
        request_id: request.request_id.clone(),
        traceparent,
        amazon_trace: event.context.xray_trace_id.as_deref(),
        ip: request.ip.clone(),
        user_agent: request.user_agent.clone(),
        ..Arrival::default()
    });
    let run = async {
        telemetry::note(Fact::Connection(&request.connection));
        answer(request).await
    };
    Ok(invocation.run(run).await)
}

/// Answers a handshake. An answer other than 2xx refuses it, with that status.
async fn connect(app: &App, origins: &[String], request: Request) -> Response {
    let request_id = request.request_id.clone();
    let opened = async {
        check_origin(origins, &request.headers)?;
        let (credential, protocol) = credential(&request)?;
        let conversations = named_conversations(&request.query)?;
        let channels = named_channels(&request.query);
        let opening = Opening {
            connection: request.connection,
            connected_at: request.connected_at,
            credential,
            conversations,
            channels,
        };
        connections::open(app, opening).await?;
        Ok::<_, Error>(protocol)
    };
    let opened = opened.await;
    let status = opened.as_ref().err().map_or(StatusCode::OK, |error| http::status_and_code(error).0);
    let failed = status.is_server_error();
    if let Err(error) = &opened {
        telemetry::report(error);
    }
    telemetry::end(Served::Handshake { status: status.as_u16() }, failed);
    match opened {
        Ok(protocol) => {
            app.metrics.opened();
            let headers = protocol.map(|protocol| serde_json::json!({ "Sec-WebSocket-Protocol": protocol }));
            Response { headers, ..Response::empty() }
        }
        Err(error) => {
            app.metrics.turned_away(error.code());
            let (status, problem_headers, text) = http::problem(&error);
            let headers = problem_headers
                .iter()
                .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
            let headers: BTreeMap<_, _> = headers.chain([("x-request-id", request_id.as_str())]).collect();
            Response {
                status_code: status.as_u16(),
                headers: Some(serde_json::json!(headers)),
                body: Some(text),
            }
        }
    }
}

/// Answers a frame.
pub async fn message(app: &App, request: Request) -> Response {
    let frame = serde_json::from_str::<Value>(&request.body).map_err(|_| Error::Malformed);
    let reference =
        frame.as_ref().ok().and_then(|frame| frame.get("ref")).filter(|value| value.is_string()).cloned();
    let name = frame.as_ref().ok().and_then(|frame| frame.get("type")).and_then(Value::as_str);
    let name = name.unwrap_or_default().to_owned();

    let answer = async { answer(app, &request, &name, frame?, reference.as_ref()).await }.await;

    let code = answer.as_ref().err().map(|error| error_code(error, http::status_and_code(error).0));
    // What is no command is not repeated: it may be anything.
    let known = Command::is_known(&name).then_some(name.as_str());
    let command = known.unwrap_or("unknown");
    let failed = matches!(code, Some(ErrorCode::InternalError | ErrorCode::Unavailable));
    let code = code.map_or("OK", ErrorCode::as_str);
    if let Err(error) = &answer {
        telemetry::report(error);
    }
    let latency = telemetry::end(Served::Frame { command, code }, failed);
    app.metrics.command(known, code, latency);
    match answer {
        Ok(Some(answer)) => {
            Response::frame(to_text(&Framed { answer: &answer, reference: reference.as_ref() }))
        }
        Ok(None) => Response::empty(),
        Err(error) => {
            let text = to_text(&error_frame(&error, reference.as_ref()));
            if matches!(error, Error::Unauthenticated(_)) {
                // The error must be read before the connection ends, so it cannot be the route's response.
                app.push().post(&request.connection, Blob::new(text)).await;
                app.push().close(&request.connection).await;
                return Response::empty();
            }
            Response::frame(text)
        }
    }
}

/// Commits what waits in a conversation's inbox and answers each sender, until nothing waits or it is for the next run
/// to go on. While senders are answered, what came meanwhile is committed already.
pub async fn answer_burst(app: &App, conversation: ConversationId, token: Token) -> Result<()> {
    let (began, mut progress) = (std::time::Instant::now(), Progress::default());
    let mut answered = log::combine(app, conversation, &token, &mut progress).await?;
    while !answered.is_empty() {
        if began.elapsed() > log::RUN {
            tell_committed(app, conversation, &answered).await?;
            if log::has_more(app, conversation, &token, &mut progress).await? {
                log::start(app, &Job::Combine { conversation_id: conversation, token }).await;
            }
            return Ok(());
        }
        let (told, next) = join(
            tell_committed(app, conversation, &answered),
            log::combine(app, conversation, &token, &mut progress),
        )
        .await;
        told?;
        answered = next?;
        if answered.is_empty() {
            // What came while the last ones were told; when that is nothing, the lease ends.
            answered = log::combine(app, conversation, &token, &mut progress).await?;
        }
    }
    Ok(())
}

/// Publishes what was committed together, and answers each sender.
async fn tell_committed(app: &App, conversation: ConversationId, answered: &[Answered]) -> Result<()> {
    let acks = answered.iter().map(async |(intent, outcome)| {
        let reference = intent.reference.as_ref();
        let text = match outcome {
            Ok((entry, duplicate)) => {
                to_text(&Framed { answer: &ack(messages::sent(entry, *duplicate)?), reference })
            }
            Err(error) => to_text(&error_frame(error, reference)),
        };
        app.push().post(&intent.connection, Blob::new(text)).await;
        Ok::<_, Error>(())
    });
    log::publish_burst(app, conversation, answered, try_join_all(acks)).await.map(drop)
}

/// Forgets a connection.
async fn disconnect(app: &App, request: &Request) -> Response {
    let closed = connections::close(app, &request.connection).await;
    let failed = closed.is_err();
    match closed {
        Ok(Some(user)) => telemetry::note(Fact::User(user)),
        Ok(None) => {}
        // What stays expires, and the first push that finds the connection gone forgets it.
        Err(error) => telemetry::report(&error),
    }
    telemetry::end(Served::Disconnect, failed);
    Response::empty()
}

/// Runs a command. `None`: there is nothing to answer.
async fn answer(
    app: &App,
    request: &Request,
    name: &str,
    frame: Value,
    reference: Option<&Value>,
) -> Result<Option<Answer>> {
    if !frame.is_object() {
        return Err(Error::invalid(".", "must be a JSON object"));
    }
    if frame.get("ref").is_some_and(|value| !value.is_string() && !value.is_null()) {
        return Err(Error::invalid("ref", "must be text"));
    }
    let (command, frame) = (Command::parse(name, frame)?, request.frame());
    if let Some(conversation) = command.conversation() {
        telemetry::note(Fact::Conversation(conversation));
    }
    let answer = match command {
        Command::Subscribe(command) => connections::subscribe(app, frame, command).await,
        Command::Unsubscribe(command) => {
            connections::unsubscribe(app, frame, &command.conversations).await?;
            Ok(Answer::Unsubscribed { conversations: command.conversations })
        }
        Command::History(command) => {
            let user = connections::identify(app, frame).await?;
            let of = PageOf { before: command.before, from: command.after, limit: command.limit };
            let page = messages::page(app, user, command.conversation_id, of, None).await?;
            let (messages, whole) = fitting(page.items, command.after.is_none());
            let complete = whole && page.next.is_none();
            Ok(Answer::History { conversation_id: command.conversation_id, messages, complete })
        }
        Command::Send(command) => {
            let conversation = match command.conversation_id {
                Some(conversation) => conversation,
                None => connections::only_subscription(app, frame).await?,
            };
            let new = NewMessage {
                content: command.content,
                metadata: command.metadata,
                client_id: command.client_id,
                reply_to: command.reply_to,
            };
            let sent = messages::send_over(app, frame, conversation, new, reference).await?;
            return Ok(sent.map(ack));
        }
        Command::Edit(EditMessage { conversation_id, message_id, content, client_id }) => {
            let by = editor(app, request).await?;
            let edit = messages::Edit { content, client_id };
            messages::edit(app, &by, conversation_id, message_id, edit).await.map(ack)
        }
        Command::Delete(DeleteMessage { conversation_id, message_id, client_id }) => {
            let by = editor(app, request).await?;
            messages::retract(app, &by, conversation_id, message_id, client_id).await.map(ack)
        }
        Command::React(React { conversation_id, message_id, emoji, on, client_id }) => {
            let by = editor(app, request).await?;
            messages::react(app, &by, conversation_id, message_id, emoji, on, client_id).await.map(ack)
        }
        Command::Typing(Typing { conversation_id, active }) => {
            let user = connections::identify(app, frame).await?;
            log::tell(app, conversation_id, user, Some(frame.connection), Event::Typing { active }).await?;
            return Ok(None);
        }
        Command::Read(Read { conversation_id, message_id }) => {
            let user = connections::identify(app, frame).await?;
            if conversations::mark_read(app, user, conversation_id, message_id).await? {
                log::tell(app, conversation_id, user, Some(frame.connection), Event::Read(message_id))
                    .await?;
            }
            Ok(Answer::Read { message_id })
        }
        Command::Ping => connections::ping(app, frame).await,
    };
    answer.map(Some)
}

/// Who changes a message by this request.
async fn editor<'a>(app: &App, request: &'a Request) -> Result<Editor<'a>> {
    let user = connections::identify(app, request.frame()).await?;
    Ok(Editor { user, request_id: &request.request_id })
}

fn ack(sent: Sent) -> Answer {
    Answer::Ack { message: Box::new(sent.message), duplicate: sent.duplicate }
}

/// As much of a page as one answer holds: its newest messages, or its oldest when the client pages forward.
fn fitting(mut messages: Vec<Message>, newest: bool) -> (Vec<Message>, bool) {
    let mut room = MAX_ANSWER;
    let mut fits = |message: &Message| {
        let size = to_text(message).len() + 1;
        room = room.saturating_sub(size);
        room > 0
    };
    let kept = if newest {
        messages.iter().rev().take_while(|message| fits(message)).count()
    } else {
        messages.iter().take_while(|message| fits(message)).count()
    };
    let whole = kept == messages.len();
    if newest {
        messages.drain(..messages.len() - kept);
    } else {
        messages.truncate(kept);
    }
    (messages, whole)
}

/// A browser says where its page is from; anything else does not, and is no browser.
fn check_origin(origins: &[String], headers: &HeaderMap) -> Result<()> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let allowed = origin.to_str().is_ok_and(|origin| origins.iter().any(|allowed| allowed == origin));
    if allowed { Ok(()) } else { Err(Error::Forbidden("The origin is not allowed.")) }
}

/// The credential of a handshake, and the subprotocol to answer if it came in one.
fn credential(request: &Request) -> Result<(Credential, Option<&'static str>)> {
    let in_query =
        |name: &str| request.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    if let Some(ticket) = in_query("ticket") {
        return Ok((Credential::Ticket(ticket), None));
    }
    if let Some(value) = request.headers.get(header::AUTHORIZATION) {
        let token = http::bearer(value)
            .ok_or(Error::Unauthenticated("The Authorization header must be a bearer token."))?;
        return Ok((Credential::AccessToken(token.to_owned()), None));
    }
    let protocols = request.headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let protocols: Vec<_> = protocols
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    if let ["bearer", token] = protocols[..] {
        return Ok((Credential::AccessToken(token.to_owned()), Some("bearer")));
    }
    if let Some(token) = in_query("token") {
        return Ok((Credential::AccessToken(token), None));
    }
    Err(Error::Unauthenticated("A ticket or an access token is required."))
}

fn named_conversations(query: &[(String, String)]) -> Result<Vec<ConversationId>> {
    let named = query.iter().filter(|(name, _)| name == "conversation_id");
    // One that is no id is no conversation.
    let mut named: Vec<ConversationId> = named
        .map(|(_, value)| value.parse().map_err(|_| Error::NotFound("conversation")))
        .collect::<Result<_>>()?;
    named.sort();
    named.dedup();
    Ok(named)
}

fn named_channels(query: &[(String, String)]) -> Vec<String> {
    query.iter().filter(|(name, _)| name == "channel").map(|(_, value)| value.clone()).collect()
}

fn error_frame<'a>(error: &'a Error, reference: Option<&'a Value>) -> ErrorFrame<'a> {
    let retry_after = match error {
        Error::Throttled { retry_after, .. } => Some(http::whole_seconds(*retry_after)),
        _ => None,
    };
    ErrorFrame::Error {
        code: error_code(error, http::status_and_code(error).0),
        message: error.to_string(),
        reference,
        retry_after,
        errors: error.fields(),
    }
}

/// The code of an error in a frame: one status may have several.
fn error_code(error: &Error, status: StatusCode) -> ErrorCode {
    match (error, status) {
        (Error::Malformed, _) => ErrorCode::InvalidJson,
        (Error::Invalid(_), _) => ErrorCode::Invalid,
        (Error::InvalidType, _) => ErrorCode::InvalidType,
        (Error::InvalidContent, _) => ErrorCode::InvalidContent,
        (Error::ContentTooLong, _) => ErrorCode::ContentTooLong,
        (Error::NotSubscribed, _) => ErrorCode::NotSubscribed,
        (_, StatusCode::UNAUTHORIZED) => ErrorCode::Unauthenticated,
        (_, StatusCode::FORBIDDEN) => ErrorCode::Forbidden,
        (_, StatusCode::NOT_FOUND) => ErrorCode::NotFound,
        (_, StatusCode::CONFLICT) => ErrorCode::Conflict,
        (_, StatusCode::TOO_MANY_REQUESTS) => ErrorCode::Throttled,
        (_, StatusCode::SERVICE_UNAVAILABLE) => ErrorCode::Unavailable,
        _ => ErrorCode::InternalError,
    }
}

fn to_text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
