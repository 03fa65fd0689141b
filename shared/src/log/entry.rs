//! What the log holds: entries, as Postgres returns them, as frames that are pushed, and as they are shown.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::ids::{ConnectionId, ConversationId, MessageId, UserId};
use crate::postgres::Row;
use crate::{Error, Result};

/// A message, in its latest state.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(examples(json!({
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
})))]
pub struct Message {
    /// Its place in the conversation, as the id of its stream entry.
    pub id: MessageId,
    /// Its place in the conversation.
    pub seq: i64,
    /// Where it was said.
    pub conversation_id: ConversationId,
    /// Who said it; null once erased.
    #[schema(required)]
    pub user_id: Option<UserId>,
    /// Their name.
    pub user_name: String,
    /// Their address; null once erased.
    #[schema(required)]
    pub user_email: Option<String>,
    /// What was said; null once deleted.
    #[schema(required)]
    pub content: Option<String>,
    /// What the client put beside it.
    #[schema(required)]
    pub metadata: Option<Map<String, Value>>,
    /// The client's idempotency key.
    #[schema(required)]
    pub client_id: Option<String>,
    /// The message it answers.
    #[schema(required)]
    pub reply_to: Option<MessageId>,
    /// Who reacted how.
    pub reactions: Vec<Reaction>,
    /// When it was committed.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it was last edited.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required)]
    pub edited_at: Option<OffsetDateTime>,
    /// When it was deleted.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required)]
    pub deleted_at: Option<OffsetDateTime>,
}

impl Message {
    /// From a row with the columns of the view `log`; `None` where it has no message.
    pub(crate) fn from_row(row: &Row) -> Result<Option<Self>> {
        let Some(seq) = row.get::<_, Option<i64>>("target") else { return Ok(None) };
        let metadata = match row.get::<_, Option<Value>>("metadata") {
            Some(Value::Object(map)) => Some(map),
            _ => None,
        };
        let reactions = row.get::<_, Option<Value>>("reactions");
        let reactions = reactions.map(serde_json::from_value).transpose().map_err(unexpected)?;
        let key: String = row.get("message_key");
        Ok(Some(Self {
            id: MessageId(seq),
            seq,
            conversation_id: ConversationId(row.get("conversation_id")),
            user_id: row.get::<_, Option<Uuid>>("user_id").map(UserId),
            user_name: row.get("user_name"),
            user_email: row.get("user_email"),
            content: row.get("content"),
            metadata,
            client_id: key.strip_prefix("c:").map(str::to_owned),
            reply_to: row.get::<_, Option<i64>>("reply_to").map(MessageId),
            reactions: reactions.unwrap_or_default(),
            created_at: row.get("message_created_at"),
            edited_at: row.get("edited_at"),
            deleted_at: row.get("deleted_at"),
        }))
    }
}

/// An emoji and who reacted with it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Reaction {
    /// The emoji.
    pub emoji: String,
    /// The people.
    pub user_ids: Vec<UserId>,
}

/// What a participant may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ParticipantRole)]
pub enum Role {
    /// Rename, add, remove, delete.
    Admin,
    /// Read and send.
    #[default]
    Member,
}

impl Role {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Member => "member",
        }
    }
}

/// One of the people of a conversation.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(examples(json!({
    "user_id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "user_name": "Ada Lovelace",
    "user_email": "ada@example.com",
    "role": "admin",
    "joined_at": "2026-01-02T03:04:05Z",
})))]
pub struct Participant {
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
}

/// A request to change a conversation's log.
#[derive(Debug)]
pub enum Change {
    /// Say something.
    Message {
        /// What.
        content: String,
        /// What the client put beside it.
        metadata: Option<Map<String, Value>>,
        /// What it answers.
        reply_to: Option<MessageId>,
    },
    /// Change what a message says.
    Edit {
        /// Which.
        message: MessageId,
        /// What it says from now on.
        content: String,
    },
    /// Take a message back: a tombstone stays in its place.
    Retract(MessageId),
    /// React to a message, or no more.
    React {
        /// To which.
        message: MessageId,
        /// How.
        emoji: String,
        /// Whether, or no more.
        on: bool,
    },
    /// Rename the conversation.
    Rename(String),
    /// Delete the conversation.
    Delete,
    /// Add somebody.
    Add(UserId, Role),
    /// Change somebody's role.
    SetRole(UserId, Role),
    /// Remove somebody, or leave.
    Remove(UserId),
}

impl Change {
    /// Its kind and what the database's `append` needs to know of it.
    pub(super) fn kind_and_data(&self) -> (&'static str, Value) {
        match self {
            Self::Message { content, metadata, reply_to } => (
                "message",
                json!({ "content": content, "metadata": metadata, "reply_to": reply_to.map(|id| id.0) }),
            ),
            Self::Edit { message, content } => {
                ("message.updated", json!({ "message": message.0, "content": content }))
            }
            Self::Retract(message) => ("message.deleted", json!({ "message": message.0 })),
            Self::React { message, emoji, on } => {
                ("reaction", json!({ "message": message.0, "emoji": emoji, "on": on }))
            }
            Self::Rename(name) => ("conversation.updated", json!({ "name": name })),
            Self::Delete => ("conversation.deleted", json!({})),
            Self::Add(user, role) => ("participant.added", json!({ "user_id": user, "role": role })),
            Self::SetRole(user, role) => ("participant.updated", json!({ "user_id": user, "role": role })),
            Self::Remove(user) => ("participant.removed", json!({ "user_id": user })),
        }
    }
}

/// One committed entry.
#[derive(Debug)]
pub struct Entry {
    /// Its place.
    pub seq: i64,
    pub(super) kind: String,
    /// Who made it.
    pub(super) actor: Option<UserId>,
    pub(super) key: String,
    /// Over which connection it came: that one is answered, not pushed to.
    pub(super) connection: Option<String>,
    pub(super) frame: String,
    pub(super) effect: Effect,
    body: Body,
}

/// What folding an entry does beside appending it.
#[derive(Debug)]
pub(super) enum Effect {
    None,
    Join(UserId, Member),
    Leave(UserId),
    /// A message is another now; given as text.
    Change(MessageId, String),
    /// What a message said is to be found nowhere through this seq.
    Retract(i64),
    Delete,
}

#[derive(Debug)]
enum Body {
    Message(Box<Message>),
    /// The message that it changed.
    Change(Box<Message>),
    Participant(Box<Participant>),
    Other,
}

/// A member as Redis knows them.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Member {
    /// `admin`, `member`, or empty for somebody who left.
    pub role: String,
    pub name: String,
    pub email: Option<String>,
}

/// The frame of an event that changed the log.
#[derive(Serialize, ToSchema)]
#[schema(as = LoggedEvent)]
pub(crate) struct Frame<'a> {
    #[serde(flatten)]
    happened: Happened<'a>,
    /// Where.
    conversation_id: ConversationId,
    /// Its place in the conversation's log.
    seq: i64,
    /// When it was committed.
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

/// What happened in a conversation.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type")]
enum Happened<'a> {
    /// Something was said.
    #[serde(rename = "message")]
    #[schema(title = "message")]
    Message {
        /// What.
        message: &'a Message,
    },
    /// A message says something else now.
    #[serde(rename = "message.updated")]
    #[schema(title = "message.updated")]
    MessageUpdated {
        /// As it is now.
        message: &'a Message,
    },
    /// A message was taken back; a tombstone stays in its place.
    #[serde(rename = "message.deleted")]
    #[schema(title = "message.deleted")]
    MessageDeleted {
        /// The tombstone.
        message: &'a Message,
    },
    /// Somebody reacted to a message, or does no more.
    #[serde(rename = "reaction")]
    #[schema(title = "reaction")]
    Reaction(&'a Reacted),
    /// Somebody was added, or came back.
    #[serde(rename = "participant.added")]
    #[schema(title = "participant.added")]
    ParticipantAdded {
        /// Who.
        participant: &'a Participant,
    },
    /// Somebody may do something else now.
    #[serde(rename = "participant.updated")]
    #[schema(title = "participant.updated")]
    ParticipantUpdated {
        /// Who.
        participant: &'a Participant,
    },
    /// Somebody was removed, or left.
    #[serde(rename = "participant.removed")]
    #[schema(title = "participant.removed")]
    ParticipantRemoved(&'a Removal),
    /// The conversation has another name.
    #[serde(rename = "conversation.updated")]
    #[schema(title = "conversation.updated")]
    ConversationUpdated {
        /// As it is now.
        conversation: &'a Renamed,
    },
    /// The conversation and its messages are no more.
    #[serde(rename = "conversation.deleted")]
    #[schema(title = "conversation.deleted")]
    ConversationDeleted,
}

/// A participant who is none any more.
#[derive(Serialize, Deserialize, ToSchema)]
struct Removal {
    /// Who.
    user_id: UserId,
    /// Who removed them: themselves, when they left.
    by: UserId,
}

/// A reaction, or its end.
#[derive(Serialize, Deserialize, ToSchema)]
struct Reacted {
    /// To which message.
    message_id: MessageId,
    /// Whose.
    user_id: UserId,
    /// How.
    emoji: String,
    /// Whether, or no more.
    on: bool,
}

/// A conversation and its name.
#[derive(Serialize, Deserialize, ToSchema)]
struct Renamed {
    /// Which.
    id: ConversationId,
    /// What it is called.
    name: String,
}

impl Entry {
    /// From a row of the view `log`.
    pub(super) fn from_row(row: &Row) -> Result<Self> {
        let kind: String = row.try_get("kind").map_err(unexpected)?;
        let conversation_id = ConversationId(row.get("conversation_id"));
        let seq: i64 = row.get("seq");
        let message = || {
            let message = Message::from_row(row)?;
            message.map(Box::new).ok_or_else(|| unexpected(anyhow::anyhow!("{seq} is about no message")))
        };
        let data = || row.get::<_, Option<Value>>("data").unwrap_or_default();
        let created_at = row.get("created_at");
        let framed = |happened| to_text(&Frame { happened, conversation_id, seq, created_at });
        let (effect, body, frame) = match kind.as_str() {
            "message" => {
                let message = message()?;
                let frame = framed(Happened::Message { message: &message })?;
                (Effect::None, Body::Message(message), frame)
            }
            "message.updated" => {
                let message = message()?;
                let frame = framed(Happened::MessageUpdated { message: &message })?;
                (Effect::Change(message.id, to_text(&message)?), Body::Change(message), frame)
            }
            "message.deleted" => {
                #[derive(Deserialize)]
                struct Retraction {
                    through: i64,
                }
                let message = message()?;
                let Retraction { through } = serde_json::from_value(data()).map_err(unexpected)?;
                let frame = framed(Happened::MessageDeleted { message: &message })?;
                (Effect::Retract(through), Body::Change(message), frame)
            }
            "reaction" => {
                let message = message()?;
                let reaction: Reacted = serde_json::from_value(data()).map_err(unexpected)?;
                let frame = framed(Happened::Reaction(&reaction))?;
                (Effect::Change(message.id, to_text(&message)?), Body::Change(message), frame)
            }
            "participant.added" | "participant.updated" => {
                let participant: Participant = serde_json::from_value(data()).map_err(unexpected)?;
                let frame = framed(match kind.as_str() {
                    "participant.added" => Happened::ParticipantAdded { participant: &participant },
                    _ => Happened::ParticipantUpdated { participant: &participant },
                })?;
                let member = Member {
                    role: participant.role.as_str().to_owned(),
                    name: participant.user_name.clone(),
                    email: participant.user_email.clone(),
                };
                (Effect::Join(participant.user_id, member), Body::Participant(Box::new(participant)), frame)
            }
            "participant.removed" => {
                let removal: Removal = serde_json::from_value(data()).map_err(unexpected)?;
                let frame = framed(Happened::ParticipantRemoved(&removal))?;
                (Effect::Leave(removal.user_id), Body::Other, frame)
            }
            "conversation.updated" => {
                let renamed: Renamed = serde_json::from_value(data()).map_err(unexpected)?;
                (Effect::None, Body::Other, framed(Happened::ConversationUpdated { conversation: &renamed })?)
            }
            "conversation.deleted" => (Effect::Delete, Body::Other, framed(Happened::ConversationDeleted)?),
            other => return Err(Error::Internal(anyhow::anyhow!("an entry of the unknown kind {other}"))),
        };
        Ok(Self {
            seq,
            key: row.get("key"),
            connection: row.get("connection"),
            actor: row.get::<_, Option<Uuid>>("actor_id").map(UserId),
            frame,
            effect,
            body,
            kind,
        })
    }

    /// The message it is or changed, if so.
    pub fn message(&self) -> Option<&Message> {
        match &self.body {
            Body::Message(message) | Body::Change(message) => Some(message),
            Body::Participant(_) | Body::Other => None,
        }
    }

    /// The same, out of it.
    pub fn into_message(self) -> Option<Message> {
        match self.body {
            Body::Message(message) | Body::Change(message) => Some(*message),
            Body::Participant(_) | Body::Other => None,
        }
    }

    /// The participant it is about, if it added or changed one.
    pub fn into_participant(self) -> Option<Participant> {
        match self.body {
            Body::Participant(participant) => Some(*participant),
            Body::Message(_) | Body::Change(_) | Body::Other => None,
        }
    }

    /// As readers see it.
    pub(super) fn into_shown(self) -> Result<Shown> {
        let seq = self.seq;
        let body = match self.body {
            Body::Message(message) => ShownBody::Message(message),
            Body::Change(_) | Body::Participant(_) | Body::Other => ShownBody::Event(raw(self.frame)?),
        };
        Ok(Shown { seq, body })
    }
}

/// An entry as it is shown on resuming: a message as its object, anything else as its frame.
#[derive(Debug)]
pub struct Shown {
    /// Its place.
    pub seq: i64,
    body: ShownBody,
}

/// A message in its latest state, or another entry as its event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Shown)]
#[serde(untagged)]
pub(crate) enum ShownBody {
    Message(Box<Message>),
    #[schema(value_type = Frame)]
    Event(Box<RawValue>),
}

impl Serialize for Shown {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.body.serialize(serializer)
    }
}

impl Shown {
    /// The message, if it is one.
    pub fn into_message(self) -> Option<Message> {
        match self.body {
            ShownBody::Message(message) => Some(*message),
            ShownBody::Event(_) => None,
        }
    }
}

/// An entry of the stream, as scripts return it.
#[derive(Debug)]
pub(super) struct StreamEntry {
    pub seq: i64,
    kind: String,
    pub connection: Option<ConnectionId>,
    pub frame: String,
}

impl StreamEntry {
    /// From the entry's id and its fields in the order `publish.lua` writes them.
    pub(super) fn new(id: &str, fields: Vec<String>) -> Result<Self> {
        let seq = id.parse::<MessageId>().map_err(|problem| broken(id, problem))?.0;
        Self::with_seq(seq, fields)
    }

    pub(super) fn with_seq(seq: i64, fields: Vec<String>) -> Result<Self> {
        let [_, kind, _, _user, _, connection, _, frame]: [String; 8] =
            fields.try_into().map_err(|_| broken(&seq.to_string(), "has other fields"))?;
        let connection = Some(ConnectionId(connection)).filter(|id| !id.0.is_empty());
        Ok(Self { seq, kind, connection, frame })
    }

    /// Whether it is a new message.
    pub(super) fn is_message(&self) -> bool {
        self.kind == "message"
    }

    /// As readers see it: `revise` makes of a message in it what it is now.
    fn into_shown(self, revise: impl Fn(&mut Message) -> Result<()>) -> Result<Shown> {
        #[derive(Serialize, Deserialize)]
        struct MessageFrame {
            r#type: String,
            conversation_id: ConversationId,
            seq: i64,
            created_at: String,
            message: Message,
        }
        if self.kind != "message" && self.kind != "message.updated" {
            return Ok(Shown { seq: self.seq, body: ShownBody::Event(raw(self.frame)?) });
        }
        let mut frame: MessageFrame = serde_json::from_str(&self.frame).map_err(unexpected)?;
        revise(&mut frame.message)?;
        let body = match self.kind.as_str() {
            "message" => ShownBody::Message(Box::new(frame.message)),
            _ => ShownBody::Event(raw(to_text(&frame)?)?),
        };
        Ok(Shown { seq: self.seq, body })
    }
}

/// What scripts return of a stretch of the stream: its entries as id and fields, their authors as user, member, …, and
/// the messages that changed since as seq, message, …
pub(super) type RawEntries = (Vec<(String, Vec<String>)>, Vec<String>, Vec<String>);

/// Entries of the stream as readers see them: messages as they are now, with the names their authors have now.
pub(super) fn shown((entries, authors, changed): RawEntries) -> Result<Vec<Shown>> {
    let mut members = HashMap::new();
    for pair in authors.chunks_exact(2) {
        if let Ok(member) = serde_json::from_str::<Member>(&pair[1]) {
            members.insert(pair[0].as_str(), member);
        }
    }
    let changed: HashMap<_, _> =
        changed.chunks_exact(2).map(|pair| (pair[0].parse().ok(), pair[1].as_str())).collect();
    let revise = |message: &mut Message| {
        if let Some(now) = changed.get(&Some(message.seq)) {
            *message = serde_json::from_str(now).map_err(unexpected)?;
        }
        let author = message.user_id.and_then(|user| members.get(user.to_string().as_str()));
        if let Some(author) = author {
            message.user_name.clone_from(&author.name);
            message.user_email.clone_from(&author.email);
        }
        Ok(())
    };
    let entries = entries.into_iter().map(|(id, fields)| StreamEntry::new(&id, fields)?.into_shown(revise));
    entries.collect()
}

/// Entries of Postgres, as readers see them.
pub(super) fn shown_all(entries: Vec<Entry>) -> Result<Vec<Shown>> {
    entries.into_iter().map(Entry::into_shown).collect()
}

fn to_text(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(unexpected)
}

fn raw(frame: String) -> Result<Box<RawValue>> {
    RawValue::from_string(frame).map_err(unexpected)
}

fn broken(id: &str, problem: &str) -> Error {
    Error::Internal(anyhow::anyhow!("stream entry {id} {problem}"))
}

fn unexpected(error: impl Into<anyhow::Error>) -> Error {
    Error::Internal(error.into().context("an entry of the log"))
}
