//! The headers that bound what a page may do.

use axum::http::HeaderMap;
use axum::http::header::{self, HeaderName, HeaderValue};

/// Those of pages, and of all else but assets.
#[derive(Clone)]
pub struct Headers(HeaderMap);

impl Headers {
    /// Those of an API at these addresses: the page's own, and where its WebSockets lead.
    pub fn new(public_url: &str, websocket_url: &str) -> Result<Self, header::InvalidHeaderValue> {
        // Nothing inline, nothing from elsewhere; text becomes markup nowhere but in the one policy that names the
        // service worker's script.
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
             connect-src 'self' {}; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; \
             frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types service-worker",
            origin(websocket_url)
        );
        let fixed = [
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
            (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
            (HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=()"),
        ];
        let mut headers: HeaderMap =
            fixed.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect();
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::try_from(policy)?);
        if public_url.starts_with("https://") {
            let a_year = HeaderValue::from_static("max-age=31536000");
            headers.insert(header::STRICT_TRANSPORT_SECURITY, a_year);
        }
        Ok(Self(headers))
    }

    /// A page loads some dozens of assets, and all of them are bound by its headers: their own only say that they are nothing
    /// else, and nothing by themselves.
    pub(crate) fn put_on_asset(answer: &mut HeaderMap) {
        answer.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        answer.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'"));
    }

    pub(crate) fn put_on(&self, answer: &mut HeaderMap) {
        for (name, value) in &self.0 {
            answer.insert(name, value.clone());
        }
    }
}

/// An address without its path.
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    url[host..].find('/').map_or(url, |at| &url[..host + at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_may_connect_to_the_api_and_its_websockets() {
        for (url, expected) in [
            (
                "wss://id.execute-api.eu-west-1.amazonaws.com/ws",
                "wss://id.execute-api.eu-west-1.amazonaws.com",
            ),
            ("ws://localhost:8080/ws", "ws://localhost:8080"),
            ("wss://chat.example.com", "wss://chat.example.com"),
        ] {
            let headers = Headers::new("https://chat.example.com", url).unwrap().0;
            let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
            assert!(policy.contains(&format!("; connect-src 'self' {expected}; ")), "{policy}");
        }
    }

    #[test]
    fn whoever_came_by_tls_stays_with_it() {
        let of = |url| Headers::new(url, "ws://localhost").unwrap().0;

        assert!(of("https://chat.example.com").contains_key(header::STRICT_TRANSPORT_SECURITY));
        assert!(!of("http://localhost:8080").contains_key(header::STRICT_TRANSPORT_SECURITY));
    }
}
