//! Signing in as the owner of the schema, by the address or by what a secret of RDS holds.

use std::time::Duration;

use anyhow::Context;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use shared::secrets::Secrets;
use shared::{config, postgres};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_postgres::Client;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use url::Url;

/// How long a database may be on its way: a new one, or one that had paused.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is waited between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// What RDS writes into the secret of a master user.
#[derive(Deserialize)]
struct Login {
    username: String,
    password: String,
}

/// The database as the owner of its schema reaches it.
pub(crate) async fn database(secret: Option<(String, config::Secrets)>) -> anyhow::Result<config::Database> {
    let mut database = config::Database::from_env()?;
    if let Some((secret, secrets)) = secret {
        let login = Secrets::new(secrets).current(&secret).await.context("DATABASE_SECRET")?;
        // It holds a password, so the parser's complaint, which may quote it, is not repeated.
        let login = serde_json::from_str(&login).ok();
        let login: Login = login.context("DATABASE_SECRET holds no username and password")?;
        database.url = with_login(&database.url, &login).context("DATABASE_URL is not postgres://host")?;
    }
    Ok(database)
}

fn with_login(url: &str, login: &Login) -> Option<String> {
    let mut url = Url::parse(url).ok()?;
    // The setters leave a percent sign as it is, and whoever reads the address would take it for an escape.
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    url.set_username(&encoded(&login.username)).ok()?;
    url.set_password(Some(&encoded(&login.password))).ok()?;
    Some(url.into())
}

/// A connection to it. Whoever is not there yet is asked again; who refuses is not.
pub(crate) async fn connect(secret: Option<(String, config::Secrets)>) -> anyhow::Result<Client> {
    let of_secret = secret.is_some();
    let config::Database { url, .. } = database(secret).await?;
    // The address holds a password, so it is not repeated in the error.
    let parsed = url.parse::<postgres::Config>().ok().context("DATABASE_URL is not a Postgres address")?;
    let may_show_a_token = of_secret && parsed.get_ssl_mode() == SslMode::Require;
    let deadline = Instant::now() + PATIENCE;
    let mut by_iam = false;
    loop {
        let iam = by_iam.then(config::Secrets::from_env).transpose()?.map(|secrets| secrets.aws);
        let database = config::Database { url: url.clone(), iam, ..config::Database::from_env()? };
        let attempt = timeout_at(deadline, postgres::connect(database)).await;
        let error = match attempt.with_context(|| format!("no answer within {PATIENCE:?}"))? {
            Ok(client) => return Ok(client),
            Err(error) => error,
        };
        // RDS takes no password from who may sign in by IAM, and since Postgres 16 whoever makes a role is a member of it.
        if may_show_a_token && !by_iam && is_login_refused(&error) {
            tracing::warn!("the owner's password is refused; signing in by IAM");
            by_iam = true;
            continue;
        }
        if refuses(&error) || Instant::now() + PAUSE > deadline {
            return Err(error);
        }
        tracing::warn!(cause = format!("{error:#}"), "the database is not there yet");
        sleep(PAUSE).await;
    }
}

fn code(error: &anyhow::Error) -> Option<&SqlState> {
    error.downcast_ref::<tokio_postgres::Error>()?.code()
}

fn is_login_refused(error: &anyhow::Error) -> bool {
    let refused = [&SqlState::INVALID_AUTHORIZATION_SPECIFICATION, &SqlState::INVALID_PASSWORD];
    code(error).is_some_and(|code| refused.contains(&code))
}

/// Whether the database is there and lets nobody in by this login, or is not whom its authorities vouch for.
fn refuses(error: &anyhow::Error) -> bool {
    let not_yet = [&SqlState::CANNOT_CONNECT_NOW, &SqlState::TOO_MANY_CONNECTIONS];
    code(error).is_some_and(|code| !not_yet.contains(&code)) || !error.is::<tokio_postgres::Error>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_login_of_the_secret_stands_in_place_of_the_addresss() {
        let login = Login { username: "master".to_owned(), password: "p@ss:w/o%41rd?#[]".to_owned() };

        for url in [
            "postgres://host:5432/chat?sslmode=require",
            "postgres://chat:old@host:5432/chat?sslmode=require",
        ] {
            let url = with_login(url, &login).unwrap();
            let config: postgres::Config = url.parse().unwrap();
            assert_eq!(config.get_user(), Some("master"));
            assert_eq!(config.get_password(), Some(login.password.as_bytes()));
            assert_eq!(config.get_dbname(), Some("chat"));
        }
    }
}
