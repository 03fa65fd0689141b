//! The console port: the `@connections` management API, Lambda's Invoke route, SES with its inbox, and a view of
//! the processes.
//!
//! It answers only requests addressed to the loopback interface and made by no other origin's page. Requests
//! to `@connections` must be signed for `execute-api`, but the signature itself is not verified (API Gateway
//! Developer Guide, "Use @connections commands in your backend service").

use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::events::Identity;
use crate::functions::Load;
use crate::gateway::Gateway;
use crate::hosted::ProcessState;
use crate::responses::{failure, message};
use crate::websocket::{Connection, MESSAGE_LIMIT, PostError, hold_back};
use crate::{ids, invoke, mail};

/// Answers one request on the console port.
pub(crate) async fn serve(gateway: &Arc<Gateway>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    if !is_local(request.headers(), gateway.console_port) {
        return message(StatusCode::FORBIDDEN, "Forbidden");
    }
    let path = request.uri().path().to_owned();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match (request.method(), segments.as_slice()) {
        (&Method::GET, [""]) => console(gateway),
        (&Method::GET, ["functions"]) => functions(gateway),
        (&Method::POST, ["2015-03-31", "functions", name, "invocations"]) => {
            invoke::serve(gateway, name, request).await
        }
        (&Method::POST, ["v2", "email", "outbound-emails"]) => mail::send(gateway, request).await,
        (&Method::GET, ["inbox"]) => mail::page(&gateway.inbox),
        (&Method::GET, ["inbox.json"]) => {
            json(&mail::list(&gateway.inbox, request.uri().query().unwrap_or_default()))
        }
        (_, [stage, "@connections" | "%40connections", id]) => connections(gateway, stage, id, request).await,
        _ => message(StatusCode::NOT_FOUND, "Not Found"),
    }
}

/// Refuses names that a page could have pointed at this machine, and pages of other origins.
fn is_local(headers: &HeaderMap, port: u16) -> bool {
    let is_own = |authority: &str| {
        ["localhost", "127.0.0.1", "[::1]"].iter().any(|host| authority == format!("{host}:{port}"))
    };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let origin = headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or_default());
    host.is_some_and(is_own) && origin.is_none_or(|origin| origin.strip_prefix("http://").is_some_and(is_own))
}

async fn connections(
    gateway: &Gateway,
    stage: &str,
    id: &str,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let known_stage = gateway.websocket_api.as_ref().is_some_and(|api| api.stage == stage);
    if !known_stage || !is_signed(request.headers(), "execute-api") {
        return failure(StatusCode::FORBIDDEN, "ForbiddenException", "Forbidden");
    }
    let id = percent_decode_str(id).decode_utf8_lossy();
    if !ids::is_gateway_id(&id) {
        return failure(
            StatusCode::BAD_REQUEST,
            "BadRequestException",
            &format!("Invalid connectionId: {id}"),
        );
    }
    let method = request.method().clone();
    if method == Method::POST {
        return post(gateway, &id, request.into_body()).await;
    }
    let Some(connection) = gateway.connections.find(&id) else { return gone() };
    match method {
        Method::GET => json(&Described::of(&connection)),
        Method::DELETE => {
            gateway.connections.close(&connection);
            status(StatusCode::NO_CONTENT)
        }
        _ => failure(StatusCode::FORBIDDEN, "ForbiddenException", "Forbidden"),
    }
}

async fn post(gateway: &Gateway, id: &str, body: Incoming) -> Response<Full<Bytes>> {
    let Ok(payload) = Limited::new(body, MESSAGE_LIMIT).collect().await else {
        return failure(
            StatusCode::PAYLOAD_TOO_LARGE,
            "PayloadTooLargeException",
            "Request Entity Too Large",
        );
    };
    // Frames are text, and text is UTF-8.
    let Ok(text) = Utf8Bytes::try_from(payload.to_bytes()) else {
        return failure(StatusCode::BAD_REQUEST, "BadRequestException", "The payload is not valid UTF-8");
    };
    // Whoever posts waits meanwhile, so only frames that are posted at the same time overtake each other.
    hold_back(gateway.strict.delay()).await;
    let Some(connection) = gateway.connections.find(id) else { return gone() };
    match connection.post(text) {
        Ok(()) => status(StatusCode::OK),
        Err(PostError::Gone) => gone(),
        Err(PostError::Full) => failure(
            StatusCode::TOO_MANY_REQUESTS,
            "LimitExceededException",
            "The client does not read fast enough",
        ),
    }
}

/// Whether a request claims to be signed for a service.
pub(crate) fn is_signed(headers: &HeaderMap, service: &str) -> bool {
    let authorization =
        headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    authorization.starts_with("AWS4-HMAC-SHA256 ")
        && authorization.contains(&format!("/{service}/aws4_request"))
}

/// The answer to `GetConnection`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Described<'a> {
    connected_at: String,
    identity: Identity<'a>,
    last_active_at: String,
}

impl<'a> Described<'a> {
    fn of(connection: &'a Connection) -> Self {
        let facts = connection.facts();
        Self {
            connected_at: timestamp(facts.connected_at),
            identity: facts.identity(),
            last_active_at: timestamp(connection.last_active_at()),
        }
    }
}

fn timestamp(epoch: i64) -> String {
    let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(epoch) * 1_000_000);
    moment.ok().and_then(|moment| moment.format(&Rfc3339).ok()).unwrap_or_default()
}

#[derive(Serialize)]
struct FunctionState<'a> {
    name: &'a str,
    binary: &'a str,
    #[serde(flatten)]
    load: Load,
    processes: Vec<ProcessState>,
}

fn states(gateway: &Gateway) -> Vec<FunctionState<'_>> {
    gateway
        .names
        .iter()
        .enumerate()
        .map(|(function, (name, binary))| FunctionState {
            name,
            binary,
            load: gateway.functions.load(function),
            processes: gateway.functions.processes(function),
        })
        .collect()
}

fn functions(gateway: &Gateway) -> Response<Full<Bytes>> {
    json(&serde_json::json!({ "functions": states(gateway) }))
}

fn console(gateway: &Gateway) -> Response<Full<Bytes>> {
    json(&serde_json::json!({
        "url": format!("http://127.0.0.1:{}", gateway.port),
        "connections": gateway.connections.count(),
        "asynchronousEvents": gateway.queue.len(),
        "functions": states(gateway),
    }))
}

fn json(body: &impl Serialize) -> Response<Full<Bytes>> {
    let body = serde_json::to_vec(body).expect("the answers hold only text, numbers and lists");
    let mut response = Response::new(Full::new(body.into()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

/// A connection that is not open: the body is empty, so only the header tells the type.
fn gone() -> Response<Full<Bytes>> {
    let mut response = status(StatusCode::GONE);
    response.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static("GoneException"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &'static str, origin: Option<&'static str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static(host));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        }
        headers
    }

    #[test]
    fn a_foreign_host_or_origin_is_not_local() {
        assert!(is_local(&headers("127.0.0.1:8081", None), 8081));
        assert!(is_local(&headers("localhost:8081", Some("http://localhost:8081")), 8081));
        assert!(is_local(&headers("[::1]:8081", None), 8081));
        assert!(!is_local(&headers("evil.example:8081", None), 8081));
        assert!(!is_local(&headers("localhost:8080", None), 8081));
        assert!(!is_local(&headers("localhost:8081", Some("http://evil.example")), 8081));
        assert!(!is_local(&headers("localhost:8081", Some("null")), 8081));
        assert!(!is_local(&HeaderMap::new(), 8081));
    }

    #[test]
    fn a_request_signed_for_another_service_is_not_signed() {
        let mut headers = HeaderMap::new();
        assert!(!is_signed(&headers, "execute-api"));
        headers.insert(
            header::AUTHORIZATION,
            HeaderValue::from_static(
                "AWS4-HMAC-SHA256 Credential=A/20261121/us-east-1/execute-api/aws4_request, Signature=x",
            ),
        );
        assert!(is_signed(&headers, "execute-api"));
        headers.insert(
            header::AUTHORIZATION,
            HeaderValue::from_static(
                "AWS4-HMAC-SHA256 Credential=A/20261121/us-east-1/lambda/aws4_request, Signature=x",
            ),
        );
        assert!(!is_signed(&headers, "execute-api"));
    }
}
