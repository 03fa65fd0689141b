//! The migrations of `infra/migrations`: all that are pending in one transaction, by one at a time.

use std::error::Error as _;
use std::time::Duration;

use anyhow::{anyhow, bail, ensure};
use tokio::time::{Instant, sleep};
use tokio_postgres::Client;
use tokio_postgres::error::DbError;

mod migrations {
    refinery::embed_migrations!("../../infra/migrations");
}

/// Whoever serves requests waits behind a migration that waits for a lock, so that is not for long.
const LOCK_TIMEOUT: &str = "set lock_timeout = '3s'";
/// Held as long as this connection is.
const LOCK: &str = "select pg_try_advisory_lock(hashtextextended('migrations', 0))";

/// The server itself ends what takes longer: it would go on after nobody listens any more. (Postgres 17 knows of transactions,
/// too.)
const TIMEOUT: &str = "select set_config(name, $1, false) from pg_settings
    where name in ('statement_timeout', 'transaction_timeout')";
/// What is waited between two attempts to take the lock.
const PAUSE: Duration = Duration::from_secs(1);

/// Whether another migration is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Another {
    /// It may be the same event, which was delivered twice, or one that nobody listens to any more.
    Waited,
    Refused,
}

/// Brings the schema up to date by the deadline; what was applied.
pub(crate) async fn migrate(
    database: &mut Client,
    another: Another,
    deadline: Instant,
) -> anyhow::Result<Vec<String>> {
    database.batch_execute(LOCK_TIMEOUT).await?;
    while !database.query_one(LOCK, &[]).await?.get::<_, bool>(0) {
        let waits = another == Another::Waited && Instant::now() + PAUSE < deadline;
        ensure!(waits, "another migration is running");
        sleep(PAUSE).await;
    }
    let left = deadline.saturating_duration_since(Instant::now()).max(PAUSE);
    database.query(TIMEOUT, &[&format!("{}ms", left.as_millis())]).await?;
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

/// Why a migration failed: of what Postgres says not the detail, which may hold values of rows, and of what is wrong with values
/// (class 22) the code alone; of what refinery says not all migrations there are, which its error shows.
fn reason(error: &refinery::Error) -> anyhow::Error {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(refusal) = error.downcast_ref::<DbError>() {
            let code = refusal.code().code();
            let message = if code.starts_with("22") { "a value does not fit" } else { refusal.message() };
            return anyhow!("Postgres refused a migration: {code}: {message}");
        }
        cause = error.source();
    }
    anyhow!("{error}")
}
