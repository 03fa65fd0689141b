//! Operations whose handlers are not described where they stand.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::{OpenApi, ToSchema};

/// What of the stores answers.
#[derive(ToSchema)]
#[schema(examples(json!({ "status": "healthy", "checks": { "postgres": true, "redis": true } })))]
#[expect(dead_code, reason = "only described")]
struct Health {
    /// `healthy`, or `unhealthy` if one of them does not answer.
    status: String,
    /// Whether each answers.
    checks: BTreeMap<String, bool>,
}

/// A request in GraphQL.
#[derive(ToSchema)]
#[schema(examples(json!({ "query": "{ me { id username } }" })))]
#[expect(dead_code, reason = "only described")]
struct GraphqlRequest {
    /// The operations.
    query: String,
    /// Which of them, if there are several.
    #[schema(rename = "operationName")]
    operation_name: Option<String>,
    /// The values of its variables.
    variables: Option<BTreeMap<String, Value>>,
}

/// The answer to a request in GraphQL.
#[derive(ToSchema)]
#[schema(examples(json!({ "data": { "me": { "username": "ada" } } })))]
#[expect(dead_code, reason = "only described")]
struct GraphqlAnswer {
    /// What was asked for; null where it failed.
    data: Option<BTreeMap<String, Value>>,
    /// What went wrong, each with a `code` among its `extensions`.
    #[schema(nullable = false)]
    errors: Option<Vec<BTreeMap<String, Value>>>,
}

/// Says whether the stores answer.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "operations",
    operation_id = "show_health",
    responses(
        (status = 200, description = "All of them answer.", body = Health),
        (status = 503, description = "One of them does not.", body = Health),
    ),
)]
#[expect(dead_code, reason = "only described")]
fn health() {}

/// Counts what the functions did, as Prometheus reads it.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operations",
    operation_id = "show_metrics",
    responses(
        (status = 200, description = "The metrics.", body = String, content_type = "text/plain"),
        (status = 401, response = shared::http::answers::Unauthenticated),
    ),
    security((), ("metrics" = [])),
)]
#[expect(dead_code, reason = "only described")]
fn metrics() {}

/// Answers a request in GraphQL.
#[utoipa::path(
    post,
    path = "/graphql",
    tag = "graphql",
    operation_id = "query_graphql",
    request_body = GraphqlRequest,
    responses((status = 200, description = "The answer, with or without errors.", body = GraphqlAnswer)),
    security((), ("bearer" = [])),
)]
#[expect(dead_code, reason = "only described")]
fn graphql() {}

/// Shows a page to try GraphQL with, in development.
#[utoipa::path(
    get,
    path = "/graphql",
    tag = "graphql",
    operation_id = "show_graphiql",
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html"),
        (status = 404, response = shared::http::answers::NotFound),
    ),
)]
#[expect(dead_code, reason = "only described")]
fn graphiql() {}

/// What the document says of them.
pub(crate) fn described() -> utoipa::openapi::OpenApi {
    #[derive(OpenApi)]
    #[openapi(paths(health, metrics, graphql, graphiql))]
    struct Others;

    Others::openapi()
}
