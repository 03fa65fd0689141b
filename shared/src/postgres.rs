//! Postgres: a pool of at most two connections per instance and one way to run a statement.
//!
//! Statements are sent with their parameter types (`query_typed`): one round trip instead of prepare and
//! execute, and nothing prepared that would pin a connection of a proxy. Every statement commits by itself; what
//! must be atomic is one statement or one function in `infra/migrations`. The future is boxed, so that the client
//! is compiled into this crate once and not into every function.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail, ensure};
use deadpool_postgres::{Connect, Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
pub use tokio_postgres::types::Type;
pub use tokio_postgres::{Client, Config, Row};
use tokio_postgres::{NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::config::Authorities;
use crate::iam::Login;
use crate::{Error, Result, config, telemetry, tls};

/// A parameter and its type.
pub type Param<'a> = (&'a (dyn ToSql + Sync), Type);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Below the functions' timeout, so that a client hears `unavailable` rather than nothing.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);

/// The pool.
pub struct Postgres {
    pool: Pool,
}

impl Postgres {
    /// A pool for a database, connected on first use.
    pub fn new(database: config::Database) -> anyhow::Result<Self> {
        let door = Door::to(database)?;
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_connect(door.config.clone(), door, recycling);
        let pool = Pool::builder(manager)
            .max_size(2)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(STATEMENT_TIMEOUT))
            .create_timeout(Some(CONNECT_TIMEOUT))
            .build()?;
        Ok(Self { pool })
    }

    /// Opens a connection ahead of the first request; a database that is down is met again there.
    pub async fn warm_up(&self) {
        if let Err(error) = self.pool.get().await {
            tracing::warn!(
                cause = format!("{:#}", cause(error)),
                "Postgres is not reachable yet: DATABASE_URL"
            );
        }
    }

    /// Asks for a sign of life, and waits for it no longer than that.
    pub async fn ping(&self, limit: Duration) -> Result<()> {
        let hangs = |_| Error::Unavailable(anyhow::anyhow!("Postgres did not answer in {limit:?}"));
        let deadline = tokio::time::Instant::now() + limit;
        let client = tokio::time::timeout_at(deadline, self.pool.get()).await.map_err(hangs)?;
        let client = client.map_err(|error| Error::Unavailable(cause(error)))?;
        let answered = tokio::time::timeout_at(deadline, client.check_connection()).await;
        answered
            .map_err(|late| {
                // It still waits for the answer, and whoever comes next must not wait with it.
                drop(deadpool_postgres::Object::take(client));
                hangs(late)
            })?
            .map_err(store_error)
    }

    /// Runs a statement and returns its rows.
    pub fn query<'a>(&'a self, sql: &'a str, params: &'a [Param<'_>]) -> BoxFuture<'a, Result<Vec<Row>>> {
        let query = async move {
            match self.try_query(sql, params).await? {
                Ok(rows) => Ok(rows),
                // A statement that lost a race for locks changed nothing, so it may be run once more.
                Err(error) if lost_a_race(&error) => self.try_query(sql, params).await?.map_err(store_error),
                Err(error) => Err(store_error(error)),
            }
        };
        telemetry::traced(telemetry::Call::Postgres(sql), query, Result::is_err).boxed()
    }

    /// Runs a statement that returns at most one row.
    pub async fn query_opt(&self, sql: &str, params: &[Param<'_>]) -> Result<Option<Row>> {
        Ok(self.query(sql, params).await?.into_iter().next())
    }

    /// Runs a statement that returns exactly one row.
    pub async fn query_one(&self, sql: &str, params: &[Param<'_>]) -> Result<Row> {
        let row = self.query_opt(sql, params).await?;
        row.ok_or_else(|| Error::Internal(anyhow::anyhow!("a statement returned no row")))
    }

    async fn try_query(
        &self,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Result<Vec<Row>, tokio_postgres::Error>> {
        let client = self.pool.get().await.map_err(|error| Error::Unavailable(cause(error)))?;
        tokio::time::timeout(STATEMENT_TIMEOUT, client.query_typed(sql, params)).await.map_err(|_| {
            // The connection still waits for the answer; it must not serve anybody else.
            drop(deadpool_postgres::Object::take(client));
            Error::Unavailable(anyhow::anyhow!("Postgres did not answer in {STATEMENT_TIMEOUT:?}"))
        })
    }
}

/// Opens one connection outside the pool, for migrations.
pub async fn connect(database: config::Database) -> anyhow::Result<Client> {
    let (client, _connection) = Door::to(database)?.open().await.context("connecting to DATABASE_URL")?;
    Ok(client)
}

/// How connections are opened: with TLS or without, by a password or by a token of the moment.
#[derive(Clone)]
struct Door {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    login: Option<Arc<Login>>,
}

impl Door {
    fn to(database: config::Database) -> anyhow::Result<Self> {
        // The address holds a password, so it is not repeated in the error.
        let mut config: Config = database.url.parse().context("DATABASE_URL is not a Postgres address")?;
        config.connect_timeout(CONNECT_TIMEOUT);
        config.application_name("chat");
        // Not for `prefer`, the default: a certificate is always verified, and a server of one's own has none to show.
        let encrypted = config.get_ssl_mode() == SslMode::Require;
        ensure!(
            encrypted || database.authorities == Authorities::Public,
            "with DATABASE_CA the DATABASE_URL must have sslmode=require: nothing is verified without TLS"
        );
        let tls = encrypted.then(|| tls::client(&database.authorities)).transpose().context("DATABASE_CA")?;
        let login = database.iam.map(|aws| {
            ensure!(
                encrypted,
                "with DATABASE_IAM the DATABASE_URL must have sslmode=require: a token is a password"
            );
            let [Host::Tcp(host)] = config.get_hosts() else { bail!("DATABASE_URL must name one host") };
            let port = config.get_ports().first().copied().unwrap_or(5432);
            let user = config.get_user().context("DATABASE_URL must name the user who signs in by IAM")?;
            let login = Login::to_postgres(host, port, user, aws);
            // What cannot be signed is known now and not at the first request.
            login.token(SystemTime::now())?;
            Ok(Arc::new(login))
        });
        Ok(Self { tls: tls.map(MakeRustlsConnect::new), login: login.transpose()?, config })
    }

    async fn open(&self) -> Result<(Client, JoinHandle<()>), tokio_postgres::Error> {
        let mut config = self.config.clone();
        if let Some(login) = &self.login {
            match login.token(SystemTime::now()) {
                Ok(token) => drop(config.password(token)),
                // The server says the rest.
                Err(error) => tracing::error!(cause = format!("{error:#}"), "no token could be signed"),
            }
        }
        Ok(match &self.tls {
            None => spawn(config.connect(NoTls).await?),
            Some(tls) => spawn(config.connect(tls.clone()).await?),
        })
    }
}

impl Connect for Door {
    fn connect(&self, _: &Config) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), tokio_postgres::Error>> {
        self.open().boxed()
    }
}

/// Serves a connection for as long as its client is there.
fn spawn<S>((client, connection): (Client, tokio_postgres::Connection<Socket, S>)) -> (Client, JoinHandle<()>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    // How it ends, whoever uses it hears.
    (client, tokio::spawn(async { drop(connection.await) }))
}

/// Why there is no connection; the pool's own text says the first half of it twice.
fn cause(error: PoolError) -> anyhow::Error {
    match error {
        PoolError::Backend(error) => error.into(),
        other => other.into(),
    }
}

fn lost_a_race(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| {
        [
            &SqlState::T_R_SERIALIZATION_FAILURE,
            &SqlState::T_R_DEADLOCK_DETECTED,
            // Somebody was erased between the look at them and the write; the next look says whom nobody finds.
            &SqlState::FOREIGN_KEY_VIOLATION,
        ]
        .contains(&code)
    })
}

/// What Postgres refused. Its detail is left out: it may hold values of the row.
#[derive(Debug, thiserror::Error)]
#[error("Postgres: {code}: {message}")]
struct Refusal {
    code: String,
    message: String,
}

/// A broken connection, a server that is starting, stopping or full: the outcome is open. Anything else is a
/// fault of ours.
fn store_error(error: tokio_postgres::Error) -> Error {
    let Some(refusal) = error.as_db_error() else {
        let broken = error.is_closed()
            || std::error::Error::source(&error).is_some_and(<dyn std::error::Error>::is::<std::io::Error>);
        return if broken { Error::Unavailable(error.into()) } else { Error::Internal(error.into()) };
    };
    if refusal.code() == &SqlState::FOREIGN_KEY_VIOLATION {
        // Also the second time, and whatever else is named was looked up by the statement: what is gone is who acts.
        return Error::Unauthenticated("The account does not exist any more.");
    }
    let code = refusal.code().code().to_owned();
    let unavailable = ["08", "53", "57"].iter().any(|class| code.starts_with(class));
    let refusal = Refusal { code, message: refusal.message().to_owned() };
    if unavailable { Error::Unavailable(refusal.into()) } else { Error::Internal(refusal.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aws() -> config::Aws {
        config::Aws {
            region: "us-east-1".to_owned(),
            access_key_id: "akid".to_owned(),
            secret_access_key: "secret".to_owned(),
            session_token: None,
        }
    }

    /// What is said of settings when a function starts; nothing is connected to.
    fn said_of(url: &str, authorities: Authorities, iam: Option<config::Aws>) -> Option<String> {
        let url = url.to_owned();
        Postgres::new(config::Database { url, authorities, iam }).err().map(|error| format!("{error:#}"))
    }

    #[test]
    fn settings_that_fit_are_taken_before_anything_is_connected() {
        let encrypted = "postgres://me@host/chat?sslmode=require";
        for (url, authorities) in [
            ("postgres://me:secret@host:5433/chat", Authorities::Public),
            (encrypted, Authorities::Public),
            (encrypted, Authorities::Rds),
        ] {
            assert_eq!(said_of(url, authorities.clone(), None), None, "{url} {authorities:?}");
        }
        assert_eq!(said_of(encrypted, Authorities::Rds, Some(aws())), None);
    }

    #[test]
    fn a_setting_that_does_not_fit_is_named_and_no_password_repeated() {
        let nowhere = || Authorities::File("/there/is/none".into());
        for (url, authorities, iam, expected) in [
            ("me:secret@host", Authorities::Public, None, "DATABASE_URL is not a Postgres address"),
            (
                "postgres://me:secret@host/chat?sslmode=secret",
                Authorities::Public,
                None,
                "DATABASE_URL is not a Postgres address",
            ),
            (
                "postgres://me:secret@host/chat?sslmode=require",
                nowhere(),
                None,
                "DATABASE_CA: the authorities in /there/is/none: ",
            ),
            (
                "postgres://me:secret@host/chat",
                nowhere(),
                None,
                "with DATABASE_CA the DATABASE_URL must have sslmode=require",
            ),
            (
                "postgres://me:secret@host/chat",
                Authorities::Rds,
                None,
                "with DATABASE_CA the DATABASE_URL must have sslmode=require",
            ),
            (
                "postgres://me:secret@host/chat?sslmode=prefer",
                Authorities::Public,
                Some(aws()),
                "with DATABASE_IAM the DATABASE_URL must have sslmode=require",
            ),
            (
                "postgres://host/chat?sslmode=require",
                Authorities::Public,
                Some(aws()),
                "DATABASE_URL must name the user",
            ),
            (
                "postgres://me@one,two/chat?sslmode=require",
                Authorities::Public,
                Some(aws()),
                "DATABASE_URL must name one host",
            ),
        ] {
            let said = said_of(url, authorities, iam).unwrap_or_else(|| panic!("{url} was taken"));
            assert!(said.starts_with(expected), "{url}: {said}");
            assert!(!said.contains("secret"), "{url}: {said}");
        }
    }
}
