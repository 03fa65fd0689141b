//! The HTTP edge: who calls, what is in the body, and how an error becomes a response.
//!
//! Handlers are axum routers under `lambda_http`; every response carries `x-request-id`, and every error is a
//! problem document (RFC 9457) with a code of the public contract.

pub mod answers;
mod credentials;
mod route;
mod throttled;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use lambda_http::RequestExt;
use lambda_http::request::RequestContext;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use tower::Layer;
use tower_http::normalize_path::NormalizePathLayer;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};
#[doc(hidden)]
pub use utoipa_axum::paste;

pub use self::credentials::Credentials;
pub use self::route::Route;
pub use self::throttled::Routes;
use crate::accounts::Device;
use crate::ids::{ConversationId, MessageId, SessionId, UserId};
use crate::log::Key;
use crate::messages::Emoji;
use crate::metrics::Metrics;
use crate::telemetry::{Arrival, Fact, Invocation, Served};
use crate::throttle::Window;
use crate::tokens::{Identity, Secret, access};
use crate::{App, Error, FieldError, Result, administration, oauth, parse, telemetry};

const MAX_BODY: usize = 64 * 1024;

/// Serves a function's routes. A path with a final slash means the same as without.
pub async fn serve(app: App, routes: Routes) -> Result<(), lambda_http::Error> {
    let routes = routes.checked(&app);
    run(app, routes).await
}

/// Serves routes that no throttle is asked for: of operators, not of users.
pub async fn serve_unthrottled(app: App, routes: Routes) -> Result<(), lambda_http::Error> {
    run(app, routes.unchecked()).await
}

/// Serves what asks no store. It is told of as everything else, but not counted in the metrics, which ride in calls to Redis.
pub async fn serve_without_stores(routes: Router) -> Result<(), lambda_http::Error> {
    listen(routes, None).await
}

async fn run(app: App, routes: Router<App>) -> Result<(), lambda_http::Error> {
    let metrics = Arc::clone(&app.metrics);
    listen(routes.with_state(app), Some(metrics)).await
}

async fn listen(routes: Router, metrics: Option<Arc<Metrics>>) -> Result<(), lambda_http::Error> {
    let routes = routes.layer(middleware::from_fn_with_state(metrics, observe));
    lambda_http::run(NormalizePathLayer::trim_trailing_slash().layer(routes)).await
}

/// API Gateway's id of the request.
#[derive(Clone)]
struct RequestId(String);

impl RequestId {
    fn of(request: &Request) -> Self {
        match request.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => {
                Self(context.request_id.clone().unwrap_or_default())
            }
            _ => Self(String::new()),
        }
    }
}

/// Names the request to the client, and tells of it: its one line of log, its trace, its metrics.
async fn observe(State(metrics): State<Option<Arc<Metrics>>>, mut request: Request, next: Next) -> Response {
    let RequestId(request_id) = RequestId::of(&request);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    request.extensions_mut().insert(RequestId(request_id.clone()));
    let invocation = begin(&request, &request_id);
    let answer = async {
        let mut response = next.run(request).await;
        let error = response.extensions().get::<Arc<Error>>();
        if let Some(error) = error {
            telemetry::report(error);
        }
        // An answer in GraphQL is 200 whatever became of its fields.
        let failed =
            response.status().is_server_error() || error.is_some_and(|error| error.cause().is_some());
        if let Ok(value) = HeaderValue::from_str(&request_id) {
            response.headers_mut().insert(answers::REQUEST_ID, value);
        }
        let (name, status) = (route.as_deref().unwrap_or("unmatched"), response.status().as_u16());
        let served = Served::Request { method: method.as_str(), route: name, status };
        let latency = telemetry::end(served, failed);
        if let Some(metrics) = metrics {
            metrics.request(&method, route.as_deref(), response.status(), latency);
        }
        response
    };
    invocation.run(answer).await
}

fn begin(request: &Request, request_id: &str) -> Invocation {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let Device { ip, user_agent } = device(request.extensions(), request.headers());
    Invocation::begin(Arrival {
        request_id: request_id.to_owned(),
        traceparent: header("traceparent"),
        amazon_trace: header("x-amzn-trace-id"),
        ip,
        user_agent,
        ..Arrival::default()
    })
}

/// Who calls, by their access token.
#[derive(Clone, Copy, Debug)]
pub struct Caller(pub Identity);

impl Caller {
    /// The caller's id.
    pub fn user(&self) -> UserId {
        self.0.user
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let claims = claims(parts, app).await?.ok_or(TOKEN_REQUIRED)?;
        Ok(Self(claims.identity()))
    }
}

/// Who calls: an admin, by Postgres' word and not only their token's.
#[derive(Clone, Copy, Debug)]
pub struct Admin(pub Identity);

impl FromRequestParts<App> for Admin {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let claims = claims(parts, app).await?.ok_or(TOKEN_REQUIRED)?;
        Self::by(&claims, app).await
    }
}

impl Admin {
    /// The admin of this token, if it is one's.
    async fn by(claims: &access::Claims, app: &App) -> Result<Self> {
        if claims.is_of_client() {
            return Err(Error::Forbidden("An OAuth client may not administer, whoever it acts for."));
        }
        administration::require_admin(app, claims.identity().user).await?;
        Ok(Self(claims.identity()))
    }
}

/// Who calls, if they say so. A bad token is refused, never mistaken for none.
#[derive(Clone, Copy, Debug)]
pub struct OptionalCaller(pub Option<Identity>);

impl FromRequestParts<App> for OptionalCaller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        Ok(Self(claims(parts, app).await?.map(|claims| claims.identity())))
    }
}

const TOKEN_REQUIRED: Error = Error::Unauthenticated("An access token is required.");

/// What the request's access token says, if it has one. It is verified when first asked for.
async fn claims(parts: &mut Parts, app: &App) -> Result<Option<Arc<access::Claims>>> {
    if let Some(claims) = parts.extensions.get::<Arc<access::Claims>>() {
        return Ok(Some(Arc::clone(claims)));
    }
    let Some(value) = parts.headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let token =
        bearer(value).ok_or(Error::Unauthenticated("The Authorization header must be a bearer token."))?;
    let claims = Arc::new(access::verify(app.keys(), token, OffsetDateTime::now_utc()).await?);
    telemetry::note(Fact::User(claims.identity().user));
    parts.extensions.insert(Arc::clone(&claims));
    Ok(Some(claims))
}

/// The token of an `Authorization: Bearer` header.
pub fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether a request shows this token. How long that takes tells nothing of it: digests are compared.
pub fn shows_token(headers: &HeaderMap, token: &str) -> bool {
    let shown = headers.get(header::AUTHORIZATION).and_then(bearer);
    shown.is_some_and(|shown| Sha256::digest(shown) == Sha256::digest(token))
}

/// Where the caller is.
pub struct Client(pub Device);

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        Ok(Self(device(&parts.extensions, &parts.headers)))
    }
}

fn device(extensions: &Extensions, headers: &HeaderMap) -> Device {
    let ip = match extensions.get::<RequestContext>() {
        Some(RequestContext::ApiGatewayV2(context)) => context.http.source_ip.clone(),
        _ => None,
    };
    let user_agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    Device { ip, user_agent: user_agent.map(shortened) }
}

/// What a client says it is, as far as it is kept.
pub(crate) fn shortened(user_agent: &str) -> String {
    user_agent.chars().take(200).collect()
}

/// The idempotency key of a change: the request's id.
pub struct RequestKey(pub Key);

impl<S: Sync> FromRequestParts<S> for RequestKey {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let CurrentRequest(id) = CurrentRequest::from_request_parts(parts, state).await?;
        Ok(Self(Key::of_request(&id)))
    }
}

/// The request's id.
pub struct CurrentRequest(pub String);

impl<S: Sync> FromRequestParts<S> for CurrentRequest {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let id = parts.extensions.get::<RequestId>().filter(|id| !id.0.is_empty());
        id.map(|id| Self(id.0.clone()))
            .ok_or_else(|| Error::Internal(anyhow::anyhow!("a request without an id")))
    }
}

/// A JSON body, typed; as a response, JSON.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        parse::json(&body(request).await?).map(Self)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// A JSON body, or none.
pub struct OptionalJson<T>(pub Option<T>);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for OptionalJson<T> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        let bytes = body(request).await?;
        if bytes.is_empty() { Ok(Self(None)) } else { parse::json(&bytes).map(|value| Self(Some(value))) }
    }
}

async fn body(request: Request) -> Result<axum::body::Bytes> {
    to_bytes(request.into_body(), MAX_BODY).await.map_err(|_| Error::TooLarge)
}

/// A form-encoded body, typed: what the form of a page posts.
pub struct Form<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Form<T> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        let FormPairs(pairs) = FormPairs::from_request(request, &()).await?;
        let object = pairs.into_iter().map(|(name, value)| (name, value.into())).collect();
        parse::typed(serde_json::Value::Object(object)).map(Self)
    }
}

/// A form-encoded body as it is, where it matters that a name is there twice.
pub struct FormPairs(pub Vec<(String, String)>);

impl<S: Sync> FromRequest<S> for FormPairs {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        let bytes = body(request).await?;
        Ok(Self(form_urlencoded::parse(&bytes).into_owned().collect()))
    }
}

/// A query as it is, where it matters that a name is there twice.
pub struct QueryPairs(pub Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for QueryPairs {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect()))
    }
}

/// A query, typed. A field that is wrong is named.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|_| Error::invalid("query", "is not form-encoded"))?;
        let mut object = serde_json::Map::new();
        for (name, value) in pairs.0 {
            // `limit` is the one parameter that is a number; everything else is text, whatever it looks like.
            let value = if name == "limit" {
                value.parse::<i64>().map_err(|_| Error::invalid("limit", "must be a whole number"))?.into()
            } else {
                value.into()
            };
            object.insert(name, value);
        }
        parse::typed(serde_json::Value::Object(object)).map(Self)
    }
}

/// The conversation of the path. One that is no id is no conversation.
pub struct InConversation(pub ConversationId);

impl<S: Send + Sync> FromRequestParts<S> for InConversation {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let id = in_path(parts, state, "id").await.ok_or(Error::NotFound("conversation"))?;
        telemetry::note(Fact::Conversation(id));
        Ok(Self(id))
    }
}

/// The message of the path. One that is no id is no message.
pub struct OfMessage(pub MessageId);

impl<S: Send + Sync> FromRequestParts<S> for OfMessage {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        in_path(parts, state, "message_id").await.ok_or(Error::NotFound("message")).map(Self)
    }
}

/// The emoji of the path.
pub struct OfEmoji(pub Emoji);

impl<S: Send + Sync> FromRequestParts<S> for OfEmoji {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let emoji = in_path(parts, state, "emoji").await;
        emoji.ok_or_else(|| Error::invalid("emoji", "must be one emoji of at most 32 bytes")).map(Self)
    }
}

/// The user of the path. One that is no id is no user.
pub struct OfUser(pub UserId);

impl<S: Send + Sync> FromRequestParts<S> for OfUser {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        in_path(parts, state, "id").await.ok_or(Error::NotFound("user")).map(Self)
    }
}

/// The OAuth client of the path.
pub struct OfClient(pub String);

impl<S: Send + Sync> FromRequestParts<S> for OfClient {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        in_path(parts, state, "client_id").await.ok_or(Error::NotFound("client")).map(Self)
    }
}

/// The session of the path. One that is no id is no session.
pub struct OfSession(pub SessionId);

impl<S: Send + Sync> FromRequestParts<S> for OfSession {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        in_path(parts, state, "id").await.ok_or(Error::NotFound("session")).map(Self)
    }
}

/// The participant of the path. One that is no id is no participant.
pub struct OfParticipant(pub UserId);

impl<S: Send + Sync> FromRequestParts<S> for OfParticipant {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        in_path(parts, state, "user_id").await.ok_or(Error::NotFound("participant")).map(Self)
    }
}

/// The one-time token of the path. One that is no text is no valid token.
pub struct OfLink(pub Secret);

impl<S: Send + Sync> FromRequestParts<S> for OfLink {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let token: Option<String> = in_path(parts, state, "token").await;
        Ok(Self(Secret::from(token.unwrap_or_default())))
    }
}

async fn in_path<T: std::str::FromStr, S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
    name: &str,
) -> Option<T> {
    let found = axum::extract::RawPathParams::from_request_parts(parts, state).await;
    found.ok().and_then(|params| params.iter().find(|(key, _)| *key == name)?.1.parse().ok())
}

/// A problem document (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(examples(json!({
    "type": "about:blank",
    "title": "Unprocessable Entity",
    "status": 422,
    "detail": "The input is invalid.",
    "code": "invalid",
    "errors": [{ "field": "limit", "message": "must be between 1 and 100" }],
})))]
pub struct Problem<'a> {
    /// Always `about:blank`: `code` says what kind of problem it is.
    r#type: &'static str,
    /// The status in words.
    title: &'static str,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong, for people.
    detail: String,
    /// What is wrong, for programs.
    #[schema(schema_with = codes)]
    code: &'static str,
    /// The fields of the input that are wrong.
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    #[schema(min_items = 1)]
    errors: &'a [FieldError],
    /// Seconds until the same request would pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    retry_after: Option<u64>,
}

/// The codes of problems.
const CODES: [&str; 11] = [
    "malformed",
    "invalid",
    "unauthenticated",
    "forbidden",
    "email_not_verified",
    "not_found",
    "conflict",
    "too_large",
    "throttled",
    "internal",
    "unavailable",
];

fn codes() -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(CODES)).build()
}

/// The status and the code of an error.
pub fn status_and_code(error: &Error) -> (StatusCode, &'static str) {
    let status = match error {
        Error::Invalid(_) | Error::InvalidType | Error::InvalidContent | Error::ContentTooLong => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        Error::Unauthenticated(_) | Error::OAuth { code: oauth::Code::InvalidClient, .. } => {
            StatusCode::UNAUTHORIZED
        }
        Error::Forbidden(_) | Error::EmailNotVerified => StatusCode::FORBIDDEN,
        Error::NotFound(_) | Error::NotFoundAmong(_) | Error::NotSubscribed => StatusCode::NOT_FOUND,
        Error::Conflict(_) => StatusCode::CONFLICT,
        Error::Malformed | Error::OAuth { .. } => StatusCode::BAD_REQUEST,
        Error::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Error::Throttled { .. } => StatusCode::TOO_MANY_REQUESTS,
        Error::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    (status, error.code())
}

/// An error as a problem document, and the headers that go with it.
pub fn problem(error: &Error) -> (StatusCode, HeaderMap, String) {
    let (status, code) = status_and_code(error);
    let content_fields;
    let errors = match error {
        Error::InvalidContent | Error::ContentTooLong => {
            content_fields = [FieldError { field: "content".to_owned(), message: error.to_string() }];
            &content_fields[..]
        }
        _ => error.fields(),
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answers::PROBLEM_JSON));
    let mut retry_after = None;
    match error {
        Error::Unauthenticated(_) => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        Error::Unavailable(_) => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        Error::Throttled { policy, windows, retry_after: wait } => {
            let seconds = whole_seconds(*wait);
            retry_after = Some(seconds);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            for (name, value) in
                [("ratelimit", rate_limit(policy, seconds)), ("ratelimit-policy", policies(policy, windows))]
            {
                if let Ok(value) = HeaderValue::from_str(&value) {
                    headers.insert(name, value);
                }
            }
        }
        Error::OAuth { code, description } => {
            // Its own shape, by RFC 6749 §5.2.
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            if *code == oauth::Code::InvalidClient {
                let challenge = HeaderValue::from_static("Basic realm=\"oauth\"");
                headers.insert(header::WWW_AUTHENTICATE, challenge);
            }
            let body = serde_json::json!({ "error": code.as_str(), "error_description": description });
            return (status, headers, body.to_string());
        }
        _ => {}
    }
    let problem = Problem {
        r#type: "about:blank",
        title: status.canonical_reason().unwrap_or_default(),
        status: status.as_u16(),
        detail: error.to_string(),
        code,
        errors,
        retry_after,
    };
    let text = serde_json::to_string(&problem).unwrap_or_default();
    (status, headers, text)
}

/// How long to wait, in whole seconds, never too short.
pub fn whole_seconds(wait: Duration) -> u64 {
    wait.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)
}

/// The header fields of draft-ietf-httpapi-ratelimit-headers: nothing remains until the wait is over.
fn rate_limit(policy: &str, seconds: u64) -> String {
    format!(r#""{policy}";r=0;t={seconds}"#)
}

fn policies(policy: &str, windows: &[Window]) -> String {
    let policies = windows
        .iter()
        .map(|window| format!(r#""{policy}";q={};w={}"#, window.count, window.length.as_secs()));
    policies.collect::<Vec<_>>().join(", ")
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, headers, text) = problem(&self);
        let mut response = (status, headers, Body::from(text)).into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}
