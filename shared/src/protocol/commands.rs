//! What clients ask for.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::documented::{Described, described};
use crate::ids::{ConversationId, MessageId};
use crate::messages::{ClientId, Emoji};
use crate::page::Limit;
use crate::parse::typed;
use crate::{Error, Result};

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
    pub fn parse(name: &str, frame: Value) -> Result<Self> {
        let kind = COMMANDS.iter().find(|kind| kind.name == name).ok_or(Error::InvalidType)?;
        (kind.parse)(frame)
    }

    /// Whether there is a command called `name`.
    pub fn is_known(name: &str) -> bool {
        COMMANDS.iter().any(|kind| kind.name == name)
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
}

/// A kind of command: what it is called and answered, and what it is read from.
pub struct CommandKind {
    /// Its `type`.
    pub name: &'static str,
    /// The title of its answer, where it has one beside errors.
    pub answer: Option<&'static str>,
    parse: fn(Value) -> Result<Command>,
    /// Its fields beside `type` and `ref`.
    pub fields: fn() -> Described,
}

/// All there are.
pub const COMMANDS: [CommandKind; 10] = [
    CommandKind {
        name: "subscribe",
        answer: Some("subscribed"),
        parse: |frame| typed(frame).map(Command::Subscribe),
        fields: described::<Subscribe>,
    },
    CommandKind {
        name: "unsubscribe",
        answer: Some("unsubscribed"),
        parse: |frame| typed(frame).map(Command::Unsubscribe),
        fields: described::<Unsubscribe>,
    },
    CommandKind {
        name: "history",
        answer: Some("history"),
        parse: |frame| typed(frame).map(Command::History),
        fields: described::<History>,
    },
    CommandKind {
        name: "message.send",
        answer: Some("ack"),
        parse: |frame| typed(frame).map(Command::Send),
        fields: described::<Send>,
    },
    CommandKind {
        name: "message.edit",
        answer: Some("ack"),
        parse: |frame| typed(frame).map(Command::Edit),
        fields: described::<EditMessage>,
    },
    CommandKind {
        name: "message.delete",
        answer: Some("ack"),
        parse: |frame| typed(frame).map(Command::Delete),
        fields: described::<DeleteMessage>,
    },
    CommandKind {
        name: "message.react",
        answer: Some("ack"),
        parse: |frame| typed(frame).map(Command::React),
        fields: described::<React>,
    },
    CommandKind {
        name: "typing",
        answer: None,
        parse: |frame| typed(frame).map(Command::Typing),
        fields: described::<Typing>,
    },
    CommandKind {
        name: "read",
        answer: Some("ack.read"),
        parse: |frame| typed(frame).map(Command::Read),
        fields: described::<Read>,
    },
    CommandKind {
        name: "ping",
        answer: Some("pong"),
        parse: |frame| typed(frame).map(|Ping {}| Command::Ping),
        fields: described::<Ping>,
    },
];

/// Receive the events of conversations from now on, and what was missed.
#[derive(Debug, Deserialize, ToSchema)]
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

/// Receive the events of conversations no more.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Unsubscribe {
    /// Which.
    pub conversations: Vec<ConversationId>,
}

/// A page of messages.
#[derive(Debug, Deserialize, ToSchema)]
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

/// Say something.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Send {
    /// Where; may be left out with exactly one subscription.
    pub conversation_id: Option<ConversationId>,
    /// The text.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 2000, pattern = r"^[^\x00]*[^\s\x00][^\x00]*$")]
    pub content: Value,
    /// An object beside it, of at most 4 KiB.
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Value>,
    /// The idempotency key.
    pub client_id: Option<ClientId>,
    /// The message it answers.
    pub reply_to: Option<MessageId>,
}

/// Change what a message of one's own says.
#[derive(Debug, Deserialize, ToSchema)]
pub struct EditMessage {
    /// Where.
    pub conversation_id: ConversationId,
    /// Which.
    pub message_id: MessageId,
    /// The new text.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 2000, pattern = r"^[^\x00]*[^\s\x00][^\x00]*$")]
    pub content: Value,
    /// The idempotency key.
    pub client_id: Option<ClientId>,
}

/// Take a message back.
#[derive(Debug, Deserialize, ToSchema)]
pub struct DeleteMessage {
    /// Where.
    pub conversation_id: ConversationId,
    /// Which.
    pub message_id: MessageId,
    /// The idempotency key.
    pub client_id: Option<ClientId>,
}

/// React to a message, or no more.
#[derive(Debug, Deserialize, ToSchema)]
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

/// Tell the others that one types.
#[derive(Debug, Deserialize, ToSchema)]
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

/// Move one's read pointer up to a message, never back.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Read {
    /// Where.
    pub conversation_id: ConversationId,
    /// Up to which message.
    pub message_id: MessageId,
}

/// Still there? And where are the logs?
#[derive(Debug, Deserialize, ToSchema)]
pub struct Ping {}
