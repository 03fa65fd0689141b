//! Every key in Redis, and what it holds.
//!
//! Keys are tagged by partition, `{p<crc32(id) mod 256>}`, so that each script's keys are in one slot of a
//! cluster and all that a partition holds can be enumerated.

use crate::ids::{ConnectionId, ConversationId, SessionId, UserId};

const PARTITIONS: u32 = 256;
/// The field of a connection's hash that says whose it is.
pub const USER: &str = "user";
const SUBSCRIPTION: &str = "subscribed:";

/// The keys of one conversation.
pub struct ConversationKeys {
    prefix: String,
}

impl ConversationKeys {
    /// The keys of `conversation`.
    pub fn of(conversation: ConversationId) -> Self {
        let partition = crc32fast::hash(conversation.0.as_bytes()) % PARTITIONS;
        Self { prefix: format!("{{p{partition}}}:conversation:{conversation}") }
    }

    /// The keys every script of the log is given, in the order `log/fold.lua` names them.
    pub fn fold(&self) -> [String; 5] {
        [self.meta(), self.stream(), self.members(), self.connections(), self.lagging()]
    }

    /// Set: connections that missed a push.
    pub fn lagging(&self) -> String {
        self.key("lagging")
    }

    /// Hash: w (folded through), p (pushed through), lease, until, since, relieved.
    pub fn meta(&self) -> String {
        self.key("meta")
    }

    /// Stream: the newest entries, each with the id `<seq>-0`.
    pub fn stream(&self) -> String {
        self.key("stream")
    }

    /// Hash: user id → role, name and e-mail, also of those who left while their entries are in the stream.
    pub fn members(&self) -> String {
        self.key("members")
    }

    /// Hash: connection id → its registration.
    pub fn connections(&self) -> String {
        self.key("connections")
    }

    /// Prefix of the idempotency keys, `<prefix><user>:<key>` → seq.
    pub fn known_prefix(&self) -> String {
        self.key("known:")
    }

    /// Prefix of the sorted sets of who sent when, `<prefix><user>`.
    pub fn throttle_prefix(&self) -> String {
        self.key("throttle:")
    }

    fn key(&self, name: &str) -> String {
        format!("{}:{name}", self.prefix)
    }
}

/// The keys of one user.
pub struct UserKeys {
    prefix: String,
}

impl UserKeys {
    /// The keys of `user`.
    pub fn of(user: UserId) -> Self {
        let partition = crc32fast::hash(user.0.as_bytes()) % PARTITIONS;
        Self { prefix: format!("{{p{partition}}}:user:{user}") }
    }

    /// String: `live` or `dead`.
    pub fn session(&self, session: SessionId) -> String {
        format!("{}:session:{session}", self.prefix)
    }

    /// Hash: connection id → when it ends at the latest, and its session: `expires_at|session`.
    pub fn connections(&self) -> String {
        format!("{}:connections", self.prefix)
    }

    /// String: when the last connection that ended was seen, in ms.
    pub fn last_seen(&self) -> String {
        format!("{}:last_seen", self.prefix)
    }
}

/// Hash: who a connection is and what it is subscribed to.
pub fn connection(id: &ConnectionId) -> String {
    format!("connection:{id}")
}

/// The field of a connection's hash that stands for a subscription.
pub fn subscription(conversation: ConversationId) -> String {
    format!("{SUBSCRIPTION}{conversation}")
}

/// The conversation that a field of a connection's hash stands for.
pub fn subscribed(field: &str) -> Option<ConversationId> {
    field.strip_prefix(SUBSCRIPTION)?.parse().ok()
}

/// String: whose ticket has this digest.
pub fn ticket(digest: &str) -> String {
    format!("ticket:{digest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_of_a_conversation_are_in_one_slot() {
        let keys = ConversationKeys::of(ConversationId(
            "01890a5d-ac96-774b-bcce-b302099a8057".parse().expect("a UUID"),
        ));
        let tag = &keys.meta()[..keys.meta().find('}').expect("a tag")];

        assert_eq!(keys.meta(), "{p4}:conversation:01890a5d-ac96-774b-bcce-b302099a8057:meta");
        for key in keys.fold().into_iter().chain([keys.known_prefix(), keys.throttle_prefix()]) {
            assert!(key.starts_with(tag), "{key}");
        }
    }
}
