//! What somebody takes with them, and erasing them.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{Profile, Session, TypedPassword, WRONG_CREDENTIALS, password, queries};
use crate::ids::{ConversationId, UserId};
use crate::log::{self, Key, Message, Role};
use crate::page;
use crate::tokens::Identity;
use crate::{App, Error, Result};

/// How many messages a page of an export has: of the longest, with the longest metadata, they are 4 MB.
const EXPORTED_AT_ONCE: i64 = 250;

/// All there is of somebody, a page at a time.
#[derive(Debug, Serialize)]
pub struct Export {
    /// Who.
    pub user: Profile,
    /// Where they are signed in.
    pub sessions: Vec<Session>,
    /// Where they take part.
    pub conversations: Vec<Membership>,
    /// What they wrote, by conversation and place in it.
    pub messages: Vec<Message>,
    /// What to pass on for more messages.
    pub next: Option<String>,
}

/// A conversation somebody takes part in, and what is theirs of it.
#[derive(Debug, Serialize)]
pub struct Membership {
    /// Which.
    pub id: ConversationId,
    /// What kind.
    pub kind: String,
    /// Its name.
    pub name: Option<String>,
    /// What they may do.
    pub role: Role,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub joined_at: OffsetDateTime,
    /// How far they have read.
    pub read_seq: i64,
    /// Whether they muted it.
    pub muted: bool,
    /// Whether they archived it.
    pub archived: bool,
}

/// What erasing takes.
#[derive(Debug, Deserialize)]
pub struct Erasure {
    /// The password.
    pub password: TypedPassword,
}

/// A page of what there is of the caller.
pub async fn export(app: &App, caller: Identity, cursor: Option<&str>) -> Result<Export> {
    let after: Option<(ConversationId, i64)> = cursor.map(page::decode_cursor).transpose()?;
    let user = super::profile(app, caller.user).await?;
    let sessions = queries::export_sessions(&app.postgres, caller).await?;
    let conversations = queries::export_memberships(&app.postgres, caller.user).await?;
    let mut messages = log::list_messages_by(app, caller.user, after, EXPORTED_AT_ONCE + 1).await?;
    let more = messages.len() > usize::try_from(EXPORTED_AT_ONCE).unwrap_or_default();
    messages.truncate(messages.len() - usize::from(more));
    let last = messages.last().filter(|_| more);
    let next = last.map(|last| page::encode_cursor(&(last.conversation_id, last.seq)));
    Ok(Export { user, sessions, conversations, messages, next })
}

/// Erases the caller. Returns their sessions, whose connections may be open. What they wrote stays, by a "deleted user".
pub async fn erase(app: &App, caller: UserId, erasure: &Erasure, key: &Key) -> Result<Vec<Identity>> {
    let found = queries::find_user_with_hash(&app.postgres, caller).await?;
    let (_, hash) = found.ok_or(Error::Unauthenticated("The account does not exist any more."))?;
    if !password::matches(&erasure.password, Some(hash.clone())).await? {
        return Err(Error::Unauthenticated(WRONG_CREDENTIALS));
    }
    let (outcome, sessions, conversations) =
        queries::erase_user(&app.postgres, caller, &hash, key.as_str()).await?;
    match outcome.as_str() {
        "erased" => {
            log::reload(app, &conversations).await;
            Ok(sessions)
        }
        "last_admin" => Err(Error::conflict("role", "the last admin cannot be erased")),
        _ => Err(Error::Unauthenticated(WRONG_CREDENTIALS)),
    }
}

/// Applies erasures again that are a little older: while the first was under way, Redis may have been given a
/// conversation as it was before.
pub async fn replay_erasures(app: &App) -> Result<()> {
    for (id, conversations) in queries::list_erasures(&app.postgres).await? {
        log::reload(app, &conversations).await;
        queries::delete_erasure(&app.postgres, id).await?;
    }
    Ok(())
}
