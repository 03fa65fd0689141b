//! `web`: the web client, the admin pages, the reference, and the documents of the API; all of it files, the same for everybody.
//!
//! They are embedded as `functions/web/embed` prepares them. No store is asked, so the pages are there when the stores are
//! not, and nothing is throttled. It also answers what no route of the API is for.

mod documents;
mod files;
mod headers;
mod negotiation;

use axum::Router;
use axum::extract::State;
use axum::http::header::{self, HeaderValue};
use axum::middleware;
use axum::response::Response;
use shared::http::Routes;

pub use crate::headers::Headers;

/// The routes: operations of the API, and files, which are none.
pub fn routes() -> Routes<()> {
    Routes::new(documents::routes()).beside(files::router())
}

/// All that is served, with these headers on every answer.
pub fn router(headers: Headers) -> Router {
    routes().unchecked().layer(middleware::map_response_with_state(headers, completed))
}

async fn completed(State(headers): State<Headers>, mut answer: Response) -> Response {
    headers.put_on(answer.headers_mut());
    // What is not there may be there after the next deployment.
    answer.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    answer
}
