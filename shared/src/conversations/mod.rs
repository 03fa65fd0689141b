//! Conversations and their participants: start, list, rename, delete, add, remove, leave.
//!
//! Every change after the start is an entry of the log: the database checks who may, makes it and numbers it in
//! one transaction; then it is published like a message.

mod queries;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::ids::{ConversationId, MessageId, UserId};
use crate::log::{self, Change, Entry, Key, Message, Participant, Role};
use crate::page::{self, Limit, Page};
use crate::{App, Error, FieldError, Result, accounts};

/// What kind of conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Of two people, unique for the pair.
    Direct,
    /// Of whoever is added.
    Group,
    /// Named uniquely.
    Channel,
}

/// A conversation, as one of its participants sees it.
#[derive(Debug, Serialize)]
pub struct Conversation {
    /// Which.
    pub id: ConversationId,
    /// What kind.
    pub kind: Kind,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// What the reader may do.
    pub role: Role,
    /// The ten longest-standing participants.
    pub participants: Vec<Participant>,
    /// How many there are.
    pub participant_count: i64,
    /// The last seq of its log.
    pub last_seq: i64,
    /// The newest message.
    pub last_message: Option<Message>,
    /// Others' undeleted messages after the reader's read pointer, counted up to 100.
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

/// A conversation's name: 1 to 100 characters.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Name(String);

impl TryFrom<String> for Name {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let text = text.trim();
        let valid = (1..=100).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err("must have 1 to 100 characters, none of them a control character")
        }
    }
}

/// What a group is started with.
#[derive(Debug, Deserialize)]
pub struct NewGroup {
    /// What kind; a group, when left out.
    pub kind: Option<NewKind>,
    /// Its name; without one, clients show the participants'.
    pub name: Option<Name>,
    /// Who takes part beside the creator,
    #[serde(default)]
    pub participant_ids: Vec<UserId>,
    /// by id or by address.
    #[serde(default)]
    pub participant_emails: Vec<String>,
}

/// The kinds that are started by name.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NewKind {
    /// Of whoever is added.
    Group,
}

/// With whom to talk directly.
#[derive(Debug, Deserialize)]
pub struct NewDirect {
    /// The other one.
    pub user_id: UserId,
}

/// A new name.
#[derive(Debug, Deserialize)]
pub struct Rename {
    /// The name.
    pub name: Name,
}

/// Whom to add.
#[derive(Debug, Deserialize)]
pub struct NewParticipant {
    /// By id,
    pub user_id: Option<UserId>,
    /// or by address.
    pub email: Option<String>,
    /// As what.
    #[serde(default)]
    pub role: Role,
}

/// A new role.
#[derive(Debug, Deserialize)]
pub struct NewRole {
    /// The role.
    pub role: Role,
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

/// Starts a group.
pub async fn start(app: &App, creator: UserId, new: NewGroup) -> Result<Conversation> {
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
    let name = new.name.as_ref().map(|name| name.0.as_str());
    let (unknown_ids, unknown_emails) =
        queries::start_group(&app.postgres, id, creator, name, &users, &emails).await?;
    let mut unknown = nobody("participant_ids", &users, &unknown_ids);
    unknown.extend(nobody("participant_emails", &emails, &unknown_emails));
    if !unknown.is_empty() {
        return Err(Error::Invalid(unknown));
    }
    show(app, creator, id).await
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

/// Moves a reader's pointer forward to a message. Returns whether it moved.
pub async fn mark_read(app: &App, user: UserId, id: ConversationId, message: MessageId) -> Result<bool> {
    queries::mark_read(&app.postgres, user, id, message).await
}

/// Renames a conversation.
pub async fn rename(
    app: &App,
    user: UserId,
    id: ConversationId,
    name: Name,
    key: &Key,
) -> Result<Conversation> {
    change(app, user, id, &Change::Rename(name.0), key).await?;
    show(app, user, id).await
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

/// The participants, longest-standing first.
pub async fn list_participants(
    app: &App,
    user: UserId,
    id: ConversationId,
    cursor: Option<&str>,
    limit: Limit,
) -> Result<Page<Participant>> {
    let after = cursor.map(decode).transpose()?;
    let participants = queries::list_participants(&app.postgres, user, id, after, limit).await?;
    let participants = participants.ok_or(Error::NotFound("conversation"))?;
    Ok(Page::of(participants, limit, |last| encode(last.joined_at, last.user_id.0)))
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

async fn find_participant(app: &App, id: ConversationId, user: UserId) -> Result<Participant> {
    queries::find_participant(&app.postgres, id, user).await?.ok_or(Error::NotFound("participant"))
}

/// Names each of `named` that is among the unknown, by its place in the request.
fn nobody<T: PartialEq>(field: &str, named: &[T], unknown: &[T]) -> Vec<FieldError> {
    let places = named.iter().enumerate().filter(|(_, one)| unknown.contains(one));
    places
        .map(|(i, _)| FieldError { field: format!("{field}[{i}]"), message: "no such user".to_owned() })
        .collect()
}

/// A cursor is a time in microseconds, as exact as Postgres', and an id.
fn encode(at: OffsetDateTime, id: Uuid) -> String {
    page::encode_cursor(&(at.unix_timestamp() * 1_000_000 + i64::from(at.microsecond()), id))
}

fn decode(cursor: &str) -> Result<queries::After> {
    let (micros, id): (i64, Uuid) = page::decode_cursor(cursor)?;
    // Made-up times may be none that Postgres knows.
    let made_up = || Error::invalid("cursor", "must be the `next` of an earlier page");
    if micros < 0 {
        return Err(made_up());
    }
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000).map_err(|_| made_up())?;
    Ok((at, id))
}
