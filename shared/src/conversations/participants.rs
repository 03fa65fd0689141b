//! The participants of a conversation: list, add, change, remove, and who of them is online.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Started, change, decode, encode, queries};
use crate::ids::{ConversationId, UserId};
use crate::log::{Change, Entry, Key, Participant, Role};
use crate::page::{Limit, Page};
use crate::presence::{self, Presence};
use crate::{App, Error, Result, accounts};

/// Whom to add.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NewParticipant {
    /// By id; this or an address is needed.
    pub user_id: Option<UserId>,
    /// By address.
    pub email: Option<String>,
    /// As what.
    #[serde(default)]
    pub role: Role,
}

/// A new role.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NewRole {
    /// The role.
    pub role: Role,
}

/// One of the people of a conversation, and how far they have read it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "user_id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "user_name": "Ada Lovelace",
    "user_email": "ada@example.com",
    "role": "admin",
    "joined_at": "2026-01-02T03:04:05Z",
    "read_seq": 7,
})))]
pub struct ListedParticipant {
    /// Who.
    pub user_id: UserId,
    /// Their name.
    pub user_name: String,
    /// Their address.
    #[schema(required)]
    pub user_email: Option<String>,
    /// What they may do.
    pub role: Role,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub joined_at: OffsetDateTime,
    /// The seq of the last message that they have marked as read; 0 before any.
    pub read_seq: i64,
}

/// The participants, longest-standing first.
pub async fn list_participants(
    app: &App,
    user: UserId,
    id: ConversationId,
    cursor: Option<&str>,
    limit: Limit,
) -> Result<Page<ListedParticipant>> {
    let after = cursor.map(decode).transpose()?;
    let participants = queries::list_participants(&app.postgres, user, id, after, limit).await?;
    let participants = participants.ok_or(Error::NotFound("conversation"))?;
    Ok(Page::of(participants, limit, |last| encode(last.joined_at, last.user_id.0)))
}

/// Who of the participants is online, in the order of [`list_participants`].
pub async fn list_presence(
    app: &App,
    user: UserId,
    id: ConversationId,
    cursor: Option<&str>,
    limit: Limit,
) -> Result<Page<Presence>> {
    let Page { items, next } = list_participants(app, user, id, cursor, limit).await?;
    let users: Vec<_> = items.iter().map(|participant| participant.user_id).collect();
    Ok(Page { items: presence::of(app, &users).await?, next })
}

/// Adds somebody.
pub async fn add_participant(
    app: &App,
    user: UserId,
    id: ConversationId,
    new: NewParticipant,
    key: &Key,
) -> Result<(Participant, Started)> {
    let (field, target) = match (new.user_id, &new.email) {
        (Some(target), _) => ("user_id", Some(target)),
        (None, Some(email)) => ("email", accounts::find_id_by_email(app, email).await?),
        (None, None) => return Err(Error::invalid("user_id", "is required, or an email")),
    };
    // Nobody has the nil id: whether the caller may add at all is still answered first.
    let target = target.unwrap_or(UserId(Uuid::nil()));
    let entries =
        change(app, user, id, &Change::Add(target, new.role), key).await.map_err(|error| match error {
            Error::Invalid(_) => Error::invalid(field, "no such user"),
            error => error,
        })?;
    match entries.into_iter().next().and_then(Entry::into_participant) {
        Some(participant) => Ok((participant, Started::Now)),
        None => Ok((find_participant(app, id, target).await?, Started::Before)),
    }
}

/// Changes somebody's role.
pub async fn set_role(
    app: &App,
    user: UserId,
    id: ConversationId,
    target: UserId,
    role: Role,
    key: &Key,
) -> Result<Participant> {
    change(app, user, id, &Change::SetRole(target, role), key).await?;
    find_participant(app, id, target).await
}

/// Removes somebody, or leaves.
pub async fn remove_participant(
    app: &App,
    user: UserId,
    id: ConversationId,
    target: UserId,
    key: &Key,
) -> Result<()> {
    change(app, user, id, &Change::Remove(target), key).await.map(drop)
}

async fn find_participant(app: &App, id: ConversationId, user: UserId) -> Result<Participant> {
    queries::find_participant(&app.postgres, id, user).await?.ok_or(Error::NotFound("participant"))
}
