//! What somebody takes with them, and erasing them.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::{Profile, Session, TypedPassword, WRONG_CREDENTIALS, password, queries};
use crate::ids::{ConversationId, UserId};
use crate::log::{self, Key, Message, Role};
use crate::page;
use crate::tokens::Identity;
use crate::{App, Error, Result};

/// How many messages a page of an export has at most,
const EXPORTED_AT_ONCE: i64 = 250;
/// and how large the page may be: API Gateway takes 10 MB from Lambda, and Lambda gives 6.
const EXPORTED_BYTES: usize = 4_000_000;
/// How many entries somebody is taken off at once: about half a second of writing.
const DETACHED_AT_ONCE: i32 = 5000;
/// For how long a request does that.
const DETACHING: Duration = Duration::from_secs(8);
/// How often an erasure begins anew that was overtaken.
const TRIES: usize = 5;
/// How long an erasure is remembered: for as long as Redis may keep a quiet conversation.
const REMEMBERED_FOR: Duration = Duration::from_hours(8 * 24);

/// All there is of somebody, a page at a time.
#[derive(Debug, Serialize, ToSchema)]
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
    #[schema(required)]
    pub next: Option<String>,
}

/// A conversation somebody takes part in, and what is theirs of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Membership {
    /// Which.
    pub id: ConversationId,
    /// What kind.
    #[schema(pattern = "^(direct|group|channel)$")]
    pub kind: String,
    /// Its name.
    #[schema(required)]
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
#[derive(Debug, Deserialize, ToSchema)]
pub struct Erasure {
    /// The password.
    pub password: TypedPassword,
}

/// A page of what there is of the caller: the first has their sessions and conversations, and all have messages.
pub async fn export(app: &App, caller: Identity, cursor: Option<&str>) -> Result<Export> {
    let after: Option<(ConversationId, i64)> = cursor.map(page::decode_cursor).transpose()?;
    let user = super::profile(app, caller.user).await?;
    let (mut sessions, mut conversations) = (Vec::new(), Vec::new());
    if after.is_none() {
        sessions = queries::export_sessions(&app.postgres, caller).await?;
        conversations = queries::export_memberships(&app.postgres, caller.user).await?;
    }
    let found = log::list_messages_by(app, caller.user, after, EXPORTED_AT_ONCE + 1).await?;
    let most = usize::try_from(EXPORTED_AT_ONCE).unwrap_or_default();
    let mut size = json_size(&sessions)? + json_size(&conversations)?;
    let mut messages: Vec<Message> = Vec::new();
    let mut next = None;
    for message in found {
        size += json_size(&message)?;
        if messages.len() == most || size > EXPORTED_BYTES && !messages.is_empty() {
            next = messages.last().map(|last| page::encode_cursor(&(last.conversation_id, last.seq)));
            break;
        }
        messages.push(message);
    }
    Ok(Export { user, sessions, conversations, messages, next })
}

fn json_size(value: &impl Serialize) -> Result<usize> {
    let text = serde_json::to_vec(value).map_err(|error| Error::Internal(error.into()))?;
    Ok(text.len())
}

/// What is left of somebody who was erased: in Redis, and open connections.
#[derive(Debug)]
pub struct Erased {
    /// Their sessions, whose connections may be open.
    pub sessions: Vec<Identity>,
    pub(super) conversations: Vec<ConversationId>,
}

impl Erased {
    /// Lets Redis forget who they were.
    pub async fn forget(&self, app: &App) -> Result<()> {
        log::reload(app, &self.conversations).await
    }
}

/// Erases the caller. What they wrote stays, by a "deleted user". What is left is the caller's to end, and maintenance
/// does it again.
pub async fn erase(app: &App, caller: UserId, erasure: &Erasure, key: &Key) -> Result<Erased> {
    let found = queries::find_user_with_hash(&app.postgres, caller).await?;
    let (_, hash) = found.ok_or(Error::Unauthenticated("The account does not exist any more."))?;
    if !password::matches(&erasure.password, Some(hash.clone())).await? {
        return Err(Error::Unauthenticated(WRONG_CREDENTIALS));
    }
    let mut conversations = Vec::new();
    for _ in 0..TRIES {
        // Beforehand, so that the transaction that erases has little left to do.
        detach(app, caller, &mut conversations).await?;
        let (outcome, mut erased) = queries::erase_user(&app.postgres, caller, &hash, key.as_str()).await?;
        match outcome.as_str() {
            "erased" => {
                erased.conversations.append(&mut conversations);
                erased.conversations.sort_unstable();
                erased.conversations.dedup();
                return Ok(erased);
            }
            "again" => {}
            "last_admin" => return Err(Error::conflict("role", "the last admin cannot be erased")),
            _ => return Err(Error::Unauthenticated(WRONG_CREDENTIALS)),
        }
    }
    Err(Error::Unavailable(anyhow::anyhow!("somebody who is erased is added again and again")))
}

/// Takes somebody off their entries, as many as there is time for.
async fn detach(app: &App, user: UserId, conversations: &mut Vec<ConversationId>) -> Result<()> {
    let began = Instant::now();
    loop {
        let (detached, of) = queries::detach_entries(&app.postgres, user, DETACHED_AT_ONCE).await?;
        conversations.extend(of);
        if detached < i64::from(DETACHED_AT_ONCE) {
            return Ok(());
        } else if began.elapsed() > DETACHING {
            return Err(Error::Unavailable(anyhow::anyhow!(
                "there is more to erase than one request has time for"
            )));
        }
    }
}

/// What was erased a little while ago and may have come back to Redis since: a load that was under way then may have
/// brought it. With `all`, whatever was erased lately: Redis may have been lost or rewound.
pub async fn list_erasures(app: &App, all: bool) -> Result<Vec<(i64, Erased)>> {
    queries::list_erasures(&app.postgres, all).await
}

/// Notes that Redis was told again.
pub async fn note_replayed(app: &App, id: i64) -> Result<()> {
    queries::note_replayed(&app.postgres, id, REMEMBERED_FOR.as_secs_f64()).await
}
