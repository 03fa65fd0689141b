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
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::StaticFormatDescription;
use time::macros::format_description;

use crate::template::{ACCOUNT_ID, StageVariables};

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
    /// The path without the name of the stage, which routes and policies see.
    pub(crate) path_in_stage: &'a str,
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
    /// The stage's variables.
    pub(crate) stage_variables: &'a StageVariables,
    /// What an authorizer told of whoever makes the request.
    pub(crate) authorizer: Option<Value>,
    /// The request's id.
    pub(crate) request_id: &'a str,
    /// When the request came.
    pub(crate) moment: &'a Moment,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HttpEvent<'a> {
    version: &'static str,
    #[serde(flatten)]
    authorization: Option<HttpAuthorization<'a>>,
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
    #[serde(skip_serializing_if = "StageVariables::is_empty")]
    stage_variables: &'a StageVariables,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_base64_encoded: Option<bool>,
}

/// What only the events of authorizers tell.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HttpAuthorization<'a> {
    r#type: &'static str,
    route_arn: &'a str,
    identity_source: Option<&'a [String]>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HttpContext<'a> {
    account_id: &'static str,
    api_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer: Option<&'a Value>,
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
    to_bytes(&HttpEvent { body, is_base64_encoded: Some(is_base64_encoded), ..http_event(call, None) })
}

/// The event that asks a Lambda authorizer about a request, in payload format 2.0; it has no body.
pub(crate) fn http_authorization(call: &HttpCall, route_arn: &str, identity: &[String]) -> Bytes {
    let identity_source = (!identity.is_empty()).then_some(identity);
    let authorization = HttpAuthorization { r#type: "REQUEST", route_arn, identity_source };
    to_bytes(&http_event(call, Some(authorization)))
}

fn http_event<'a>(call: &'a HttpCall, authorization: Option<HttpAuthorization<'a>>) -> HttpEvent<'a> {
    HttpEvent {
        version: "2.0",
        authorization,
        route_key: call.route_key,
        raw_path: call.path,
        raw_query_string: call.query,
        cookies: cookies(call.headers),
        headers: JoinedHeaders(call.headers),
        query_string_parameters: query_parameters(call.query),
        request_context: http_context(call),
        path_parameters: path_parameters(&call.path_parameters),
        stage_variables: call.stage_variables,
        body: None,
        is_base64_encoded: None,
    }
}

fn http_context<'a>(call: &'a HttpCall) -> HttpContext<'a> {
    let domain_name = host_name(call.headers);
    HttpContext {
        account_id: ACCOUNT_ID,
        api_id: call.api_id,
        authorizer: call.authorizer.as_ref(),
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
    }
}

/// A variable of `$context` (API Gateway Developer Guide, "Customize HTTP API access logs").
pub(crate) fn http_context_variable(call: &HttpCall, name: &str) -> Option<String> {
    let context = http_context(call);
    Some(match name {
        "accountId" => context.account_id.to_owned(),
        "apiId" => context.api_id.to_owned(),
        "domainName" => context.domain_name.to_owned(),
        "domainPrefix" => context.domain_prefix.to_owned(),
        "httpMethod" => context.http.method.to_owned(),
        "identity.sourceIp" => context.http.source_ip.to_owned(),
        "identity.userAgent" => context.http.user_agent.into_owned(),
        "path" => context.http.path.to_owned(),
        "protocol" => context.http.protocol.to_owned(),
        "requestId" => context.request_id.to_owned(),
        "requestTime" => context.time.to_owned(),
        "requestTimeEpoch" => context.time_epoch.to_string(),
        "routeKey" => context.route_key.to_owned(),
        "stage" => context.stage.to_owned(),
        _ => return None,
    })
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
    /// The stage's variables.
    pub(crate) stage_variables: StageVariables,
    /// What the authorizer told of whoever connected.
    pub(crate) authorizer: Option<Map<String, Value>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WebSocketEvent<'a> {
    #[serde(flatten)]
    authorization: Option<WebSocketAuthorization<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<FirstOf<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_value_headers: Option<AllOf<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query_string_parameters: Option<FirstOf<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_value_query_string_parameters: Option<AllOf<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage_variables: Option<&'a StageVariables>,
    request_context: WebSocketContext<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_base64_encoded: Option<bool>,
}

/// What only the events of authorizers tell.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WebSocketAuthorization<'a> {
    r#type: &'static str,
    method_arn: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WebSocketContext<'a> {
    route_key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer: Option<&'a Map<String, Value>>,
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
            authorizer: self.authorizer.as_ref(),
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

    fn event<'a>(&'a self, request_context: WebSocketContext<'a>) -> WebSocketEvent<'a> {
        WebSocketEvent {
            authorization: None,
            headers: None,
            multi_value_headers: None,
            query_string_parameters: None,
            multi_value_query_string_parameters: None,
            stage_variables: (!self.stage_variables.is_empty()).then_some(&self.stage_variables),
            request_context,
            body: None,
            is_base64_encoded: Some(false),
        }
    }
}

/// A variable of `context`, which here is a field of the request's context.
pub(crate) fn websocket_context_variable(
    facts: &ConnectionFacts,
    request_id: &str,
    name: &str,
) -> Option<String> {
    let context = serde_json::to_value(facts.context("$connect", "CONNECT", request_id)).ok()?;
    match name.split('.').try_fold(&context, |value, key| value.get(key))? {
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
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

    /// A name's last value; the name is compared with its case.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let (_, values) = self.0.iter().find(|(known, _)| known == name)?;
        values.last().map(String::as_str)
    }

    /// Leaves names out.
    pub(crate) fn without(&self, left_out: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|(name, _)| !left_out(name)).cloned().collect())
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
        ..facts.event(facts.context("$connect", "CONNECT", request_id))
    })
}

/// The event that asks the authorizer about a handshake; its maps are there even if they are empty.
pub(crate) fn connect_authorization(
    facts: &ConnectionFacts,
    request_id: &str,
    method_arn: &str,
    headers: &NamedValues,
    query: &NamedValues,
) -> Bytes {
    to_bytes(&WebSocketEvent {
        authorization: Some(WebSocketAuthorization { r#type: "REQUEST", method_arn }),
        headers: Some(FirstOf(headers)),
        multi_value_headers: Some(AllOf(headers)),
        query_string_parameters: Some(FirstOf(query)),
        multi_value_query_string_parameters: Some(AllOf(query)),
        stage_variables: Some(&facts.stage_variables),
        is_base64_encoded: None,
        ..facts.event(facts.context("$connect", "CONNECT", request_id))
    })
}

/// The event of a message.
pub(crate) fn message(facts: &ConnectionFacts, request_id: &str, route_key: &str, body: &str) -> Bytes {
    to_bytes(&WebSocketEvent {
        body: Some(body),
        ..facts.event(WebSocketContext {
            message_id: Some(crate::ids::gateway_id()),
            ..facts.context(route_key, "MESSAGE", request_id)
        })
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
        ..facts.event(WebSocketContext {
            disconnect_status_code: Some(code),
            disconnect_reason: Some(reason),
            ..facts.context("$disconnect", "DISCONNECT", request_id)
        })
    })
}

fn to_bytes(event: &impl Serialize) -> Bytes {
    serde_json::to_vec(event).expect("events hold only text, numbers and maps with text keys").into()
}

#[cfg(test)]
mod tests {
    use aws_lambda_events::apigw::{
        ApiGatewayCustomAuthorizerRequestTypeRequest, ApiGatewayV2CustomAuthorizerV2Request,
    };
    use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayWebsocketProxyRequest};
    use http::HeaderValue;
    use serde_json::json;

    use super::*;

    fn request(headers: &HeaderMap, query: &str, body: &'static str) -> Bytes {
        let (body, moment) = (Bytes::from_static(body.as_bytes()), Moment::now());
        http_request(&call(headers, query, &body, &moment, &StageVariables::new()))
    }

    fn call<'a>(
        headers: &'a HeaderMap,
        query: &'a str,
        body: &'a Bytes,
        moment: &'a Moment,
        stage_variables: &'a StageVariables,
    ) -> HttpCall<'a> {
        HttpCall {
            route_key: "GET /items/{id}",
            method: "GET",
            path: "/items/a%20b",
            path_in_stage: "/items/a%20b",
            query,
            path_parameters: vec![("id", "a%20b")],
            headers,
            body,
            source_ip: "127.0.0.1",
            api_id: "httpapi",
            stage: "$default",
            stage_variables,
            authorizer: None,
            request_id: "AAAAAAAAAAAAAAA=",
            moment,
        }
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
            stage_variables: StageVariables::new(),
            authorizer: None,
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

    #[test]
    fn an_authorizer_is_asked_about_a_request_in_format_2() {
        let mut headers = HeaderMap::new();
        headers.insert("x-key", HeaderValue::from_static("secret"));
        let variables = StageVariables::from([("tenant".to_owned(), "acme".to_owned())]);
        let (body, moment) = (Bytes::from_static(b"{}"), Moment::now());
        let call = call(&headers, "a=1", &body, &moment, &variables);

        let event = http_authorization(&call, "arn:aws:execute-api", &["secret".to_owned()]);

        let parsed: ApiGatewayV2CustomAuthorizerV2Request = serde_json::from_slice(&event).unwrap();
        assert_eq!(parsed.version.as_deref(), Some("2.0"));
        assert_eq!(parsed.type_.as_deref(), Some("REQUEST"));
        assert_eq!(parsed.route_arn.as_deref(), Some("arn:aws:execute-api"));
        assert_eq!(parsed.identity_source, Some(vec!["secret".to_owned()]));
        assert_eq!(parsed.stage_variables["tenant"], "acme");
        let raw: Value = serde_json::from_slice(&event).unwrap();
        assert!(raw.get("body").is_none() && raw.get("isBase64Encoded").is_none());
        let without = http_authorization(&call, "arn:aws:execute-api", &[]);
        assert_eq!(serde_json::from_slice::<Value>(&without).unwrap()["identitySource"], Value::Null);
    }

    #[test]
    fn an_authorizer_is_asked_about_a_handshake_with_all_its_maps() {
        let mut headers = NamedValues::default();
        headers.add("X-Key".to_owned(), "secret".to_owned());

        let event = connect_authorization(
            &facts(),
            "AAAAAAAAAAAAAAA=",
            "arn:aws:execute-api:x/ws/$connect",
            &headers,
            &NamedValues::default(),
        );

        let parsed: ApiGatewayCustomAuthorizerRequestTypeRequest = serde_json::from_slice(&event).unwrap();
        assert_eq!(parsed.type_.as_deref(), Some("REQUEST"));
        assert_eq!(parsed.method_arn.as_deref(), Some("arn:aws:execute-api:x/ws/$connect"));
        let raw: Value = serde_json::from_slice(&event).unwrap();
        for map in ["queryStringParameters", "multiValueQueryStringParameters", "stageVariables"] {
            assert_eq!(raw[map], json!({}), "{map}");
        }
        assert_eq!(raw["headers"]["X-Key"], "secret");
        assert_eq!(raw["requestContext"]["eventType"], "CONNECT");
    }

    #[test]
    fn stage_variables_and_the_authorizers_context_are_in_every_event_of_a_connection() {
        let mut facts = facts();
        facts.stage_variables.insert("tenant".to_owned(), "acme".to_owned());
        let authorizer = json!({"principalId": "ann", "level": "3"});
        facts.authorizer = authorizer.as_object().cloned();
        let (headers, query) = (NamedValues::default(), NamedValues::default());

        for event in [
            connect(&facts, "AAAAAAAAAAAAAAA=", &headers, &query),
            message(&facts, "AAAAAAAAAAAAAAA=", "$default", ""),
            disconnect(&facts, "AAAAAAAAAAAAAAA=", 1000, ""),
        ] {
            let raw: Value = serde_json::from_slice(&event).unwrap();
            assert_eq!(raw["stageVariables"], json!({"tenant": "acme"}));
            assert_eq!(raw["requestContext"]["authorizer"], authorizer);
            serde_json::from_slice::<ApiGatewayWebsocketProxyRequest>(&event).unwrap();
        }
    }

    #[test]
    fn identity_sources_find_variables_of_the_context() {
        let of = |name: &str| websocket_context_variable(&facts(), "AAAAAAAAAAAAAAA=", name);

        assert_eq!(of("identity.sourceIp").as_deref(), Some("127.0.0.1"));
        assert_eq!(of("connectedAt").as_deref(), Some("1700000000000"));
        assert_eq!(of("routeKey").as_deref(), Some("$connect"));
        assert_eq!(of("principalId"), None);
    }
}
