//! Somebody's sessions, and the password that starts them.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{NewPassword, TypedPassword, WRONG_CREDENTIALS, password, queries};
use crate::ids::{SessionId, UserId};
use crate::page::{self, Limit, Micros, Page};
use crate::tokens::Identity;
use crate::{App, Error, Result};

/// A session that is live.
#[derive(Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "id": "01890a5d-ac96-774b-bcce-b302099a8058",
    "created_at": "2026-01-02T03:04:05Z",
    "last_used_at": "2026-01-03T03:04:05Z",
    "expires_at": "2026-02-02T03:04:05Z",
    "ip": "192.0.2.1",
    "user_agent": "curl/8.5.0",
    "current": true,
    "client_id": null,
    "client_name": null,
})))]
pub struct Session {
    /// Which.
    pub id: SessionId,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it was last refreshed.
    #[serde(with = "time::serde::rfc3339")]
    pub last_used_at: OffsetDateTime,
    /// When it ends unless it is refreshed.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
    /// From where it was started.
    #[schema(required)]
    pub ip: Option<String>,
    /// With what.
    #[schema(required)]
    pub user_agent: Option<String>,
    /// Whether the request was made in it.
    pub current: bool,
    /// The OAuth client that it was given to, if to one.
    #[schema(required)]
    pub client_id: Option<String>,
    /// The name of that client.
    #[schema(required)]
    pub client_name: Option<String>,
}

/// A password to take the place of another.
#[derive(Debug, Deserialize, ToSchema)]
pub struct PasswordChange {
    /// The one until now.
    pub current_password: TypedPassword,
    /// The new one.
    pub password: NewPassword,
    /// The new one again.
    pub password_confirm: TypedPassword,
}

/// What became of a session that was to be ended.
pub enum Ended {
    /// It was live.
    Now(Identity),
    /// It had ended, lately enough for connections of it to be left.
    Before(Identity),
}

/// A user's live sessions, newest first, as seen from the caller's.
pub async fn list_sessions(
    app: &App,
    caller: Identity,
    user: UserId,
    cursor: Option<&str>,
    limit: Limit,
) -> Result<Page<Session>> {
    let before = cursor.map(page::decode_cursor::<(Micros, Uuid)>).transpose()?;
    let before = before.map(|(at, id)| Ok::<_, Error>((at.time()?, id))).transpose()?;
    let sessions = queries::list_sessions(&app.postgres, user, caller.session, before, limit).await?;
    Ok(Page::of(sessions, limit, |last| page::encode_cursor(&(Micros::of(last.created_at), last.id.0))))
}

/// Ends one of a user's sessions.
pub async fn end_session(app: &App, user: UserId, session: SessionId) -> Result<Ended> {
    let ended = queries::end_session(&app.postgres, user, session).await?;
    let now = ended.ok_or(Error::NotFound("session"))?;
    let identity = Identity { user, session };
    Ok(if now { Ended::Now(identity) } else { Ended::Before(identity) })
}

/// Changes the caller's password. Returns their other sessions, which have ended by it.
pub async fn change_password(app: &App, caller: Identity, change: PasswordChange) -> Result<Vec<Identity>> {
    if change.password_confirm.reveal() != change.password.reveal() {
        return Err(Error::invalid("password_confirm", "must be the same as the password"));
    }
    let found = queries::find_user_with_hash(&app.postgres, caller.user).await?;
    let (profile, old_hash) = found.ok_or(Error::Unauthenticated("The account does not exist any more."))?;
    if !password::matches(&change.current_password, Some(old_hash.clone())).await? {
        return Err(Error::Unauthenticated(WRONG_CREDENTIALS));
    }
    if !change.password.differs_from(&profile.email) || !change.password.differs_from(&profile.username) {
        return Err(Error::invalid("password", "must not be the e-mail address or the username"));
    }
    let new_hash = password::hash(change.password.reveal()).await?;
    let ended = queries::replace_password(&app.postgres, caller, &old_hash, &new_hash).await?;
    // Another change came between: the password that was given is the current one no more.
    ended.ok_or(Error::Unauthenticated(WRONG_CREDENTIALS))
}
