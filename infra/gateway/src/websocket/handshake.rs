//! Handshakes, held until `$connect` has answered (API Gateway Developer Guide, "Manage connected users and
//! client apps: $connect and $disconnect routes").
//!
//! A status of 200 to 299 opens the connection, any other is the answer to the handshake, and what is no
//! response at all is 502.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{invoke, open};
use crate::authorization::authorize_handshake;
use crate::events::{self, ConnectionFacts, Moment, NamedValues};
use crate::gateway::Gateway;
use crate::ids;
use crate::responses::{WebSocketResponse, because, because_of_authorizer, message};
use crate::template::{WebSocketApi, WebSocketRoute};

/// The longest URL of a handshake.
const URL_LIMIT: usize = 4096;

/// Whether a request asks for a WebSocket.
pub(crate) fn is_upgrade(headers: &HeaderMap) -> bool {
    headers.get(header::UPGRADE).is_some_and(|upgrade| upgrade.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Holds a handshake until `$connect` has answered.
pub(crate) async fn handshake(
    gateway: &Arc<Gateway>,
    api: &WebSocketApi,
    peer: SocketAddr,
    head: Option<&[u8]>,
    mut request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let headers = request.headers();
    let key = headers.get(header::SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes()));
    let version = headers.get(header::SEC_WEBSOCKET_VERSION).map(HeaderValue::as_bytes);
    let (Some(key), Some(b"13")) = (key, version) else {
        let response = message(StatusCode::BAD_REQUEST, "Bad Request");
        return because(response, "Sec-WebSocket-Key or Sec-WebSocket-Version: 13 is missing");
    };
    if request.uri().path_and_query().is_some_and(|url| url.as_str().len() > URL_LIMIT) {
        let response = message(StatusCode::URI_TOO_LONG, "URI Too Long");
        return because(response, format!("its URL is longer than {URL_LIMIT} bytes"));
    }
    if !gateway.throttles.admits_event("$connect") {
        let response = message(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests");
        return because(response, "throttled, as the template says of $connect");
    }
    let moment = Moment::now();
    let mut facts = ConnectionFacts {
        id: ids::gateway_id(),
        connected_at: moment.epoch,
        source_ip: peer.ip().to_string(),
        user_agent: events::text(headers, &header::USER_AGENT).map(Cow::into_owned),
        domain_name: events::host_name(headers).to_owned(),
        api_id: api.id.clone(),
        stage: api.stage.clone(),
        stage_variables: api.stage_variables.clone(),
        authorizer: None,
    };
    let (named, trace_root) = event_headers(headers, head, gateway.port, &facts, &moment);
    let query = NamedValues::of_query(request.uri().query().unwrap_or_default());
    let upgrade = hyper::upgrade::on(&mut request);
    let route = api.routes.get("$connect").copied();
    let (verdict, answer) = oneshot::channel();
    // A task of its own: the connection is closed in order even if the client leaves while $connect runs.
    let gateway = Arc::clone(gateway);
    let connections = Arc::clone(&gateway);
    connections.connections.served.spawn(async move {
        let response = async {
            let request_id = ids::gateway_id();
            if let Some(authorizer) = gateway.websocket_api.as_ref().and_then(|api| api.authorizer.as_ref()) {
                let told = authorize_handshake(
                    &gateway,
                    authorizer,
                    &facts,
                    &request_id,
                    &named,
                    &query,
                    &trace_root,
                );
                facts.authorizer = Some(told.await.map_err(because_of_authorizer)?);
            }
            let Some(route) = route else { return Ok(None) };
            let named = named.without(is_hop_by_hop);
            connect(&gateway, route, &facts, &request_id, &named, &query, &trace_root).await
        };
        let response = response.await;
        match response {
            Err(refusal) => _ = verdict.send(refusal),
            Ok(subprotocol) => open(gateway, facts, upgrade, accept(&key, subprotocol), verdict).await,
        }
    });
    answer.await.unwrap_or_else(|_| message(StatusCode::BAD_GATEWAY, "Bad Gateway"))
}

/// Headers as the client wrote them, with those that API Gateway adds; and the trace's root.
fn event_headers(
    headers: &HeaderMap,
    head: Option<&[u8]>,
    port: u16,
    facts: &ConnectionFacts,
    moment: &Moment,
) -> (NamedValues, String) {
    let written = head.map(names_as_written).unwrap_or_default();
    let mut named = NamedValues::default();
    for (name, value) in headers {
        let original = written.iter().find(|written| written.eq_ignore_ascii_case(name.as_str()));
        let name = original.cloned().unwrap_or_else(|| capitalise(name));
        named.add(name, String::from_utf8_lossy(value.as_bytes()).into_owned());
    }
    if !head.is_some_and(|head| head.windows(4).any(|end| end == b"\r\n\r\n")) {
        named.guess_case();
    }
    let trace = match events::text(headers, &HeaderName::from_static("x-amzn-trace-id")) {
        Some(trace) => trace.into_owned(),
        None => ids::trace_root(moment.epoch / 1000),
    };
    let root = trace.split(';').next().unwrap_or_default().to_owned();
    let forwarded_for = match events::text(headers, &HeaderName::from_static("x-forwarded-for")) {
        Some(before) => format!("{before}, {}", facts.source_ip),
        None => facts.source_ip.clone(),
    };
    named.set("X-Amzn-Trace-Id", trace);
    named.set("X-Forwarded-For", forwarded_for);
    named.set("X-Forwarded-Port", port.to_string());
    named.set("X-Forwarded-Proto", "http".to_owned());
    (named, root)
}

/// Whether only the authorizer sees a header.
fn is_hop_by_hop(name: &str) -> bool {
    HeaderName::try_from(name).is_ok_and(|name| events::is_hop_by_hop(&name))
}

fn names_as_written(head: &[u8]) -> Vec<String> {
    let lines = head.split(|byte| *byte == b'\n').skip(1);
    lines
        .filter_map(|line| {
            let name = &line[..line.iter().position(|byte| *byte == b':')?];
            String::from_utf8(name.to_vec()).ok()
        })
        .collect()
}

/// The usual form of a name whose case is unknown.
fn capitalise(name: &HeaderName) -> String {
    let part = |part: &str| match part {
        "websocket" => "WebSocket".to_owned(),
        part => part[..1].to_ascii_uppercase() + &part[1..],
    };
    name.as_str().split('-').filter(|part| !part.is_empty()).map(part).collect::<Vec<_>>().join("-")
}

/// Asks `$connect`; a refusal is the answer to the handshake.
async fn connect(
    gateway: &Gateway,
    route: WebSocketRoute,
    facts: &ConnectionFacts,
    request_id: &str,
    headers: &NamedValues,
    query: &NamedValues,
    trace_root: &str,
) -> Result<Option<String>, Response<Full<Bytes>>> {
    let event = events::connect(facts, request_id, headers, query);
    match invoke(gateway, route, facts, "$connect", request_id, event, trace_root).await {
        Some(response) if (200..300).contains(&response.status) => Ok(response.subprotocol),
        Some(response) => Err(refusal(response)),
        None => Err(message(StatusCode::BAD_GATEWAY, "Internal server error")),
    }
}

fn refusal(response: WebSocketResponse) -> Response<Full<Bytes>> {
    // An informational status would be no final answer to the handshake.
    let status = StatusCode::from_u16(response.status).ok().filter(|status| status.as_u16() >= 200);
    let mut refusal = Response::new(Full::new(response.body.unwrap_or_default()));
    *refusal.status_mut() = status.unwrap_or(StatusCode::BAD_GATEWAY);
    if let Some(kind) = response.content_type.and_then(|kind| HeaderValue::try_from(kind).ok()) {
        refusal.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    refusal
}

fn accept(key: &str, subprotocol: Option<String>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(key) = HeaderValue::try_from(key) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, key);
    }
    if let Some(subprotocol) = subprotocol.and_then(|subprotocol| HeaderValue::try_from(subprotocol).ok()) {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, subprotocol);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_names_keep_the_case_they_were_written_in() {
        let head = b"GET /ws HTTP/1.1\r\nhost: x\r\nX-cUstom: 1\r\nSec-WebSocket-Key: k\r\n\r\n";

        assert_eq!(names_as_written(head), ["host", "X-cUstom", "Sec-WebSocket-Key"]);
        assert_eq!(capitalise(&header::SEC_WEBSOCKET_KEY), "Sec-WebSocket-Key");
    }
}
