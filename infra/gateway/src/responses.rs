//! What functions return, read as API Gateway reads it.
//!
//! HTTP APIs infer a response from any JSON without a `statusCode` (API Gateway Developer Guide, "Create AWS
//! Lambda proxy integrations for HTTP APIs"); WebSocket APIs take a proxy response and nothing else. A body
//! without escapes is passed on without a copy.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::events::is_hop_by_hop;

/// Text that borrows from the response where it has no escapes; serde borrows through no `Option` otherwise.
#[derive(Debug, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum HeaderText {
    Text(String),
    Number(serde_json::Number),
    Truth(bool),
}

impl HeaderText {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
            Self::Truth(truth) => truth.to_string(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HttpWire<'a> {
    status_code: Option<u16>,
    #[serde(default)]
    headers: Option<BTreeMap<String, HeaderText>>,
    #[serde(default, borrow)]
    cookies: Option<Vec<Text<'a>>>,
    #[serde(default, borrow)]
    body: Option<Text<'a>>,
    #[serde(default)]
    is_base64_encoded: Option<bool>,
}

/// The client's response to `method`, or none if the function's is no valid one.
pub(crate) fn http(response: &Bytes, method: &Method) -> Option<Response<Full<Bytes>>> {
    if !response.trim_ascii_start().starts_with(b"{") {
        return inferred(response);
    }
    match serde_json::from_slice::<HttpWire>(response) {
        Ok(HttpWire { status_code: None, .. }) | Err(_) => inferred(response),
        Ok(wire) => explicit(wire, response, method),
    }
}

fn explicit(wire: HttpWire, response: &Bytes, method: &Method) -> Option<Response<Full<Bytes>>> {
    let status = StatusCode::from_u16(wire.status_code?).ok().filter(|status| status.as_u16() >= 200)?;
    let body = body(wire.body, wire.is_base64_encoded, response)?;
    let mut headers = HeaderMap::new();
    for (name, value) in wire.headers.unwrap_or_default() {
        let name = HeaderName::try_from(name).ok()?;
        // The length is that of the body sent here; a response to HEAD has none, so there the function's counts.
        if !is_hop_by_hop(&name) && (name != header::CONTENT_LENGTH || method == Method::HEAD) {
            headers.insert(name, HeaderValue::try_from(value.into_text()).ok()?);
        }
    }
    for cookie in wire.cookies.unwrap_or_default() {
        headers.append(header::SET_COOKIE, HeaderValue::try_from(cookie.0.as_ref()).ok()?);
    }
    if !headers.contains_key(header::CONTENT_TYPE) && !body.is_empty() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    }
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    Some(answer)
}

/// JSON without a status code is itself the body, a text without its quotes.
fn inferred(response: &Bytes) -> Option<Response<Full<Bytes>>> {
    let body = match serde_json::from_slice::<Value>(response).ok()? {
        Value::Object(object) if object.contains_key("statusCode") => return None,
        Value::String(text) => text.into(),
        _ => response.clone(),
    };
    let mut answer = Response::new(Full::new(body));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Some(answer)
}

fn body(body: Option<Text>, is_base64_encoded: Option<bool>, response: &Bytes) -> Option<Bytes> {
    let Some(Text(text)) = body else { return Some(Bytes::new()) };
    if is_base64_encoded == Some(true) {
        return STANDARD.decode(text.as_bytes()).ok().map(Bytes::from);
    }
    Some(match text {
        Cow::Borrowed(text) => response.slice_ref(text.as_bytes()),
        Cow::Owned(text) => text.into(),
    })
}

/// A function's response on a WebSocket route.
#[derive(Debug)]
pub(crate) struct WebSocketResponse {
    /// The status.
    pub(crate) status: u16,
    /// The chosen subprotocol, whatever the case of the header's name.
    pub(crate) subprotocol: Option<String>,
    /// The `Content-Type` header.
    pub(crate) content_type: Option<String>,
    /// The body, if there is one.
    pub(crate) body: Option<Bytes>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WebSocketWire<'a> {
    status_code: u16,
    #[serde(default)]
    headers: Option<BTreeMap<String, HeaderText>>,
    #[serde(default, rename = "multiValueHeaders")]
    _multi_value_headers: IgnoredAny,
    #[serde(default, borrow)]
    body: Option<Text<'a>>,
    #[serde(default)]
    is_base64_encoded: Option<bool>,
}

/// Reads the response on a WebSocket route; none if it is no proxy response.
pub(crate) fn websocket(response: &Bytes) -> Option<WebSocketResponse> {
    if !response.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    let wire: WebSocketWire = serde_json::from_slice(response).ok()?;
    if !(100..=599).contains(&wire.status_code) {
        return None;
    }
    let body = body(wire.body, wire.is_base64_encoded, response)?;
    let mut headers = wire.headers.unwrap_or_default();
    let mut take = |wanted: &str| {
        let name = headers.keys().find(|name| name.eq_ignore_ascii_case(wanted))?.clone();
        headers.remove(&name).map(HeaderText::into_text)
    };
    Some(WebSocketResponse {
        status: wire.status_code,
        subprotocol: take("sec-websocket-protocol"),
        content_type: take("content-type"),
        body: (!body.is_empty()).then_some(body),
    })
}

/// Why a request reaches no function; an extension of its response, for the logs.
#[derive(Debug, Clone)]
pub(crate) struct Refused(pub(crate) String);

/// Adds why a response is a refusal.
pub(crate) fn because(mut response: Response<Full<Bytes>>, why: impl Into<String>) -> Response<Full<Bytes>> {
    response.extensions_mut().insert(Refused(why.into()));
    response
}

/// Adds that the authorizer refuses, and why as far as the client is told.
pub(crate) fn because_of_authorizer(response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    let told = response.headers().get(header::WWW_AUTHENTICATE).and_then(|told| told.to_str().ok());
    let why = told.map_or_else(String::new, |told| format!(": {told}"));
    because(response, format!("refused by the authorizer{why}"))
}

/// A JSON answer.
pub(crate) fn json(body: &impl Serialize) -> Response<Full<Bytes>> {
    let body = serde_json::to_vec(body).expect("the answers hold only text, numbers and lists");
    let mut response = Response::new(Full::new(body.into()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// No body.
pub(crate) fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

/// A moment as JSON tells it, to the millisecond.
pub(crate) fn timestamp(moment: OffsetDateTime) -> String {
    let milliseconds = moment.nanosecond() / 1_000_000 * 1_000_000;
    let moment = moment.replace_nanosecond(milliseconds).unwrap_or(moment);
    moment.format(&Rfc3339).unwrap_or_default()
}

/// The same of Unix milliseconds.
pub(crate) fn timestamp_of(epoch: i64) -> String {
    let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(epoch) * 1_000_000);
    moment.map(timestamp).unwrap_or_default()
}

/// A JSON body with nothing but a message, as API Gateway itself answers.
pub(crate) fn message(status: StatusCode, message: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(serde_json::json!({ "message": message }).to_string().into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The same with the type of the error in a header, where SDKs look first.
pub(crate) fn failure(status: StatusCode, kind: &'static str, text: &str) -> Response<Full<Bytes>> {
    let mut response = message(status, text);
    response.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn read(response: &'static str) -> Option<Response<Full<Bytes>>> {
        http(&Bytes::from_static(response.as_bytes()), &Method::GET)
    }

    fn text(response: Response<Full<Bytes>>) -> String {
        let body = futures_util::FutureExt::now_or_never(response.into_body().collect());
        String::from_utf8(body.unwrap().unwrap().to_bytes().to_vec()).unwrap()
    }

    #[test]
    fn status_headers_cookies_and_body_are_passed_on() {
        let response = read(
            r#"{"statusCode":201,"headers":{"X-One":"1","set-cookie":"c=3"},"multiValueHeaders":{},
                "cookies":["a=1","b=2"],"body":"caf\u00e9","isBase64Encoded":false}"#,
        );

        let response = response.unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        assert_eq!(response.headers()["x-one"], "1");
        assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
        assert_eq!(response.headers().get_all("set-cookie").iter().count(), 3);
        assert_eq!(text(response), "café");
    }

    #[test]
    fn json_without_a_status_code_is_the_body() {
        let object = read(r#"{"hello":1}"#).unwrap();
        assert_eq!(object.headers()["content-type"], "application/json");
        assert_eq!(text(object), r#"{"hello":1}"#);
        assert_eq!(text(read(r#""Hello""#).unwrap()), "Hello");
        assert_eq!(text(read("[1,2]").unwrap()), "[1,2]");
    }

    #[test]
    fn a_base64_body_is_decoded() {
        let response = read(r#"{"statusCode":200,"body":"aGVsbG8=","isBase64Encoded":true}"#);

        assert_eq!(text(response.unwrap()), "hello");
    }

    #[test]
    fn an_invalid_proxy_response_is_none() {
        for invalid in [
            r#"{"statusCode":200,"headers":{"x":["a"]}}"#,
            r#"{"statusCode":"OK"}"#,
            r#"{"statusCode":101}"#,
            r#"{"statusCode":200,"body":{"a":1}}"#,
            r#"{"statusCode":200,"body":"?","isBase64Encoded":true}"#,
            r#"{"statusCode":200,"headers":{"bad name":"a"}}"#,
            "not json",
            "",
        ] {
            assert!(read(invalid).is_none(), "{invalid}");
        }
    }

    #[test]
    fn a_websocket_response_finds_the_subprotocol_in_any_case() {
        let response = websocket(&Bytes::from_static(
            br#"{"statusCode":200,"headers":{"sec-websocket-PROTOCOL":"chat"},"multiValueHeaders":{}}"#,
        ));

        let response = response.unwrap();
        assert_eq!(response.subprotocol.as_deref(), Some("chat"));
        assert_eq!(response.body, None);
    }

    #[test]
    fn a_websocket_response_with_unknown_keys_or_without_status_is_invalid() {
        for invalid in ["null", r#"{"body":"x"}"#, r#"{"statusCode":200,"extra":1}"#, r#""text""#, "[200]"] {
            assert!(websocket(&Bytes::from_static(invalid.as_bytes())).is_none(), "{invalid}");
        }
    }
}
