//! One-time tokens: whoever has one can read the mails of an address, so they verify it or set a new password.
//!
//! Drawn when the mail is written, by `mail`; in Postgres as digests only. A token is of one purpose, expires, and is
//! used up in the transaction that does what it is for.

mod queries;

use serde::{Deserialize, Serialize};
use time::Duration;
use utoipa::ToSchema;

use super::{NewPassword, TypedPassword, password};
use crate::ids::UserId;
use crate::tokens::{Identity, Secret};
use crate::{App, Error, Result};

/// How many mails of one kind somebody may cause to one address in an hour, Lambda's own repeats included.
const MAILS_PER_HOUR: i64 = 10;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// To show that the address is theirs.
    Verify,
    /// To set a new password.
    Reset,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Reset => "reset",
        }
    }

    /// How long a token may be used.
    pub fn lifetime(self) -> Duration {
        match self {
            Self::Verify => Duration::hours(24),
            Self::Reset => Duration::hours(1),
        }
    }
}

/// What setting a new password takes.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NewPasswords {
    /// The password.
    pub password: NewPassword,
    /// The same again.
    pub password_confirm: TypedPassword,
}

/// Draws a token and says to which address it goes. None for nobody, for somebody who is disabled or has nothing to
/// verify any more, and for somebody who was mailed too often.
pub async fn issue(app: &App, user: UserId, purpose: Purpose) -> Result<Option<(String, Secret)>> {
    let (token, lifetime) = (Secret::draw(), purpose.lifetime().as_seconds_f64());
    let address =
        queries::insert_token(&app.postgres, user, purpose, &token, lifetime, MAILS_PER_HOUR).await?;
    Ok(address.map(|address| (address, token)))
}

/// Verifies an address. The same token once more says the same.
pub async fn verify_email(app: &App, token: &Secret) -> Result<()> {
    if queries::verify_email(&app.postgres, token).await? { Ok(()) } else { Err(invalid_token()) }
}

/// Sets a new password, which also verifies the address, and ends all sessions. Returns those whose connections may be
/// open.
pub async fn reset_password(app: &App, token: &Secret, new: &NewPasswords) -> Result<Vec<Identity>> {
    if new.password_confirm.reveal() != new.password.reveal() {
        return Err(Error::invalid("password_confirm", "must be the same as the password"));
    }
    // Asked before the hash is computed, which is dear, and decided after it.
    let known = queries::find_reset(&app.postgres, token).await?;
    let (email, username) = known.ok_or_else(invalid_token)?;
    if !new.password.differs_from(&email) || !new.password.differs_from(&username) {
        return Err(Error::invalid("password", "must not be the e-mail address or the username"));
    }
    let hash = password::hash(new.password.reveal()).await?;
    queries::reset_password(&app.postgres, token, &hash).await?.ok_or_else(invalid_token)
}

fn invalid_token() -> Error {
    Error::invalid("token", "is not valid: it is unknown, was used already, or has expired")
}
