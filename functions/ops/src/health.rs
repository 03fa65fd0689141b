//! `/healthz` and `/metrics`.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use shared::health::{self, Health, Status};
use shared::http::answers::Unauthenticated;
use shared::http::{Json, Route, shows_token};
use shared::{App, Error, Result, metrics};

/// Prometheus' text format.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Who may read the metrics.
#[derive(Clone)]
pub enum Guard {
    /// Everybody.
    Open,
    /// Who shows the token; without one nobody.
    Token(Option<String>),
}

/// The routes.
pub(crate) fn routes() -> impl IntoIterator<Item = Route> {
    shared::routes![show_health, show_metrics]
}

/// Says whether the stores answer.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "operations",
    responses(
        (status = 200, description = "All of them answer.", body = Health),
        (status = 503, description = "One of them does not answer within 0.8 s.", body = Health),
    ),
)]
async fn show_health(State(app): State<App>) -> impl IntoResponse {
    let health = health::check(&app).await;
    let status = match health.status {
        Status::Healthy => StatusCode::OK,
        Status::Unhealthy => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(health))
}

/// Counts what all functions did, in Prometheus' text format.
///
/// In development nobody needs a token.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operations",
    responses(
        (status = 200, description = "The metrics.", body = String, content_type = "text/plain"),
        (status = 401, response = Unauthenticated),
    ),
    security((), ("metrics" = [])),
)]
async fn show_metrics(
    State(app): State<App>,
    headers: HeaderMap,
    Extension(guard): Extension<Guard>,
) -> Result<impl IntoResponse> {
    if let Guard::Token(token) = guard
        && !token.is_some_and(|token| shows_token(&headers, &token))
    {
        return Err(Error::Unauthenticated("The metrics are for whoever has their token."));
    }
    let text = metrics::report(&app.redis).await?;
    Ok(([(header::CONTENT_TYPE, EXPOSITION), (header::CACHE_CONTROL, "no-store")], text))
}
