//! What clients are answered.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::FieldError;
use crate::ids::{ConversationId, MessageId};
use crate::log::{Message, Role, ShownBody};

/// What a command is answered with.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Answer {
    /// To `subscribe`.
    #[schema(title = "subscribed")]
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
    #[schema(title = "unsubscribed")]
    Unsubscribed {
        /// Which.
        conversations: Vec<ConversationId>,
    },
    /// To `history`.
    #[schema(title = "history")]
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
    #[schema(title = "ack.read")]
    Read {
        /// Up to which message.
        message_id: MessageId,
    },
    /// To a send or a change of a message, once it is durable.
    #[schema(title = "ack")]
    Ack {
        /// What is committed.
        message: Box<Message>,
        /// Whether it was there already.
        duplicate: bool,
    },
    /// To `ping`.
    #[schema(title = "pong")]
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
#[derive(Debug, Serialize, ToSchema)]
pub struct Subscribed {
    /// All after the last seq, in log order.
    #[schema(value_type = Vec<ShownBody>)]
    pub messages: Vec<Box<RawValue>>,
    /// Nothing up to here is missing.
    pub through: i64,
    /// Nothing newer than `through` is missing.
    pub complete: bool,
    /// What the user may do there.
    pub role: Role,
}

/// An answer as a frame.
#[derive(Serialize, ToSchema)]
pub(crate) struct Framed<'a> {
    #[serde(flatten)]
    pub answer: &'a Answer,
    /// The command's, if it had one.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub reference: Option<&'a Value>,
}

/// What a command is answered with that failed.
#[derive(Serialize, ToSchema)]
#[schema(as = ErrorAnswer)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum ErrorFrame<'a> {
    /// The command did nothing, unless the code says that this is open.
    #[schema(title = "error")]
    Error {
        /// Why.
        code: ErrorCode,
        /// Why, in a sentence.
        message: String,
        /// The command's, if it had one.
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        #[schema(value_type = String, required = false)]
        reference: Option<&'a Value>,
        /// In how many seconds the same command would pass, if it was throttled.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(value_type = u64, required = false)]
        retry_after: Option<u64>,
        /// The fields that are wrong, if some are.
        #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
        #[schema(value_type = Vec<FieldError>, required = false)]
        errors: &'a [FieldError],
    },
}

/// Why a command failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum ErrorCode {
    InvalidJson,
    Invalid,
    InvalidType,
    InvalidContent,
    ContentTooLong,
    Unauthenticated,
    Forbidden,
    NotFound,
    NotSubscribed,
    Conflict,
    Throttled,
    Unavailable,
    InternalError,
}

impl ErrorCode {
    /// As it is written.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::InvalidJson => "INVALID_JSON",
            Self::Invalid => "INVALID",
            Self::InvalidType => "INVALID_TYPE",
            Self::InvalidContent => "INVALID_CONTENT",
            Self::ContentTooLong => "CONTENT_TOO_LONG",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::NotFound => "NOT_FOUND",
            Self::NotSubscribed => "NOT_SUBSCRIBED",
            Self::Conflict => "CONFLICT",
            Self::Throttled => "THROTTLED",
            Self::Unavailable => "UNAVAILABLE",
            Self::InternalError => "INTERNAL_ERROR",
        }
    }
}
