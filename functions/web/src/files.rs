//! The embedded files, and how one is answered.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use shared::{Error, Result};

use crate::negotiation::{self, Encoding};

/// The files that have a hash in their names.
pub(crate) const ASSETS: &str = "/assets/";

/// A file as it is served.
pub(crate) struct File {
    pub(crate) path: &'static str,
    kind: &'static str,
    cache_control: &'static str,
    tag: &'static str,
    plain: &'static [u8],
    /// None where it would be no smaller.
    brotli: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
}

/// All of them, in the order of their paths.
static FILES: &[File] = &include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// The routes to all files but those that operations of the API answer with.
pub(crate) fn router() -> Router {
    let named = FILES.iter().filter(|file| !file.path.starts_with(ASSETS) && file.kind != "application/json");
    let router = named.fold(Router::new(), |router, file| {
        router.route(file.path, get(async |headers: HeaderMap| file.answer(&headers)))
    });
    router.route("/assets/{*path}", get(async |uri: Uri, headers: HeaderMap| answer(uri.path(), &headers)))
}

/// The file of a path.
pub(crate) fn answer(path: &str, headers: &HeaderMap) -> Result<Response> {
    let found = FILES.binary_search_by_key(&path, |file| file.path);
    found.map(|at| FILES[at].answer(headers)).map_err(|_| Error::NotFound("path"))
}

impl File {
    fn answer(&self, headers: &HeaderMap) -> Response {
        let (encoding, body) = self.encoded(headers);
        // A strong tag is of one representation, hence another one for each encoding.
        let tag = encoding.map_or_else(
            || format!("\"{}\"", self.tag),
            |encoding| format!("\"{}-{}\"", self.tag, encoding.name()),
        );
        let unchanged = negotiation::is_known(headers, &tag);
        let mut response = if unchanged {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            ([(header::CONTENT_TYPE, self.kind)], Body::from(body)).into_response()
        };
        let answer = response.headers_mut();
        if let Some(encoding) = encoding.filter(|_| !unchanged) {
            answer.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding.name()));
        }
        if let Ok(tag) = HeaderValue::try_from(tag) {
            answer.insert(header::ETAG, tag);
        }
        answer.insert(header::CACHE_CONTROL, HeaderValue::from_static(self.cache_control));
        // Whether an origin may read it the gateway says. Of assets nobody else knows the names, and their pages ask for them now
        // with an origin, now without: they would be asked for twice.
        let vary = if self.path.starts_with(ASSETS) { "accept-encoding" } else { "accept-encoding, origin" };
        answer.insert(header::VARY, HeaderValue::from_static(vary));
        response
    }

    /// The file in the encoding that the client likes most; in none if it likes none that there is.
    fn encoded(&self, headers: &HeaderMap) -> (Option<Encoding>, &'static [u8]) {
        let compressed = [(Encoding::Brotli, self.brotli), (Encoding::Gzip, self.gzip)];
        let there = compressed.into_iter().filter_map(|(encoding, body)| Some((encoding, body?)));
        let there: Vec<_> = there.collect();
        let liked = negotiation::preferred(headers, there.iter().map(|(encoding, _)| *encoding));
        match there.into_iter().find(|(encoding, _)| Some(*encoding) == liked) {
            Some((encoding, body)) => (Some(encoding), body),
            None => (None, self.plain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_in_the_order_in_which_they_are_searched() {
        assert!(FILES.is_sorted_by_key(|file| file.path));
        assert!(FILES.iter().any(|file| file.path == "/"));
    }

    #[test]
    fn none_is_larger_than_lambda_lets_out() {
        // 6 MB of JSON, in which bytes are in base64.
        assert!(FILES.iter().all(|file| file.plain.len() < 4_000_000));
    }
}
