//! `migrate`: bring the database's schema up to date, a step of every deployment, never of a handler's start; and make the
//! first admin, which no request can.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::administration::{self, Appointment};
use shared::{config, parse, postgres, telemetry};

mod migrations {
    refinery::embed_migrations!("../../infra/migrations");
}

#[derive(Deserialize)]
struct Event {
    /// Whom to make an admin, in place of migrating.
    admin: Option<Value>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init()?;
    let handler = async |event: LambdaEvent<Event>| match event.payload.admin {
        None => migrate(config::Database::from_env()?).await,
        Some(admin) => appoint(config::Database::from_env()?, admin).await,
    };
    lambda_runtime::run(service_fn(handler)).await
}

async fn migrate(database: config::Database) -> Result<Value, Error> {
    let mut database = postgres::connect(database).await?;
    // Each migration is its own transaction; refinery refuses one that was changed after it was applied.
    let report =
        migrations::migrations::runner().run_async(&mut database).await.map_err(|error| reason(&error))?;
    let applied: Vec<_> = report.applied_migrations().iter().map(ToString::to_string).collect();
    tracing::info!(count = applied.len(), "migrated");
    Ok(json!({ "applied": applied }))
}

/// Why a migration failed: the chain of causes, and not all migrations there are, which refinery's error shows.
fn reason(error: &refinery::Error) -> Error {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text.into()
}

/// What is wrong with the input is answered, not failed with: a failure's text would go into the log.
async fn appoint(database: config::Database, admin: Value) -> Result<Value, Error> {
    let database = postgres::Postgres::new(database)?;
    let appointed = match parse::typed::<Appointment>(admin) {
        Ok(appointment) => administration::appoint(&database, &appointment).await,
        Err(error) => Err(error),
    };
    match appointed {
        Ok(outcome) => Ok(json!({ "admin": outcome })),
        Err(error) if !error.fields().is_empty() => Ok(json!({ "errors": error.fields() })),
        Err(error) => Err(error.into()),
    }
}
