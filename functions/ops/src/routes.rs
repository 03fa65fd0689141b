//! `/healthz` and `/metrics`.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use shared::health::{self, Status};
use shared::http::{Json, shows_token};
use shared::{App, Error, Result, metrics};

/// Prometheus' text format.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Who may read the metrics.
#[derive(Clone)]
pub(crate) enum Guard {
    /// Everybody.
    Open,
    /// Who shows the token; without one nobody.
    Token(Option<String>),
}

/// The routes.
pub(crate) fn router(guard: Guard) -> Router<App> {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/metrics", get(move |state, headers| metrics(state, headers, guard.clone())))
}

async fn healthz(State(app): State<App>) -> impl IntoResponse {
    let health = health::check(&app).await;
    let status = match health.status {
        Status::Healthy => StatusCode::OK,
        Status::Unhealthy => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(health))
}

async fn metrics(State(app): State<App>, headers: HeaderMap, guard: Guard) -> Result<impl IntoResponse> {
    if let Guard::Token(token) = guard
        && !token.is_some_and(|token| shows_token(&headers, &token))
    {
        return Err(Error::Unauthenticated("The metrics are for whoever has their token."));
    }
    let text = metrics::report(&app.redis).await?;
    Ok(([(header::CONTENT_TYPE, EXPOSITION), (header::CACHE_CONTROL, "no-store")], text))
}
