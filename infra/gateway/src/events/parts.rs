//! The parts of a request as events tell them: headers, cookies, query, path and body.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName};
use percent_encoding::percent_decode_str;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// Headers that belong to one connection and are not passed on (RFC 9110, section 7.6.1).
pub(crate) fn is_hop_by_hop(name: &HeaderName) -> bool {
    let names = [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE, header::TE, header::TRAILER];
    names.contains(name) || name == "keep-alive" || name == "proxy-connection"
}

/// Names in lower case, values of one name joined with a comma.
pub(super) struct JoinedHeaders<'a>(pub(super) &'a HeaderMap);

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

pub(super) fn cookies(headers: &HeaderMap) -> Option<Vec<Cow<'_, str>>> {
    let mut cookies = Vec::new();
    for value in headers.get_all(header::COOKIE) {
        match value.to_str() {
            Ok(value) => cookies.extend(value.split(';').map(|cookie| Cow::Borrowed(cookie.trim()))),
            Err(_) => cookies.push(Cow::Owned(String::from_utf8_lossy(value.as_bytes()).into_owned())),
        }
    }
    (!cookies.is_empty()).then_some(cookies)
}

pub(super) fn query_parameters(query: &str) -> Option<BTreeMap<Cow<'_, str>, String>> {
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

pub(super) fn path_parameters<'a>(
    parameters: &[(&'a str, &'a str)],
) -> Option<BTreeMap<&'a str, Cow<'a, str>>> {
    let decode = |(name, value): &(&'a str, &'a str)| (*name, percent_decode_str(value).decode_utf8_lossy());
    (!parameters.is_empty()).then(|| parameters.iter().map(decode).collect())
}

/// A body is text only for the content types API Gateway takes for text, and base64 for all others,
/// a missing one and `+json` included.
pub(super) fn encode_body<'a>(
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

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

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
}
