//! `web`: the web client, the admin pages, the reference, and the documents of the API; all of it files, the same for everybody.
//!
//! They are embedded as `functions/web/embed` prepares them. No store is asked, so the pages are there when the stores are
//! not, and nothing is throttled. It also answers what no route of the API is for.

mod documents;
mod files;
mod headers;
mod negotiation;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderValue};
use axum::middleware::{self, Next};
use axum::response::Response;
use shared::http::Routes;

pub use crate::headers::Headers;

/// The routes: operations of the API, and files, which are none.
pub fn routes() -> Routes<()> {
    Routes::new(documents::routes()).beside(files::router())
}

/// All that is served, with these headers on the answers.
pub fn router(headers: Headers) -> Router {
    routes().unchecked().layer(middleware::from_fn_with_state(headers, complete))
}

async fn complete(State(headers): State<Headers>, request: Request, next: Next) -> Response {
    let is_asset = request.uri().path().starts_with(files::ASSETS);
    let mut answer = next.run(request).await;
    if is_asset {
        Headers::put_on_asset(answer.headers_mut());
    } else {
        headers.put_on(answer.headers_mut());
    }
    // What is not there may be there after the next deployment.
    answer.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    answer
}
