//! The events functions are invoked with.
//!
//! HTTP requests become payload format 2.0 (API Gateway Developer Guide, "Create AWS Lambda proxy
//! integrations for HTTP APIs"); what happens on a WebSocket becomes the events of "Set up integrations for
//! WebSocket APIs". Fields that AWS leaves out are left out. Everything is borrowed and serialised once.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName};
use percent_encoding::percent_decode_str;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::StaticFormatDescription;
use time::macros::format_description;

use crate::template::ACCOUNT_ID;

const COMMON_LOG_FORMAT: StaticFormatDescription =
    format_description!("[day]/[month repr:short]/[year]:[hour]:[minute]:[second] +0000");

/// The moment of a request, as events tell it.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    /// Unix milliseconds.
    pub(crate) epoch: i64,
    /// Common log format.
    pub(crate) text: String,
}

impl Moment {
    /// This moment.
    pub(crate) fn now() -> Self {
        let now = OffsetDateTime::now_utc();
        // The format has no component that a date can lack.
        let text = now.format(COMMON_LOG_FORMAT).unwrap_or_default();
        Self { epoch: now.unix_timestamp() * 1000 + i64::from(now.millisecond()), text }
    }
}

/// A request to the HTTP API, matched to a route.
#[derive(Debug)]
pub(crate) struct HttpCall<'a> {
    /// The configured route, for example `GET /items/{id}`.
    pub(crate) route_key: &'a str,
    /// The request's method.
    pub(crate) method: &'a str,
    /// The path as requested.
    pub(crate) path: &'a str,
    /// The query as requested.
    pub(crate) query: &'a str,
    /// The values of the route's path variables, still encoded.
    pub(crate) path_parameters: Vec<(&'a str, &'a str)>,
    /// The headers, with those that API Gateway adds.
    pub(crate) headers: &'a HeaderMap,
    /// The body.
    pub(crate) body: &'a Bytes,
    /// The address of the peer.
    pub(crate) source_ip: &'a str,
    /// The API's id.
    pub(crate) api_id: &'a str,
    /// The API's stage.
    pub(crate) stage: &'a str,
    /// The request's id.
    pub(crate) request_id: &'a str,
    /// When the request came.
    pub(crate) moment: &'a Moment,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HttpEvent<'a> {
    version: &'static str,
    route_key: &'a str,
    raw_path: &'a str,
    raw_query_string: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cookies: Option<Vec<Cow<'a, str>>>,
    headers: JoinedHeaders<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query_string_parameters: Option<BTreeMap<Cow<'a, str>, String>>,
    request_context: HttpContext<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_parameters: Option<BTreeMap<&'a str, Cow<'a, str>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Cow<'a, str>>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HttpContext<'a> {
    account_id: &'static str,
    api_id: &'a str,
    domain_name: &'a str,
    domain_prefix: &'a str,
    http: HttpDescription<'a>,
    request_id: &'a str,
    route_key: &'a str,
    stage: &'a str,
    time: &'a str,
    time_epoch: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HttpDescription<'a> {
    method: &'a str,
    path: &'a str,
    protocol: &'static str,
    source_ip: &'a str,
    user_agent: Cow<'a, str>,
}

/// Headers that belong to one connection and are not passed on (RFC 9110, section 7.6.1).
pub(crate) fn is_hop_by_hop(name: &HeaderName) -> bool {
    let names = [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE, header::TE, header::TRAILER];
    names.contains(name) || name == "keep-alive" || name == "proxy-connection"
}

/// Names in lower case, values of one name joined with a comma.
struct JoinedHeaders<'a>(&'a HeaderMap);

impl Serialize for JoinedHeaders<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for name in self.0.keys() {
            if name == header::COOKIE || is_hop_by_hop(name) {
                continue;
            }
            let mut values = self.0.get_all(name).iter();
            let Some(first) = values.next() else { continue };
            let mut joined = String::from_utf8_lossy(first.as_bytes());
            for value in values {
                joined = Cow::Owned(format!("{joined},{}", String::from_utf8_lossy(value.as_bytes())));
            }
            map.serialize_entry(name.as_str(), &joined)?;
        }
        map.end()
    }
}

/// The event of a request to the HTTP API.
pub(crate) fn http_request(call: &HttpCall) -> Bytes {
    let (body, is_base64_encoded) = encode_body(call.headers.get(header::CONTENT_TYPE), call.body);
    let domain_name = host_name(call.headers);
    let event = HttpEvent {
        version: "2.0",
        route_key: call.route_key,
        raw_path: call.path,
        raw_query_string: call.query,
        cookies: cookies(call.headers),
        headers: JoinedHeaders(call.headers),
        query_string_parameters: query_parameters(call.query),
        request_context: HttpContext {
            account_id: ACCOUNT_ID,
            api_id: call.api_id,
            domain_name,
            domain_prefix: domain_name.split('.').next().unwrap_or_default(),
            http: HttpDescription {
                method: call.method,
                path: call.path,
                protocol: "HTTP/1.1",
                source_ip: call.source_ip,
                user_agent: text(call.headers, &header::USER_AGENT).unwrap_or_default(),
            },
            request_id: call.request_id,
            route_key: call.route_key,
            stage: call.stage,
            time: &call.moment.text,
            time_epoch: call.moment.epoch,
        },
        path_parameters: path_parameters(&call.path_parameters),
        body,
        is_base64_encoded,
    };
    to_bytes(&event)
}

fn cookies(headers: &HeaderMap) -> Option<Vec<Cow<'_, str>>> {
    let mut cookies = Vec::new();
    for value in headers.get_all(header::COOKIE) {
        match value.to_str() {
            Ok(value) => cookies.extend(value.split(';').map(|cookie| Cow::Borrowed(cookie.trim()))),
            Err(_) => cookies.push(Cow::Owned(String::from_utf8_lossy(value.as_bytes()).into_owned())),
        }
    }
    (!cookies.is_empty()).then_some(cookies)
}

fn query_parameters(query: &str) -> Option<BTreeMap<Cow<'_, str>, String>> {
    let mut parameters: BTreeMap<Cow<'_, str>, String> = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        parameters
            .entry(name)
            .and_modify(|values| {
                values.push(',');
                values.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    (!parameters.is_empty()).then_some(parameters)
}

fn path_parameters<'a>(parameters: &[(&'a str, &'a str)]) -> Option<BTreeMap<&'a str, Cow<'a, str>>> {
    let decode = |(name, value): &(&'a str, &'a str)| (*name, percent_decode_str(value).decode_utf8_lossy());
    (!parameters.is_empty()).then(|| parameters.iter().map(decode).collect())
}

/// A body is text only for the content types API Gateway takes for text, and base64 for all others,
/// a missing one and `+json` included.
fn encode_body<'a>(
    content_type: Option<&http::HeaderValue>,
    body: &'a Bytes,
) -> (Option<Cow<'a, str>>, bool) {
    if body.is_empty() {
        return (None, false);
    }
    match std::str::from_utf8(body) {
        Ok(text) if content_type.is_some_and(is_text) => (Some(Cow::Borrowed(text)), false),
        _ => (Some(Cow::Owned(STANDARD.encode(body))), true),
    }
}

fn is_text(content_type: &http::HeaderValue) -> bool {
    let Ok(content_type) = content_type.to_str() else { return false };
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.starts_with("text/")
        || matches!(essence.as_str(), "application/json" | "application/xml" | "application/javascript")
}

/// The host of a request without its port.
pub(crate) fn host_name(headers: &HeaderMap) -> &str {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// A header's first value.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Cow<'a, str>> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()))
}

/// What every event of a WebSocket connection repeats.
#[derive(Debug)]
pub(crate) struct ConnectionFacts {
    /// The connection's id.
    pub(crate) id: String,
    /// Unix milliseconds of the handshake.
    pub(crate) connected_at: i64,
    /// The address of the peer.
    pub(crate) source_ip: String,
    /// The client's `User-Agent`, if it sent one.
    pub(crate) user_agent: Option<String>,
    /// The host that the client asked for, without its port.
    pub(crate) domain_name: String,
    /// The API's id.
    pub(crate) api_id: String,
    /// The API's stage.
    pub(crate) stage: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WebSocketEvent<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<FirstOf<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_value_headers: Option<AllOf<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query_string_parameters: Option<FirstOf<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_value_query_string_parameters: Option<AllOf<'a>>,
    request_context: WebSocketContext<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WebSocketContext<'a> {
    route_key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    disconnect_status_code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    event_type: &'static str,
    extended_request_id: &'a str,
    request_time: String,
    message_direction: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    disconnect_reason: Option<&'a str>,
    stage: &'a str,
    connected_at: i64,
    request_time_epoch: i64,
    identity: Identity<'a>,
    request_id: &'a str,
    domain_name: &'a str,
    connection_id: &'a str,
    api_id: &'a str,
}

/// Who is at the other end of a connection.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Identity<'a> {
    source_ip: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
}

impl ConnectionFacts {
    /// Who is at the other end.
    pub(crate) fn identity(&self) -> Identity<'_> {
        Identity { source_ip: &self.source_ip, user_agent: self.user_agent.as_deref() }
    }

    fn context<'a>(
        &'a self,
        route_key: &'a str,
        event_type: &'static str,
        request_id: &'a str,
    ) -> WebSocketContext<'a> {
        let moment = Moment::now();
        WebSocketContext {
            route_key,
            disconnect_status_code: None,
            message_id: None,
            event_type,
            extended_request_id: request_id,
            request_time: moment.text,
            message_direction: "IN",
            disconnect_reason: None,
            stage: &self.stage,
            connected_at: self.connected_at,
            request_time_epoch: moment.epoch,
            identity: self.identity(),
            request_id,
            domain_name: &self.domain_name,
            connection_id: &self.id,
            api_id: &self.api_id,
        }
    }
}

/// Names with all their values, in the order and the case the client sent.
#[derive(Debug, Default)]
pub(crate) struct NamedValues(Vec<(String, Vec<String>)>);

impl NamedValues {
    /// Adds one value to a name.
    pub(crate) fn add(&mut self, name: String, value: String) {
        match self.0.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            Some((_, values)) => values.push(value),
            None => self.0.push((name, vec![value])),
        }
    }

    /// Replaces a name's values.
    pub(crate) fn set(&mut self, name: &str, value: String) {
        self.0.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.0.push((name.to_owned(), vec![value]));
    }

    /// The parameters of a query.
    pub(crate) fn of_query(query: &str) -> Self {
        let mut parameters: Vec<(String, Vec<String>)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match parameters.iter_mut().find(|(known, _)| *known == name) {
                Some((_, values)) => values.push(value.into_owned()),
                None => parameters.push((name.into_owned(), vec![value.into_owned()])),
            }
        }
        Self(parameters)
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One value per name, the last one.
struct FirstOf<'a>(&'a NamedValues);

impl Serialize for FirstOf<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.0.iter().map(|(name, values)| (name, values.last())))
    }
}

/// All values of each name.
struct AllOf<'a>(&'a NamedValues);

impl Serialize for AllOf<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.0.iter().map(|(name, values)| (name, values)))
    }
}

/// The event of a handshake.
pub(crate) fn connect(
    facts: &ConnectionFacts,
    request_id: &str,
    headers: &NamedValues,
    query: &NamedValues,
) -> Bytes {
    let has_query = !query.is_empty();
    to_bytes(&WebSocketEvent {
        headers: Some(FirstOf(headers)),
        multi_value_headers: Some(AllOf(headers)),
        query_string_parameters: has_query.then_some(FirstOf(query)),
        multi_value_query_string_parameters: has_query.then_some(AllOf(query)),
        request_context: facts.context("$connect", "CONNECT", request_id),
        body: None,
        is_base64_encoded: false,
    })
}

/// The event of a message.
pub(crate) fn message(facts: &ConnectionFacts, request_id: &str, route_key: &str, body: &str) -> Bytes {
    to_bytes(&WebSocketEvent {
        headers: None,
        multi_value_headers: None,
        query_string_parameters: None,
        multi_value_query_string_parameters: None,
        request_context: WebSocketContext {
            message_id: Some(crate::ids::gateway_id()),
            ..facts.context(route_key, "MESSAGE", request_id)
        },
        body: Some(body),
        is_base64_encoded: false,
    })
}

/// The event of a connection's end.
pub(crate) fn disconnect(facts: &ConnectionFacts, request_id: &str, code: u16, reason: &str) -> Bytes {
    let mut headers = NamedValues::default();
    headers.set("Host", facts.domain_name.clone());
    headers.set("x-api-key", String::new());
    headers.set("X-Forwarded-For", String::new());
    headers.set("x-restapi", String::new());
    to_bytes(&WebSocketEvent {
        headers: Some(FirstOf(&headers)),
        multi_value_headers: Some(AllOf(&headers)),
        query_string_parameters: None,
        multi_value_query_string_parameters: None,
        request_context: WebSocketContext {
            disconnect_status_code: Some(code),
            disconnect_reason: Some(reason),
            ..facts.context("$disconnect", "DISCONNECT", request_id)
        },
        body: None,
        is_base64_encoded: false,
    })
}

fn to_bytes(event: &impl Serialize) -> Bytes {
    serde_json::to_vec(event).expect("events hold only text, numbers and maps with text keys").into()
}

#[cfg(test)]
mod tests {
    use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayWebsocketProxyRequest};
    use http::HeaderValue;
    use serde_json::Value;

    use super::*;

    fn request(headers: &HeaderMap, query: &str, body: &'static str) -> Bytes {
        http_request(&HttpCall {
            route_key: "GET /items/{id}",
            method: "GET",
            path: "/items/a%20b",
            query,
            path_parameters: vec![("id", "a%20b")],
            headers,
            body: &Bytes::from_static(body.as_bytes()),
            source_ip: "127.0.0.1",
            api_id: "httpapi",
            stage: "$default",
            request_id: "AAAAAAAAAAAAAAA=",
            moment: &Moment::now(),
        })
    }

    fn facts() -> ConnectionFacts {
        ConnectionFacts {
            id: "L0SM9cOFvHcCIhw=".to_owned(),
            connected_at: 1_700_000_000_000,
            source_ip: "127.0.0.1".to_owned(),
            user_agent: Some("test".to_owned()),
            domain_name: "localhost".to_owned(),
            api_id: "ws".to_owned(),
            stage: "ws".to_owned(),
        }
    }

    #[test]
    fn an_http_event_is_what_lambda_http_reads() {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("chat.example.com:8080"));
        headers.append("accept", HeaderValue::from_static("a"));
        headers.append("accept", HeaderValue::from_static("b"));
        headers.insert("cookie", HeaderValue::from_static("x=1; y=2"));
        headers.insert("connection", HeaderValue::from_static("keep-alive"));

        let event = request(&headers, "q=a%20b&tag=1&tag=2", "");

        let parsed: ApiGatewayV2httpRequest = serde_json::from_slice(&event).unwrap();
        assert_eq!(parsed.raw_path.as_deref(), Some("/items/a%20b"));
        assert_eq!(parsed.raw_query_string.as_deref(), Some("q=a%20b&tag=1&tag=2"));
        assert_eq!(parsed.query_string_parameters.first("q"), Some("a b"));
        assert_eq!(parsed.path_parameters["id"], "a b");
        assert_eq!(parsed.headers["accept"], "a,b");
        assert!(!parsed.headers.contains_key("cookie") && !parsed.headers.contains_key("connection"));
        assert_eq!(parsed.cookies, Some(vec!["x=1".to_owned(), "y=2".to_owned()]));
        assert_eq!(parsed.body, None);
        assert_eq!(parsed.request_context.domain_name.as_deref(), Some("chat.example.com"));
        assert_eq!(parsed.request_context.domain_prefix.as_deref(), Some("chat"));
        assert_eq!(parsed.request_context.http.source_ip.as_deref(), Some("127.0.0.1"));
        let raw: Value = serde_json::from_slice(&event).unwrap();
        assert_eq!(raw["queryStringParameters"]["tag"], "1,2");
    }

    #[test]
    fn absent_parts_of_a_request_are_absent_in_its_event() {
        let event: Value = serde_json::from_slice(&request(&HeaderMap::new(), "", "")).unwrap();

        for absent in ["body", "cookies", "queryStringParameters", "stageVariables"] {
            assert!(event.get(absent).is_none(), "{absent}");
        }
        assert_eq!(event["isBase64Encoded"], false);
        assert_eq!(event["rawQueryString"], "");
    }

    #[test]
    fn a_body_is_text_only_for_the_content_types_taken_for_text() {
        let text = [
            "text/plain",
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/xml",
            "application/javascript",
        ];
        let binary = [
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/problem+json",
            "image/png",
        ];
        let body = Bytes::from_static(b"hello");
        let encoded = |kind: &'static str| encode_body(Some(&HeaderValue::from_static(kind)), &body).1;

        assert!(text.into_iter().all(|kind| !encoded(kind)));
        assert!(binary.into_iter().all(encoded));
        assert_eq!(encode_body(None, &body), (Some(Cow::Owned("aGVsbG8=".to_owned())), true));
        let invalid = Bytes::from_static(b"\xff");
        assert!(encode_body(Some(&HeaderValue::from_static("text/plain")), &invalid).1);
    }

    #[test]
    fn a_connect_event_carries_the_handshake_in_its_own_case() {
        let mut headers = NamedValues::default();
        headers.add("Host".to_owned(), "localhost:8080".to_owned());
        headers.add("X-many".to_owned(), "1".to_owned());
        headers.add("x-Many".to_owned(), "2".to_owned());
        let query = NamedValues::of_query("token=a%2Bb&token=c");

        let event = connect(&facts(), "AAAAAAAAAAAAAAA=", &headers, &query);

        let raw: Value = serde_json::from_slice(&event).unwrap();
        assert_eq!(raw["headers"]["Host"], "localhost:8080");
        assert_eq!(raw["multiValueHeaders"]["X-many"], serde_json::json!(["1", "2"]));
        assert_eq!(raw["queryStringParameters"]["token"], "c");
        assert_eq!(raw["multiValueQueryStringParameters"]["token"], serde_json::json!(["a+b", "c"]));
        assert!(raw["requestContext"].get("messageId").is_none());
        let parsed: ApiGatewayWebsocketProxyRequest = serde_json::from_slice(&event).unwrap();
        assert_eq!(parsed.request_context.event_type.as_deref(), Some("CONNECT"));
        assert_eq!(parsed.request_context.connected_at, 1_700_000_000_000);
        assert_eq!(parsed.request_context.connection_id.as_deref(), Some("L0SM9cOFvHcCIhw="));
    }

    #[test]
    fn a_message_event_repeats_no_headers_and_has_a_message_id() {
        let event = message(&facts(), "AAAAAAAAAAAAAAA=", "$default", "{\"a\":1}");

        let raw: Value = serde_json::from_slice(&event).unwrap();
        assert!(raw.get("headers").is_none() && raw.get("queryStringParameters").is_none());
        let parsed: ApiGatewayWebsocketProxyRequest = serde_json::from_slice(&event).unwrap();
        assert_eq!(parsed.body.as_deref(), Some("{\"a\":1}"));
        assert_eq!(parsed.request_context.route_key.as_deref(), Some("$default"));
        assert_eq!(parsed.request_context.request_id, parsed.request_context.extended_request_id);
        assert!(parsed.request_context.message_id.is_some());
    }

    #[test]
    fn a_disconnect_event_tells_code_and_reason() {
        let event = disconnect(&facts(), "AAAAAAAAAAAAAAA=", 1005, "Client-side close frame status not set");

        let parsed: ApiGatewayWebsocketProxyRequest = serde_json::from_slice(&event).unwrap();
        assert_eq!(parsed.request_context.disconnect_status_code, Some(1005));
        assert_eq!(
            parsed.request_context.disconnect_reason.as_deref(),
            Some("Client-side close frame status not set")
        );
        assert_eq!(parsed.headers["x-restapi"], "");
    }
}
