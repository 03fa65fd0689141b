//! Health: whether the stores answer, found out quickly, also when one of them hangs.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use crate::{App, Error};

/// How long a store may take.
const LIMIT: Duration = Duration::from_millis(800);

/// How things are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(examples(json!({ "status": "healthy", "checks": { "postgres": true, "redis": true } })))]
pub struct Health {
    /// Healthy if all are well.
    pub status: Status,
    /// Which are.
    pub checks: Checks,
}

/// Whether requests can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// They can.
    Healthy,
    /// They cannot, or not all.
    Unhealthy,
}

/// Whether each store answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Checks {
    /// Postgres does.
    pub postgres: bool,
    /// Redis does, of a cluster every node that serves something.
    pub redis: bool,
}

/// Asks both stores at the same time.
pub async fn check(app: &App) -> Health {
    let redis =
        async { tokio::time::timeout(LIMIT, app.redis.ping()).await.unwrap_or_else(|_| Err(hangs())) };
    let (postgres, redis) = tokio::join!(app.postgres.ping(LIMIT), redis);
    let checks = Checks { postgres: answers("postgres", &postgres), redis: answers("redis", &redis) };
    let status = if checks.postgres && checks.redis { Status::Healthy } else { Status::Unhealthy };
    Health { status, checks }
}

fn hangs() -> Error {
    Error::Unavailable(anyhow::anyhow!("no answer in {LIMIT:?}"))
}

fn answers(store: &str, asked: &Result<(), Error>) -> bool {
    if let Err(error) = asked {
        let cause = error.cause().map(|cause| format!("{cause:#}"));
        tracing::warn!(store, cause, "a store does not answer");
    }
    asked.is_ok()
}
