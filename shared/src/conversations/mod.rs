//! Conversations and their participants: start, list, rename, delete, add, remove, leave; and for each participant
//! alone what they have read, muted and archived.
//!
//! Every change after the start is an entry of the log: the database checks who may, makes it and numbers it in
//! one transaction; then it is published like a message.

mod name;
mod participants;
mod queries;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

pub use self::name::{ChannelName, Name};
pub use self::participants::{
    ListedParticipant, NewParticipant, NewRole, add_participant, list_participants, list_presence,
    remove_participant, set_role,
};
use self::queries::StartOutcome;
use crate::ids::{ConversationId, MessageId, UserId};
use crate::log::{self, Change, Entry, Key, Message, Participant, Role};
use crate::page::{self, Limit, Micros, Page};
use crate::{App, Error, FieldError, Result};

/// What kind of conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ConversationKind)]
pub enum Kind {
    /// Of two people, unique for the pair.
    Direct,
    /// Of whoever is added.
    Group,
    /// Named uniquely.
    Channel,
}

impl Kind {
    /// As the database writes it.
    pub(crate) fn of(text: &str) -> Self {
        match text {
            "direct" => Self::Direct,
            "channel" => Self::Channel,
            _ => Self::Group,
        }
    }
}

/// A conversation, as one of its participants sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "id": "01890a5d-ac96-774b-bcce-b302099a805b",
    "kind": "group",
    "name": "Lunch",
    "role": "admin",
    "participants": [{
        "user_id": "01890a5d-ac96-774b-bcce-b302099a8057",
        "user_name": "Ada Lovelace",
        "user_email": "ada@example.com",
        "role": "admin",
        "joined_at": "2026-01-02T03:04:05Z",
    }],
    "participant_count": 1,
    "last_seq": 12,
    "last_message": {
        "id": "12-0",
        "seq": 12,
        "conversation_id": "01890a5d-ac96-774b-bcce-b302099a805b",
        "user_id": "01890a5d-ac96-774b-bcce-b302099a8057",
        "user_name": "Ada Lovelace",
        "user_email": "ada@example.com",
        "content": "Hello",
        "metadata": null,
        "client_id": "3fd2c0ff",
        "reply_to": null,
        "reactions": [{ "emoji": "👍", "user_ids": ["01890a5d-ac96-774b-bcce-b302099a8059"] }],
        "created_at": "2026-01-02T03:04:06Z",
        "edited_at": null,
        "deleted_at": null,
    },
    "unread_count": 0,
    "muted": false,
    "archived": false,
    "created_at": "2026-01-02T03:04:05Z",
    "updated_at": "2026-01-02T03:04:06Z",
})))]
pub struct Conversation {
    /// Which.
    pub id: ConversationId,
    /// What kind.
    pub kind: Kind,
    /// Its name, if it has one.
    #[schema(required)]
    pub name: Option<String>,
    /// What the reader may do.
    pub role: Role,
    /// The ten longest-standing participants.
    #[schema(max_items = 10)]
    pub participants: Vec<Participant>,
    /// How many there are.
    pub participant_count: i64,
    /// The last seq of its log.
    pub last_seq: i64,
    /// The newest message.
    #[schema(required)]
    pub last_message: Option<Message>,
    /// Others' undeleted messages after the reader's read pointer, counted up to 100.
    #[schema(minimum = 0, maximum = 100)]
    pub unread_count: i64,
    /// Whether the reader muted it.
    pub muted: bool,
    /// Whether the reader archived it.
    pub archived: bool,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When something last happened in it.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

/// What a group or a channel is started with.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NewConversation {
    /// What kind.
    #[serde(default)]
    pub kind: NewKind,
    /// Its name; without one, clients show the participants'. A channel must have one.
    pub name: Option<Name>,
    /// Who takes part beside the creator, who are at most 100 in one request.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub participant_ids: Vec<UserId>,
    /// The same, by address.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub participant_emails: Vec<String>,
}

/// The kinds that are not of two people.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = NewConversationKind)]
pub enum NewKind {
    /// Of whoever is added.
    #[default]
    Group,
    /// Named uniquely; for global admins to start.
    Channel,
}

/// With whom to talk directly.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NewDirect {
    /// The other one.
    pub user_id: UserId,
}

/// A new name.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Rename {
    /// The name.
    pub name: Name,
}

/// What a participant sets for themselves alone.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
pub struct NewSettings {
    /// Whether it is muted, if that is to change.
    pub muted: Option<bool>,
    /// Whether it is archived, if that is to change.
    pub archived: Option<bool>,
}

/// How far somebody has read.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
pub struct ReadThrough {
    /// The last message they have seen.
    pub message_id: MessageId,
}

/// Whether something was made by this request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// It was.
    Now,
    /// It was so already.
    Before,
}

/// How many people one request may name.
const MAX_NAMED: usize = 100;

/// Somebody's conversations, latest activity first.
pub async fn list(app: &App, user: UserId, cursor: Option<&str>, limit: Limit) -> Result<Page<Conversation>> {
    let after = cursor.map(decode).transpose()?;
    let conversations = queries::list_conversations(&app.postgres, user, after, limit).await?;
    Ok(Page::of(conversations, limit, |last| encode(last.updated_at, last.id.0)))
}

/// One conversation, for one of its participants.
pub async fn show(app: &App, user: UserId, id: ConversationId) -> Result<Conversation> {
    queries::find_conversation(&app.postgres, user, id).await?.ok_or(Error::NotFound("conversation"))
}

/// The caller's channel of this name, if there is one; what cannot be a channel's name is none's.
pub async fn find_channel(app: &App, user: UserId, name: String) -> Result<Page<Conversation>> {
    let items = match ChannelName::try_from(name) {
        Ok(name) => queries::find_channel(&app.postgres, user, &name).await?.into_iter().collect(),
        Err(_) => Vec::new(),
    };
    Ok(Page { items, next: None })
}

/// Those of these channels that the user takes part in.
pub async fn find_channels(
    app: &App,
    user: UserId,
    names: &[String],
) -> Result<HashMap<String, ConversationId>> {
    let names: Vec<_> = names.iter().filter_map(|name| ChannelName::try_from(name.clone()).ok()).collect();
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    queries::find_channels(&app.postgres, user, &names).await
}

/// Starts a group or a channel.
pub async fn start(app: &App, creator: UserId, new: NewConversation) -> Result<Conversation> {
    let name = match (new.kind, new.name) {
        (NewKind::Group, name) => name.map(Name::into_text),
        (NewKind::Channel, None) => return Err(Error::invalid("name", "is required")),
        (NewKind::Channel, Some(name)) => {
            let name = ChannelName::try_from(name.into_text());
            Some(name.map_err(|problem| Error::invalid("name", problem))?.into_text())
        }
    };
    for (field, count) in
        [("participant_ids", new.participant_ids.len()), ("participant_emails", new.participant_emails.len())]
    {
        if count > MAX_NAMED || new.participant_ids.len() + new.participant_emails.len() > MAX_NAMED {
            return Err(Error::invalid(field, "must name at most 100 people"));
        }
    }
    let users: Vec<_> = new.participant_ids.iter().map(|user| user.0).collect();
    let emails = new.participant_emails.iter().map(|email| email.trim().to_owned()).collect::<Vec<_>>();
    if let Some(i) = emails.iter().position(|email| email.contains('\0')) {
        return Err(Error::invalid(format!("participant_emails[{i}]"), "no such user"));
    }

    let id = ConversationId::generate();
    let row = queries::Start { id, kind: new.kind, creator, name: name.as_deref() };
    match queries::start_conversation(&app.postgres, &row, &users, &emails).await? {
        StartOutcome::Started => show(app, creator, id).await,
        StartOutcome::Forbidden => Err(Error::Forbidden("Only an admin may start a channel.")),
        StartOutcome::NameTaken => Err(Error::conflict("name", "is taken")),
        StartOutcome::Unknown { ids, emails: addresses } => {
            let mut unknown = nobody("participant_ids", &users, &ids);
            unknown.extend(nobody("participant_emails", &emails, &addresses));
            Err(Error::Invalid(unknown))
        }
    }
}

/// Starts the direct conversation of two people, or finds it.
pub async fn start_direct(app: &App, user: UserId, other: UserId) -> Result<(Conversation, Started)> {
    if user == other {
        return Err(Error::invalid("user_id", "must be somebody else"));
    }
    let found = queries::start_direct(&app.postgres, ConversationId::generate(), user, other).await?;
    let (id, started) = found.ok_or_else(|| Error::invalid("user_id", "no such user"))?;
    Ok((show(app, user, id).await?, started))
}

/// Renames a conversation. Whether the name may be a channel's is decided with the change, which knows the kind.
pub async fn rename(
    app: &App,
    user: UserId,
    id: ConversationId,
    name: Name,
    key: &Key,
) -> Result<Conversation> {
    change(app, user, id, &Change::Rename(name.into_text()), key).await?;
    show(app, user, id).await
}

/// Changes what somebody sees of a conversation, for them alone.
pub async fn set(app: &App, user: UserId, id: ConversationId, new: NewSettings) -> Result<Conversation> {
    if !queries::update_settings(&app.postgres, user, id, new).await? {
        return Err(Error::NotFound("conversation"));
    }
    show(app, user, id).await
}

/// Moves somebody's read pointer forward to a message, never back. Says whether it moved.
pub async fn mark_read(app: &App, user: UserId, id: ConversationId, message: MessageId) -> Result<bool> {
    let reading = queries::move_read_pointer(&app.postgres, user, id, message).await?;
    let queries::Reading { is_message, moved } = reading.ok_or(Error::NotFound("conversation"))?;
    if !is_message {
        return Err(Error::invalid("message_id", "no such message in this conversation"));
    }
    Ok(moved)
}

/// Deletes a conversation with its messages.
pub async fn delete(app: &App, user: UserId, id: ConversationId, key: &Key) -> Result<()> {
    let deleted = change(app, user, id, &Change::Delete, key).await;
    if matches!(deleted, Err(Error::NotFound(_))) {
        // It may be the repeat of a deletion that was committed and never published.
        log::repair(app, id).await;
    }
    deleted.map(drop)
}

/// Commits a change and publishes it; no entry when it was so already.
async fn change(
    app: &App,
    user: UserId,
    id: ConversationId,
    change: &Change,
    key: &Key,
) -> Result<Vec<Entry>> {
    let committed = log::commit(app, id, user, change, key, None).await?;
    if !committed.entries.is_empty() {
        log::publish(app, id, &committed.entries).await;
    }
    Ok(committed.entries)
}

/// Names each of `named` that is among the unknown, by its place in the request.
fn nobody<T: PartialEq>(field: &str, named: &[T], unknown: &[T]) -> Vec<FieldError> {
    let places = named.iter().enumerate().filter(|(_, one)| unknown.contains(one));
    places
        .map(|(i, _)| FieldError { field: format!("{field}[{i}]"), message: "no such user".to_owned() })
        .collect()
}

fn encode(at: OffsetDateTime, id: Uuid) -> String {
    page::encode_cursor(&(Micros::of(at), id))
}

fn decode(cursor: &str) -> Result<queries::After> {
    let (at, id): (Micros, Uuid) = page::decode_cursor(cursor)?;
    Ok((at.time()?, id))
}
