//! Frames, reduced to what can be judged: where an entry stands, and a digest of what it says.
//!
//! A digest is of what the log itself holds (kind, sender, idempotency key, text; who was added or removed), so that an
//! entry pushed, acked, resumed, paged or read from Postgres has the same one, and 200,000 texts fit in memory.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::value::RawValue;

/// An entry of a log, as somebody was shown it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its place.
    pub(crate) seq: u64,
    /// What it says.
    pub(crate) digest: u64,
    /// Whom it removed.
    pub(crate) removes: Option<String>,
}

/// What came over a connection.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// An event of a conversation's log.
    Pushed { conversation: String, entry: Entry },
    /// The answer to a send.
    Ack { reference: String, conversation: String, entry: Entry, duplicate: bool },
    /// The answer to `subscribe`.
    Subscribed { reference: String, answers: HashMap<String, Answered> },
    /// The answer to `ping`.
    Pong { heads: HashMap<String, u64>, resync: bool },
    /// Pushes were left out.
    Lag { conversation: String, latest: u64 },
    /// A refusal; `refused` are the conversations it names.
    Error { code: String, reference: String, retry_after: Option<u64>, refused: Vec<String> },
    /// The platform failed, and does not say at which frame.
    Platform,
    /// An event without a place in the log.
    Unordered,
}

/// What `subscribed` says of one conversation.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) entries: Vec<Entry>,
    pub(crate) through: u64,
    pub(crate) complete: bool,
}

#[derive(Deserialize)]
struct Frame<'a> {
    r#type: Option<String>,
    r#ref: Option<String>,
    conversation_id: Option<String>,
    seq: Option<u64>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    participant: Option<Participant>,
    conversation: Option<Name>,
    user_id: Option<String>,
    by: Option<String>,
    #[serde(borrow)]
    frames: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    conversations: Option<HashMap<String, Subscribed<'a>>>,
    heads: Option<HashMap<String, u64>>,
    resync: Option<bool>,
    latest: Option<u64>,
    duplicate: Option<bool>,
    code: Option<String>,
    retry_after: Option<u64>,
    #[serde(default)]
    errors: Vec<Field>,
}

#[derive(Deserialize)]
struct Subscribed<'a> {
    #[serde(borrow)]
    messages: Vec<&'a RawValue>,
    through: u64,
    complete: bool,
}

#[derive(Deserialize)]
struct Field {
    field: String,
}

#[derive(Deserialize)]
struct Participant {
    user_id: String,
    role: String,
}

#[derive(Deserialize)]
struct Name {
    name: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    seq: u64,
    conversation_id: String,
    user_id: Option<String>,
    client_id: Option<String>,
    content: Option<String>,
}

/// Reads a frame; a `batch` holds several.
pub(crate) fn parse(text: &str) -> Result<Vec<Incoming>> {
    let frame: Frame<'_> = serde_json::from_str(text)?;
    if frame.r#type.as_deref() == Some("batch") {
        let frames = frame.frames.context("a batch has frames")?;
        return frames.into_iter().map(|frame| one(serde_json::from_str(frame.get())?)).collect();
    }
    Ok(vec![one(frame)?])
}

fn one(mut frame: Frame<'_>) -> Result<Incoming> {
    let Some(kind) = frame.r#type.take() else { return Ok(Incoming::Platform) };
    let reference = frame.r#ref.take().unwrap_or_default();
    Ok(match kind.as_str() {
        "ack" => {
            let message = message(frame.message)?;
            let duplicate = frame.duplicate.context("an ack has duplicate")?;
            let (conversation, entry) = message.into_entry();
            Incoming::Ack { reference, conversation, entry, duplicate }
        }
        "subscribed" => {
            let answers = frame.conversations.context("subscribed has conversations")?;
            let answers = answers.into_iter().map(|(id, answer)| Ok((id, answered(answer)?)));
            Incoming::Subscribed { reference, answers: answers.collect::<Result<_>>()? }
        }
        "pong" => Incoming::Pong {
            heads: frame.heads.context("a pong has heads")?,
            resync: frame.resync.context("a pong has resync")?,
        },
        "lag" => Incoming::Lag {
            conversation: frame.conversation_id.context("lag has conversation_id")?,
            latest: frame.latest.context("lag has latest")?,
        },
        "error" => Incoming::Error {
            code: frame.code.context("an error has a code")?,
            reference,
            retry_after: frame.retry_after,
            refused: frame
                .errors
                .into_iter()
                .filter_map(|error| error.field.strip_prefix("conversations.").map(str::to_owned))
                .collect(),
        },
        "typing" | "presence" | "read" => Incoming::Unordered,
        _ => {
            let conversation = frame.conversation_id.clone().context("an event has conversation_id")?;
            Incoming::Pushed { conversation, entry: event(&kind, frame)? }
        }
    })
}

fn answered(answer: Subscribed<'_>) -> Result<Answered> {
    let entries = answer.messages.into_iter().map(|entry| {
        let frame: Frame<'_> = serde_json::from_str(entry.get())?;
        match frame.r#type.clone() {
            Some(kind) => event(&kind, frame),
            None => Ok(message(Some(entry))?.into_entry().1),
        }
    });
    Ok(Answered {
        entries: entries.collect::<Result<_>>()?,
        through: answer.through,
        complete: answer.complete,
    })
}

/// An event of the log, pushed or resumed.
fn event(kind: &str, frame: Frame<'_>) -> Result<Entry> {
    let seq = frame.seq.with_context(|| format!("{kind} has a seq"))?;
    if kind == "message" {
        let (conversation, entry) = message(frame.message)?.into_entry();
        ensure!(entry.seq == seq, "an event's seq is its message's");
        ensure!(Some(conversation) == frame.conversation_id, "an event's conversation is its message's");
        return Ok(entry);
    }
    let (user, detail) = match (frame.participant, frame.conversation) {
        (Some(participant), _) => (participant.user_id, participant.role),
        (None, Some(named)) => (String::new(), named.name.unwrap_or_default()),
        (None, None) => (frame.user_id.unwrap_or_default(), frame.by.unwrap_or_default()),
    };
    let digest = of_change(kind, &user, &detail);
    Ok(Entry { seq, digest, removes: (kind == "participant.removed").then_some(user) })
}

fn message(raw: Option<&RawValue>) -> Result<Message> {
    Ok(serde_json::from_str(raw.context("there is a message")?.get())?)
}

impl Message {
    fn into_entry(self) -> (String, Entry) {
        let (user, client_id) = (self.user_id.unwrap_or_default(), self.client_id.unwrap_or_default());
        let digest = of_message(&user, &client_id, &self.content.unwrap_or_default());
        (self.conversation_id, Entry { seq: self.seq, digest, removes: None })
    }
}

/// A page of `GET …/messages`, oldest first, and the id to pass on.
#[derive(Deserialize)]
pub(crate) struct Page {
    items: Vec<Message>,
    pub(crate) next: Option<String>,
}

impl Page {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        Ok(serde_json::from_str(text)?)
    }

    /// Places and digests.
    pub(crate) fn into_entries(self) -> impl DoubleEndedIterator<Item = (u64, u64)> {
        self.items.into_iter().map(|message| message.into_entry().1).map(|entry| (entry.seq, entry.digest))
    }
}

/// The digest of a message.
pub(crate) fn of_message(user: &str, client_id: &str, content: &str) -> u64 {
    digest(&["message", user, client_id, content])
}

/// The digest of any other entry: whom or what it is about, and the role, the name or who did it.
pub(crate) fn of_change(kind: &str, user: &str, detail: &str) -> u64 {
    digest(&[kind, user, detail])
}

fn digest(parts: &[&str]) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}
