//! Signing in as the owner of the schema, by the address or by what a secret of RDS holds.

use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;
use shared::secrets::Secrets;
use shared::{config, postgres};
use tokio::time::{Instant, sleep};
use tokio_postgres::Client;
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
    url.set_username(&login.username).ok()?;
    url.set_password(Some(&login.password)).ok()?;
    Some(url.into())
}

/// A connection to it. Whoever is not there yet is asked again; who refuses is not.
pub(crate) async fn connect(secret: Option<(String, config::Secrets)>) -> anyhow::Result<Client> {
    let config::Database { url, .. } = database(secret).await?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let database = config::Database { url: url.clone(), ..config::Database::from_env()? };
        let error = match postgres::connect(database).await {
            Ok(client) => return Ok(client),
            Err(error) => error,
        };
        if refuses(&error) || Instant::now() + PAUSE > deadline {
            return Err(error);
        }
        tracing::warn!(cause = format!("{error:#}"), "the database is not there yet");
        sleep(PAUSE).await;
    }
}

/// Whether the database is there and lets nobody in by this login, or the address is none.
fn refuses(error: &anyhow::Error) -> bool {
    let Some(error) = error.downcast_ref::<tokio_postgres::Error>() else { return true };
    // Starting up (57P03), or full for now (53300).
    error.code().is_some_and(|code| !["57P03", "53300"].contains(&code.code()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_login_of_the_secret_stands_in_place_of_the_addresss() {
        let login = Login { username: "master".to_owned(), password: "p@ss:w/o%rd?#[]".to_owned() };

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
