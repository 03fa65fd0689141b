//! `migrate`: bring the database's schema up to date, a step of every deployment, never of a handler's start; and make the
//! first admin, which no request can.

mod custom_resource;
mod owner;
mod role;
mod schema;

use std::time::{Duration, SystemTime};

use anyhow::Context;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};
use shared::administration::{self, Appointment};
use shared::{config, parse, postgres, telemetry};
use tokio::time::{Instant, timeout_at};

use schema::Another;

/// What is left of an invocation to answer in when a migration takes too long.
const TO_ANSWER: Duration = Duration::from_secs(20);
/// What the database has before that to undo it.
const TO_END: Duration = Duration::from_secs(5);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init()?;
    let handler = async |LambdaEvent { payload, context }: LambdaEvent<Value>| {
        let left = context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
        let deadline = Instant::now() + left.saturating_sub(TO_ANSWER);
        if payload.get("RequestType").is_some() {
            let migration = migrate(Another::Waited, deadline);
            custom_resource::answer(serde_json::from_value(payload)?, migration).await
        } else if let Some(admin) = payload.get("admin") {
            appoint(admin.clone()).await
        } else {
            let migrated = migrate(Another::Refused, deadline).await;
            migrated.map_err(|error| format!("{error:#}").into())
        }
    };
    lambda_runtime::run(service_fn(handler)).await
}

async fn migrate(another: Another, deadline: Instant) -> anyhow::Result<Value> {
    let migrate = async {
        let config::Migration { secret, role } = config::Migration::from_env()?;
        let mut database = owner::connect(secret).await?;
        let applied = schema::migrate(&mut database, another, deadline - TO_END).await?;
        if let Some(role) = role {
            role::admit(&database, &role).await?;
        }
        tracing::info!(count = applied.len(), "migrated");
        Ok(json!({ "applied": applied }))
    };
    timeout_at(deadline, migrate).await.context("it is not done in the time that the function has")?
}

/// What is wrong with the input is answered, not failed with: a failure's text would go into the log.
async fn appoint(admin: Value) -> Result<Value, Error> {
    let database = owner::database(config::Migration::from_env()?.secret).await;
    let database = database.map_err(|error| format!("{error:#}"))?;
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
