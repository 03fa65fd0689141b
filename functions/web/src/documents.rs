//! The documents of the API, which `make documents` writes from the code's types.

use axum::http::HeaderMap;
use axum::response::Response;
use shared::Result;
use shared::http::Route;

use crate::files;

/// The routes.
pub(crate) fn routes() -> impl IntoIterator<Item = Route<()>> {
    shared::routes![show_openapi, show_asyncapi]
}

/// Shows this document: the HTTP API, in OpenAPI.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "operations",
    responses(
        (
            status = 200,
            description = "The document.",
            body = Object,
            content_type = "application/json",
            headers(
                ("Cache-Control" = String, description = "For how long it may be kept."),
                ("ETag" = String, description = "Which version it is, for `If-None-Match`."),
            ),
        ),
        (
            status = 304,
            description = "It is the one that `If-None-Match` names.",
            headers(
                ("Cache-Control" = String, description = "For how long it may be kept."),
                ("ETag" = String, description = "Which version it is."),
            ),
        ),
    ),
)]
async fn show_openapi(headers: HeaderMap) -> Result<Response> {
    files::answer("/openapi.json", &headers)
}

/// Shows the document of the WebSocket API, in AsyncAPI.
#[utoipa::path(
    get,
    path = "/asyncapi.json",
    tag = "operations",
    responses(
        (
            status = 200,
            description = "The document.",
            body = Object,
            content_type = "application/json",
            headers(
                ("Cache-Control" = String, description = "For how long it may be kept."),
                ("ETag" = String, description = "Which version it is, for `If-None-Match`."),
            ),
        ),
        (
            status = 304,
            description = "It is the one that `If-None-Match` names.",
            headers(
                ("Cache-Control" = String, description = "For how long it may be kept."),
                ("ETag" = String, description = "Which version it is."),
            ),
        ),
    ),
)]
async fn show_asyncapi(headers: HeaderMap) -> Result<Response> {
    files::answer("/asyncapi.json", &headers)
}
