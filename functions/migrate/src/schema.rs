//! The migrations of `infra/migrations`: all that are pending in one transaction, by one at a time.

use std::error::Error as _;

use anyhow::{anyhow, bail, ensure};
use tokio_postgres::Client;
use tokio_postgres::error::DbError;

mod migrations {
    refinery::embed_migrations!("../../infra/migrations");
}

/// Whoever serves requests waits behind a migration that waits for a lock, so that is not for long.
const LOCK_TIMEOUT: &str = "set lock_timeout = '3s'";
/// Held as long as this connection is.
const LOCK: &str = "select pg_try_advisory_lock(hashtextextended('migrations', 0))";

/// Brings the schema up to date; what was applied.
pub(crate) async fn migrate(database: &mut Client) -> anyhow::Result<Vec<String>> {
    database.batch_execute(LOCK_TIMEOUT).await?;
    ensure!(database.query_one(LOCK, &[]).await?.get::<_, bool>(0), "another migration is running");
    // Migrations of newer code are none of ours: after a roll-back the schema stays ahead of the code.
    let runner = migrations::migrations::runner().set_grouped(true).set_abort_missing(false);
    let ours: Vec<_> = runner.get_migrations().iter().map(refinery::Migration::version).collect();
    // The table of those that were applied is made by the run.
    if is_there(database, "refinery_schema_history").await? {
        let applied = runner.get_applied_migrations_async(database).await.map_err(|error| reason(&error))?;
        let applied: Vec<_> = applied.iter().map(refinery::Migration::version).collect();
        let latest = applied.iter().max().copied().unwrap_or_default();
        if let Some(left_out) = ours.iter().find(|version| **version < latest && !applied.contains(version)) {
            bail!("migration {left_out} was not applied, but later ones were");
        }
    }
    let report = runner.run_async(database).await.map_err(|error| reason(&error))?;
    Ok(report.applied_migrations().iter().map(ToString::to_string).collect())
}

async fn is_there(database: &Client, table: &str) -> anyhow::Result<bool> {
    Ok(database.query_one("select to_regclass($1::text) is not null", &[&table]).await?.get(0))
}

/// Why a migration failed: of what Postgres says not the detail, which may hold values of rows; of what refinery says not
/// all migrations there are, which its error shows.
fn reason(error: &refinery::Error) -> anyhow::Error {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(refusal) = error.downcast_ref::<DbError>() {
            return anyhow!("Postgres refused a migration: {}: {}", refusal.code().code(), refusal.message());
        }
        cause = error.source();
    }
    anyhow!("{error}")
}
