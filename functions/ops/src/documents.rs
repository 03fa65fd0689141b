//! The documents of the API, which `make documents` writes from the code's types.

use axum::http::{HeaderName, header};
use shared::http::Route;

const OPENAPI: &str = include_str!("../documents/openapi.json");
const ASYNCAPI: &str = include_str!("../documents/asyncapi.json");

/// The routes.
pub(crate) fn routes() -> impl IntoIterator<Item = Route> {
    shared::routes![show_openapi, show_asyncapi]
}

/// Shows this document: the HTTP API, in OpenAPI.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "operations",
    responses((
        status = 200,
        description = "The document.",
        body = Object,
        content_type = "application/json",
        headers(("Cache-Control" = String, description = "For how long it may be kept.")),
    )),
)]
async fn show_openapi() -> ([(HeaderName, &'static str); 2], &'static str) {
    document(OPENAPI)
}

/// Shows the document of the WebSocket API, in AsyncAPI.
#[utoipa::path(
    get,
    path = "/asyncapi.json",
    tag = "operations",
    responses((
        status = 200,
        description = "The document.",
        body = Object,
        content_type = "application/json",
        headers(("Cache-Control" = String, description = "For how long it may be kept.")),
    )),
)]
async fn show_asyncapi() -> ([(HeaderName, &'static str); 2], &'static str) {
    document(ASYNCAPI)
}

/// It changes with a deployment only.
fn document(text: &'static str) -> ([(HeaderName, &'static str); 2], &'static str) {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "public, max-age=300")], text)
}
