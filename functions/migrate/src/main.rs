//! `migrate`: bring the database's schema up to date. A step of every deployment, never of a handler's start.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};
use shared::{config, postgres, telemetry};

mod migrations {
    refinery::embed_migrations!("../../infra/migrations");
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init()?;
    let database_url = &config::Stores::from_env()?.database_url;
    let handler = async |_: LambdaEvent<Value>| {
        let mut database = postgres::connect(database_url).await?;
        // Each migration is its own transaction; refinery refuses one that was changed after it was applied.
        let report = migrations::migrations::runner().run_async(&mut database).await?;
        let applied: Vec<_> = report.applied_migrations().iter().map(ToString::to_string).collect();
        tracing::info!(count = applied.len(), "migrated");
        Ok::<_, Error>(json!({ "applied": applied }))
    };
    lambda_runtime::run(service_fn(handler)).await
}
