//! The public port: the HTTP API, and the handshakes of the WebSocket API.
//!
//! Every answer of the HTTP API, the gateway's own included, has an `apigw-requestid` and the CORS headers of
//! the template, never those of the function (API Gateway Developer Guide, "Configure CORS for HTTP APIs").

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};

use crate::events::{self, HttpCall, Moment};
use crate::functions::PAYLOAD_LIMIT;
use crate::gateway::Gateway;
use crate::journal::Record;
use crate::responses::{Refused, because, because_of_authorizer, message};
use crate::routing::{Router, within_stage};
use crate::template::{Cors, HttpApi};
use crate::{authorization, ids, responses, websocket};

/// API Gateway Developer Guide, "Quotas for configuring and running an HTTP API": 10 MB of payload.
const BODY_LIMIT: usize = 10 * 1024 * 1024;

/// What is still read of a body that is too large, so that the client gets to read the refusal.
const DISCARD_LIMIT: usize = 64 * 1024 * 1024;

/// The same page: request line and header values together.
const HEADER_LIMIT: usize = 10_240;

/// As long as a UUID; what is longer in a path is not logged.
const LONGEST_ID: usize = 36;

const CORS_HEADERS: [HeaderName; 6] = [
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_ALLOW_METHODS,
    header::ACCESS_CONTROL_ALLOW_HEADERS,
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
    header::ACCESS_CONTROL_MAX_AGE,
];

/// Answers one request, and tells the journal why one reaches no function; `head` is the head of the connection's first
/// request as it was sent, if it may be a handshake.
pub(crate) async fn serve(
    gateway: &Arc<Gateway>,
    peer: SocketAddr,
    head: Option<&[u8]>,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let mut response = answer(gateway, peer, head, request).await;
    if let Some(Refused(why)) = response.extensions_mut().remove() {
        let asked = format!("{method} {}", without_secrets(uri.path()));
        let request_id = response.headers().get("apigw-requestid").and_then(|id| id.to_str().ok());
        gateway.journal.report(Record {
            function: "-".to_owned(),
            route: asked.clone(),
            api_request_id: request_id.unwrap_or_default().to_owned(),
            request: Some(asked),
            status: Some(response.status().as_u16()),
            error: Some(why),
            ..Record::default()
        });
    }
    response
}

async fn answer(
    gateway: &Arc<Gateway>,
    peer: SocketAddr,
    head: Option<&[u8]>,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    if let Some(api) = &gateway.websocket_api {
        let on_stage = request.uri().path().trim_start_matches('/') == api.stage;
        match (websocket::is_upgrade(request.headers()), on_stage) {
            (true, true) => return websocket::handshake(gateway, api, peer, head, request).await,
            (true, false) => {
                let why = format!("the WebSocket API is at /{}", api.stage);
                return because(message(StatusCode::FORBIDDEN, "Forbidden"), why);
            }
            (false, true) => {
                let response = message(StatusCode::UPGRADE_REQUIRED, "Upgrade Required");
                return because(response, "the WebSocket API is here");
            }
            (false, false) => {}
        }
    }
    let Some((api, router)) = &gateway.http_api else {
        return because(message(StatusCode::NOT_FOUND, "Not Found"), "there is no HTTP API");
    };
    let request_id = ids::gateway_id();
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut response = match &api.cors {
        Some(cors) if is_preflight(&request) => answer_preflight(cors, origin.as_ref()),
        Some(cors) => {
            let mut response = invoke(gateway, api, router, peer, &request_id, request).await;
            apply_cors(cors, origin.as_ref(), response.headers_mut());
            response
        }
        None => invoke(gateway, api, router, peer, &request_id, request).await,
    };
    if let Ok(id) = HeaderValue::try_from(request_id) {
        response.headers_mut().insert("apigw-requestid", id);
    }
    response
}

async fn invoke(
    gateway: &Gateway,
    api: &HttpApi,
    router: &Router,
    peer: SocketAddr,
    request_id: &str,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    if head_size(&request) > HEADER_LIMIT {
        let response =
            message(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "Request Header Fields Too Large");
        return because(response, format!("its head is larger than {HEADER_LIMIT} bytes"));
    }
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path();
    let Some((path_in_stage, matched)) = within_stage(path, &api.stage)
        .and_then(|path| Some((path, router.find(parts.method.as_str(), path)?)))
    else {
        return because(message(StatusCode::NOT_FOUND, "Not Found"), "no route has this method and path");
    };
    if !gateway.throttles.admits_request(matched.key) {
        let response = message(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests");
        return because(response, format!("throttled, as the template says of {}", matched.key));
    }
    let body = match read(body).await {
        Ok(body) => body,
        Err(BodyError::TooLarge) => {
            let response = message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
            return because(response, "its body is larger than 10 MB");
        }
        Err(BodyError::Broken) => return message(StatusCode::BAD_REQUEST, "Bad Request"),
    };
    let moment = Moment::now();
    let source_ip = peer.ip().to_string();
    let trace_root = add_headers(&mut parts.headers, &source_ip, gateway.port, &moment, body.len());
    let mut call = HttpCall {
        route_key: matched.key,
        method: parts.method.as_str(),
        path,
        path_in_stage,
        query: parts.uri.query().unwrap_or_default(),
        path_parameters: matched.parameters,
        headers: &parts.headers,
        body: &body,
        source_ip: &source_ip,
        api_id: &api.id,
        stage: &api.stage,
        stage_variables: &api.stage_variables,
        authorizer: None,
        request_id,
        moment: &moment,
    };
    if let Some(needed) = &matched.route.authorization {
        match authorization::authorize(gateway, &call, needed, &trace_root).await {
            Ok(told) => call.authorizer = Some(told),
            Err(refusal) => return because_of_authorizer(refusal),
        }
    }
    let event = events::http_request(&call);
    if event.len() > PAYLOAD_LIMIT {
        let response = message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
        return because(response, "its event is larger than 6 MB");
    }
    let route = matched.route;
    let mut report = gateway.journal.report(Record {
        function: gateway.name(route.function).to_owned(),
        route: matched.key.to_owned(),
        api_request_id: request_id.to_owned(),
        request: Some(format!("{} {}", parts.method, without_secrets(path))),
        ..Record::default()
    });
    let pending = gateway.functions.submit(route.function, event, &trace_root, route.integration_timeout);
    report.follow(&pending);
    let response = match pending.answer().await {
        None => {
            report.record().error = Some("integration timeout".to_owned());
            message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
        }
        Some(answer) => {
            report.executed(answer.execution);
            let response = match answer.result {
                Ok(response) => {
                    responses::http(&response, &parts.method).ok_or_else(|| "invalid response".to_owned())
                }
                Err(error) => Err(String::from_utf8_lossy(&error).into_owned()),
            };
            response.unwrap_or_else(|error| {
                report.record().error = Some(error);
                message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
            })
        }
    };
    report.record().status = Some(response.status().as_u16());
    let size = usize::try_from(response.body().size_hint().lower()).unwrap_or(usize::MAX);
    gateway.journal.activity().count_http_request(body.len(), size);
    response
}

/// A path as it is logged. A segment longer than any id may be the token of a mailed link, which nobody else may read.
fn without_secrets(path: &str) -> String {
    let shown = path.split('/').map(|segment| if segment.len() > LONGEST_ID { "…" } else { segment });
    shown.collect::<Vec<_>>().join("/")
}

fn head_size(request: &Request<Incoming>) -> usize {
    let line = request.method().as_str().len()
        + request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    let headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    line + headers.sum::<usize>()
}

#[derive(Debug)]
enum BodyError {
    TooLarge,
    Broken,
}

async fn read(mut body: Incoming) -> Result<Bytes, BodyError> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let (mut first, mut rest, mut size) = (Bytes::new(), BytesMut::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
        size += data.len();
        if size > DISCARD_LIMIT {
            return Err(BodyError::TooLarge);
        }
        if size > BODY_LIMIT {
            rest.clear();
        } else if first.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&data);
        }
    }
    if size > BODY_LIMIT {
        return Err(BodyError::TooLarge);
    }
    // Most bodies come in one piece, which is passed on without a copy.
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

/// Adds what API Gateway adds; answers with the trace's root.
fn add_headers(
    headers: &mut HeaderMap,
    source_ip: &str,
    port: u16,
    moment: &Moment,
    length: usize,
) -> String {
    let forwarded_for = match events::text(headers, &HeaderName::from_static("x-forwarded-for")) {
        Some(before) => format!("{before}, {source_ip}"),
        None => source_ip.to_owned(),
    };
    let trace = match headers.get("x-amzn-trace-id").and_then(|trace| trace.to_str().ok()) {
        Some(trace) => trace.to_owned(),
        None => ids::trace_root(moment.epoch / 1000),
    };
    let root = trace.split(';').next().unwrap_or_default().to_owned();
    for (name, value) in [
        ("x-forwarded-for", forwarded_for),
        ("x-forwarded-port", port.to_string()),
        ("x-forwarded-proto", "http".to_owned()),
        ("x-amzn-trace-id", trace),
        ("content-length", length.to_string()),
    ] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    root
}

/// A preflight, which API Gateway answers itself as soon as CORS is configured, route or not.
fn is_preflight(request: &Request<Incoming>) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ORIGIN)
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

fn answer_preflight(cors: &Cors, origin: Option<&HeaderValue>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    apply_cors(cors, origin, headers);
    if headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
        insert_list(headers, header::ACCESS_CONTROL_ALLOW_METHODS, &cors.allow_methods);
        insert_list(headers, header::ACCESS_CONTROL_ALLOW_HEADERS, &cors.allow_headers);
        if let Some(age) = cors.max_age {
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, age.into());
        }
    }
    response
}

/// Replaces what a function said about CORS by what the template says.
fn apply_cors(cors: &Cors, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
    for name in CORS_HEADERS {
        headers.remove(name);
    }
    let Some(allowed) = origin.and_then(|origin| allowed_origin(cors, origin)) else { return };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    insert_list(headers, header::ACCESS_CONTROL_EXPOSE_HEADERS, &cors.expose_headers);
    if cors.allow_credentials {
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
}

fn insert_list(headers: &mut HeaderMap, name: HeaderName, values: &[String]) {
    if let Ok(value) = HeaderValue::try_from(values.join(","))
        && !values.is_empty()
    {
        headers.insert(name, value);
    }
}

/// The value of `access-control-allow-origin` for an origin, if it may read the answer.
fn allowed_origin(cors: &Cors, origin: &HeaderValue) -> Option<HeaderValue> {
    let text = origin.to_str().ok()?;
    if cors.allow_origins.iter().any(|allowed| allowed == "*") {
        return Some(HeaderValue::from_static("*"));
    }
    let matches = |allowed: &String| match allowed.strip_suffix('*') {
        Some(scheme @ ("http://" | "https://")) => text.starts_with(scheme),
        _ => allowed == text,
    };
    cors.allow_origins.iter().any(matches).then(|| origin.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: &[&str]) -> Cors {
        Cors {
            allow_origins: origins.iter().map(|origin| (*origin).to_owned()).collect(),
            allow_methods: vec!["GET".to_owned(), "POST".to_owned()],
            expose_headers: vec!["x-request-id".to_owned()],
            max_age: Some(600),
            ..Cors::default()
        }
    }

    #[test]
    fn a_functions_cors_headers_are_replaced() {
        let origin = HeaderValue::from_static("https://a.example");
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("https://evil.example"));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("x-evil"));

        apply_cors(&cors(&["https://a.example"]), Some(&origin), &mut headers);

        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://a.example");
        assert_eq!(headers[header::ACCESS_CONTROL_EXPOSE_HEADERS], "x-request-id");
        assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_HEADERS));
    }

    #[test]
    fn another_origin_gets_no_cors_headers() {
        let origin = HeaderValue::from_static("https://b.example");

        let response = answer_preflight(&cors(&["https://a.example"]), Some(&origin));

        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        assert!(response.headers().is_empty());
    }

    #[test]
    fn a_preflight_tells_methods_and_age() {
        let origin = HeaderValue::from_static("https://b.example");

        let response = answer_preflight(&cors(&["https://*"]), Some(&origin));

        assert_eq!(response.headers()[header::ACCESS_CONTROL_ALLOW_METHODS], "GET,POST");
        assert_eq!(response.headers()[header::ACCESS_CONTROL_MAX_AGE], "600");
        assert_eq!(response.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://b.example");
    }

    #[test]
    fn a_path_is_logged_with_its_ids_and_without_its_tokens() {
        let id = "/conversations/01890a5d-ac96-774b-bcce-b302099a8057/messages";
        let token = format!("/verify-email/{}/", "x".repeat(43));

        assert_eq!(without_secrets(id), id);
        assert_eq!(without_secrets(&token), "/verify-email/…/");
    }
}
