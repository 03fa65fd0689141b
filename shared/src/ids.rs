//! The ids. Users, sessions and conversations have version 7 UUIDs, messages the id of their stream entry, and
//! connections what API Gateway calls them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

macro_rules! uuid_id {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(try_from = "String")]
        pub struct $name(pub Uuid);

        impl TryFrom<String> for $name {
            type Error = &'static str;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl $name {
            /// A new one; later ones sort after earlier ones.
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = &'static str;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self).map_err(|_| "must be a UUID")
            }
        }
    )*};
}

uuid_id! {
    /// A person.
    UserId
    /// A signed-in lineage of refresh tokens.
    SessionId
    /// A set of people talking.
    ConversationId
}

/// A message's place in its conversation's sequence, written as the id of its stream entry: `"<seq>-0"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, pattern = "^[1-9][0-9]{0,14}-0$", examples("12-0"))]
pub struct MessageId(pub i64);

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-0", self.0)
    }
}

impl FromStr for MessageId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let seq = text.strip_suffix("-0").filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
        // A seq stays below 2^53, so that JavaScript and Lua count it exactly.
        seq.and_then(|digits| digits.parse().ok())
            .filter(|seq| (1..1 << 53).contains(seq))
            .map(Self)
            .ok_or("must be a message id, as \"12-0\"")
    }
}

impl TryFrom<String> for MessageId {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<MessageId> for String {
    fn from(id: MessageId) -> Self {
        id.to_string()
    }
}

/// One open WebSocket, by the name API Gateway gave it: an opaque string that is never taken apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConnectionId(pub String);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_is_a_positive_seq_and_nothing_else() {
        assert_eq!("12-0".parse(), Ok(MessageId(12)));
        for bad in ["", "-0", "0-0", "12", "12-1", "+1-0", "-1-0", "1 -0", "9007199254740992-0"] {
            assert!(bad.parse::<MessageId>().is_err(), "{bad}");
        }
    }
}
