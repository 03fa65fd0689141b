//! Tickets: what a browser puts into a WebSocket's address instead of an access token. Single use, 60 seconds.

use crate::redis::{Call, keys};
use crate::tokens::{Identity, Secret};
use crate::{App, Error, Result};

/// How long a ticket may be used, in seconds.
pub const LIFETIME: u32 = 60;

/// Draws a ticket.
pub async fn issue(app: &App, identity: Identity) -> Result<Secret> {
    let ticket = Secret::draw();
    let value = serde_json::to_string(&identity).map_err(|error| Error::Internal(error.into()))?;
    let call = Call::command("SET").arg(key(&ticket)).arg(value).arg("EX").arg(LIFETIME);
    app.redis.call::<()>(call).await?;
    Ok(ticket)
}

/// Uses a ticket up.
pub async fn redeem(app: &App, ticket: &str) -> Result<Identity> {
    let call = Call::command("GETDEL").arg(key(&Secret::from(ticket.to_owned())));
    let value: Option<String> = app.redis.call(call).await?;
    value
        .and_then(|value| serde_json::from_str(&value).ok())
        .ok_or(Error::Unauthenticated("The ticket was used already, or has expired."))
}

fn key(ticket: &Secret) -> String {
    keys::ticket(&ticket.digest())
}
