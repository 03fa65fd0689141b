//! The WebSocket protocol: commands from clients, and the answers to them. Events are made by the log.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use time::OffsetDateTime;

use crate::ids::{ConversationId, MessageId};
use crate::log::{Message, Role};
use crate::messages::{ClientId, Emoji};
use crate::page::Limit;

/// How large an answer may be, so that its frame stays below the platform's 128 KiB.
pub const MAX_ANSWER: usize = 96 * 1024;

/// What a client asks for.
#[derive(Debug)]
pub enum Command {
    /// Receive the events of conversations from now on, and what was missed.
    Subscribe(Subscribe),
    /// Receive them no more.
    Unsubscribe(Unsubscribe),
    /// A page of messages.
    History(History),
    /// Say something.
    Send(Box<Send>),
    /// Change what a message says.
    Edit(EditMessage),
    /// Take a message back.
    Delete(DeleteMessage),
    /// React to a message, or no more.
    React(React),
    /// Somebody types.
    Typing(Typing),
    /// Somebody has read up to a message.
    Read(Read),
    /// Still there? And where are the logs?
    Ping,
}

impl Command {
    /// Parses the command called `name`.
    pub fn parse(name: &str, frame: serde_json::Value) -> crate::Result<Self> {
        match name {
            "subscribe" => crate::parse::typed(frame).map(Self::Subscribe),
            "unsubscribe" => crate::parse::typed(frame).map(Self::Unsubscribe),
            "history" => crate::parse::typed(frame).map(Self::History),
            "message.send" => crate::parse::typed(frame).map(Self::Send),
            "message.edit" => crate::parse::typed(frame).map(Self::Edit),
            "message.delete" => crate::parse::typed(frame).map(Self::Delete),
            "message.react" => crate::parse::typed(frame).map(Self::React),
            "typing" => crate::parse::typed(frame).map(Self::Typing),
            "read" => crate::parse::typed(frame).map(Self::Read),
            "ping" => Ok(Self::Ping),
            _ => Err(crate::Error::InvalidType),
        }
    }

    /// The one conversation that it names, if it names one.
    pub fn conversation(&self) -> Option<ConversationId> {
        match self {
            Self::History(History { conversation_id, .. })
            | Self::Edit(EditMessage { conversation_id, .. })
            | Self::Delete(DeleteMessage { conversation_id, .. })
            | Self::React(React { conversation_id, .. })
            | Self::Typing(Typing { conversation_id, .. })
            | Self::Read(Read { conversation_id, .. }) => Some(*conversation_id),
            Self::Send(send) => send.conversation_id,
            Self::Subscribe(_) | Self::Unsubscribe(_) | Self::Ping => None,
        }
    }

    /// Whether there is a command called `name`.
    pub fn is_known(name: &str) -> bool {
        !matches!(Self::parse(name, serde_json::Value::Null), Err(crate::Error::InvalidType))
    }
}

/// `subscribe`
#[derive(Debug, Deserialize)]
pub struct Subscribe {
    /// The last seq the client has of each, or null for the newest page.
    #[serde(default)]
    pub conversations: BTreeMap<ConversationId, Option<u64>>,
    /// The same by name.
    #[serde(default)]
    pub channels: BTreeMap<String, Option<u64>>,
    /// The highest seq received but not yet applied.
    #[serde(default)]
    pub seen: BTreeMap<ConversationId, u64>,
}

/// `unsubscribe`
#[derive(Debug, Deserialize)]
pub struct Unsubscribe {
    /// Which.
    pub conversations: Vec<ConversationId>,
}

/// `history`
#[derive(Debug, Deserialize)]
pub struct History {
    /// Where.
    pub conversation_id: ConversationId,
    /// The messages before this one.
    pub before: Option<MessageId>,
    /// The messages after this one.
    pub after: Option<MessageId>,
    /// How many at most.
    #[serde(default)]
    pub limit: Limit,
}

/// `message.send`
#[derive(Debug, Deserialize)]
pub struct Send {
    /// Where; may be left out with exactly one subscription.
    pub conversation_id: Option<ConversationId>,
    /// The text.
    #[serde(default)]
    pub content: Value,
    /// An object beside it.
    pub metadata: Option<Value>,
    /// The idempotency key.
    pub client_id: Option<ClientId>,
    /// The message it answers.
    pub reply_to: Option<MessageId>,
}

/// `message.edit`
#[derive(Debug, Deserialize)]
pub struct EditMessage {
    /// Where.
    pub conversation_id: ConversationId,
    /// Which.
    pub message_id: MessageId,
    /// The new text.
    #[serde(default)]
    pub content: Value,
    /// The idempotency key.
    pub client_id: Option<ClientId>,
}

/// `message.delete`
#[derive(Debug, Deserialize)]
pub struct DeleteMessage {
    /// Where.
    pub conversation_id: ConversationId,
    /// Which.
    pub message_id: MessageId,
    /// The idempotency key.
    pub client_id: Option<ClientId>,
}

/// `message.react`
#[derive(Debug, Deserialize)]
pub struct React {
    /// Where.
    pub conversation_id: ConversationId,
    /// To which message.
    pub message_id: MessageId,
    /// How.
    pub emoji: Emoji,
    /// Whether, or no more.
    pub on: bool,
    /// The idempotency key.
    pub client_id: Option<ClientId>,
}

/// `typing`
#[derive(Debug, Deserialize)]
pub struct Typing {
    /// Where.
    pub conversation_id: ConversationId,
    /// Whether, or no more.
    #[serde(default = "yes")]
    pub active: bool,
}

fn yes() -> bool {
    true
}

/// `read`
#[derive(Debug, Deserialize)]
pub struct Read {
    /// Where.
    pub conversation_id: ConversationId,
    /// Up to which message.
    pub message_id: MessageId,
}

/// What a command is answered with.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Answer {
    /// To `subscribe`.
    Subscribed {
        /// What each had for the client.
        conversations: BTreeMap<ConversationId, Subscribed>,
        /// The ids of the channels that were named.
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        channels: BTreeMap<String, ConversationId>,
        /// When the connection will be closed.
        #[serde(with = "time::serde::rfc3339")]
        expires_at: OffsetDateTime,
    },
    /// To `unsubscribe`.
    Unsubscribed {
        /// Which.
        conversations: Vec<ConversationId>,
    },
    /// To `history`.
    History {
        /// Where.
        conversation_id: ConversationId,
        /// The page, oldest first.
        messages: Vec<Message>,
        /// Whether there is nothing beyond the page in its direction.
        complete: bool,
    },
    /// To `read`.
    #[serde(rename = "ack")]
    Read {
        /// Up to which message.
        message_id: MessageId,
    },
    /// To a send or a change of a message, once it is durable.
    Ack {
        /// What is committed.
        message: Box<Message>,
        /// Whether it was there already.
        duplicate: bool,
    },
    /// To `ping`.
    Pong {
        /// The last seq of each subscribed conversation.
        heads: BTreeMap<ConversationId, i64>,
        /// When the connection will be closed.
        #[serde(with = "time::serde::rfc3339")]
        expires_at: OffsetDateTime,
        /// Whether subscriptions were forgotten: subscribe again.
        resync: bool,
    },
}

/// What one conversation had for a subscriber.
#[derive(Debug, Serialize)]
pub struct Subscribed {
    /// All after the last seq, in log order.
    pub messages: Vec<Box<RawValue>>,
    /// Nothing up to here is missing.
    pub through: i64,
    /// Nothing newer than `through` is missing.
    pub complete: bool,
    /// What the user may do there.
    pub role: Role,
}
