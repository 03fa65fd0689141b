//! The page to try queries on, in development.

use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use shared::html::escape;

/// GraphiQL. Scripts run by a nonce that no other page has, which the request's id is, and only as the page pins them.
pub(crate) fn page(request_id: &str) -> Response {
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{request_id}'; style-src 'unsafe-inline' https://cdn.jsdelivr.net; \
         font-src data:; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let page = include_str!("graphiql.html").replace("NONCE", &escape(request_id));
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy.as_str()),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, Html(page)).into_response()
}
