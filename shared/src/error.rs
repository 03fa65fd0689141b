//! The one error type. It knows codes and sentences, no HTTP and no frames: `http` and `websocket` render it.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use crate::oauth;
use crate::throttle::Window;

/// What an operation returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A field of the input and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// The path of the field, as the client named it.
    pub field: String,
    /// What is wrong, as the rest of a sentence about the field.
    pub message: String,
}

/// Everything that can go wrong, as a client is told of it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not JSON.
    #[error("The body is not valid JSON.")]
    Malformed,
    /// JSON, but not what was asked for.
    #[error("The input is invalid.")]
    Invalid(Vec<FieldError>),
    /// A frame whose `type` is no command.
    #[error("There is no such command.")]
    InvalidType,
    /// Content that is empty or not text.
    #[error("The content must be text, neither empty nor with a null character in it.")]
    InvalidContent,
    /// Content over the limit.
    #[error("The content must not be longer than 2000 characters.")]
    ContentTooLong,
    /// No, bad or expired credentials.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// Known, but not allowed.
    #[error("{0}")]
    Forbidden(&'static str),
    /// Signing in before the address is verified, where that is required.
    #[error(
        "The e-mail address is not verified yet: follow the link in the mail, or ask for another at resend-verification."
    )]
    EmailNotVerified,
    /// Not there, or not for this caller to know of.
    #[error("There is no such {0}.")]
    NotFound(&'static str),
    /// The same, of several that were named.
    #[error("There is no such conversation.")]
    NotFoundAmong(Vec<FieldError>),
    /// A send without a conversation, by a connection that has not exactly one subscription.
    #[error("Name a conversation_id: the connection is not subscribed to exactly one.")]
    NotSubscribed,
    /// Contradicts what is there.
    #[error("The request contradicts what is there.")]
    Conflict(FieldError),
    /// A body over the limit.
    #[error("The body must not be larger than 64 KiB.")]
    TooLarge,
    /// Too often.
    #[error("Too many requests: the throttle \"{policy}\" lets you in again in {} s.", retry_after.as_millis().div_ceil(1000))]
    Throttled {
        /// The name of the policy that refused.
        policy: &'static str,
        /// Its windows.
        windows: Vec<Window>,
        /// How long to wait until the same request would pass.
        retry_after: Duration,
    },
    /// An OAuth request that is refused.
    #[error("{description}")]
    OAuth {
        /// Why, by the name of the RFC.
        code: oauth::Code,
        /// Why, for the developer of the client.
        description: String,
    },
    /// A store did not answer, so the outcome is open: the client retries with the same idempotency key.
    #[error("A store is unavailable; the outcome is open, try again.")]
    Unavailable(#[source] anyhow::Error),
    /// A fault of ours. The chain is logged once at the edge, the client sees this sentence.
    #[error("Something went wrong on our side.")]
    Internal(#[from] anyhow::Error),
}

impl Error {
    /// One invalid field.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError { field: field.into(), message: message.into() }])
    }

    /// One conflicting field.
    pub fn conflict(field: &str, message: &str) -> Self {
        Self::Conflict(FieldError { field: field.to_owned(), message: message.to_owned() })
    }

    /// The code of the public contract.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Invalid(_) | Self::InvalidType | Self::InvalidContent | Self::ContentTooLong => "invalid",
            Self::Unauthenticated(_) => "unauthenticated",
            Self::Forbidden(_) => "forbidden",
            Self::EmailNotVerified => "email_not_verified",
            Self::NotFound(_) | Self::NotFoundAmong(_) | Self::NotSubscribed => "not_found",
            Self::Conflict(_) => "conflict",
            Self::OAuth { code, .. } => code.as_str(),
            Self::TooLarge => "too_large",
            Self::Throttled { .. } => "throttled",
            Self::Unavailable(_) => "unavailable",
            Self::Internal(_) => "internal",
        }
    }

    /// The fields this error names, if any.
    pub fn fields(&self) -> &[FieldError] {
        match self {
            Self::Invalid(fields) | Self::NotFoundAmong(fields) => fields,
            Self::Conflict(field) => std::slice::from_ref(field),
            _ => &[],
        }
    }

    /// The cause, for the log alone.
    pub fn cause(&self) -> Option<&anyhow::Error> {
        match self {
            Self::Unavailable(cause) | Self::Internal(cause) => Some(cause),
            _ => None,
        }
    }
}
