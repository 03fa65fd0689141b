//! Every key in Redis, and what it holds.
//!
//! Keys are tagged by partition, `{p<crc32(id) mod 256>}`, so that each script's keys are in one slot of a
//! cluster and all that a partition holds can be enumerated.

use std::fmt::{self, Write};
use std::net::{IpAddr, Ipv6Addr};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::ids::{ConnectionId, ConversationId, SessionId, UserId};

const PARTITIONS: u32 = 256;
/// The field of a connection's hash that says whose it is.
pub const USER: &str = "user";
const SUBSCRIPTION: &str = "subscribed:";

/// A part of the key space whose keys are in one slot: what it holds can be enumerated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Partition(u32);

impl Partition {
    /// The partition of an id.
    pub fn of(id: &Uuid) -> Self {
        Self::of_bytes(id.as_bytes())
    }

    fn of_bytes(bytes: &[u8]) -> Self {
        Self(crc32fast::hash(bytes) % PARTITIONS)
    }

    /// All there are.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..PARTITIONS).map(Self)
    }

    /// Sorted set: sessions that were ended, by when, in ms; last, at infinity, a name that is new whenever one was added.
    pub fn revoked(self) -> String {
        format!("{self}:revoked")
    }

    /// Sorted set: conversations that are here, by when they last changed, in ms.
    pub fn warm(self) -> String {
        format!("{self}:warm")
    }

    /// Sorted set: the open connections of users that are here, by when they end at the latest, in ms.
    pub fn live(self) -> String {
        format!("{self}:live")
    }

    /// Hash: what instances counted, field of [`crate::metrics`] → total. Of the partitions that one server has, one has it.
    pub fn metrics(self) -> String {
        format!("{self}:metrics")
    }

    /// String: when the last maintenance began that left nothing to do here, in ms.
    pub fn mark(self) -> String {
        format!("{self}:mark")
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{p{}}}", self.0)
    }
}

/// The keys of one conversation.
pub struct ConversationKeys {
    partition: Partition,
    conversation: ConversationId,
}

impl ConversationKeys {
    /// The keys of `conversation`.
    pub fn of(conversation: ConversationId) -> Self {
        Self { partition: Partition::of(&conversation.0), conversation }
    }

    /// The keys every script of the log is given, in the order `log/fold.lua` names them.
    pub fn fold(&self) -> [String; 8] {
        [
            self.meta(),
            self.stream(),
            self.members(),
            self.changed(),
            self.connections(),
            self.lagging(),
            self.partition.revoked(),
            self.partition.warm(),
        ]
    }

    /// Hash: connection that misses pushes → since when, in ms.
    pub fn lagging(&self) -> String {
        self.key("lagging-since")
    }

    /// Hash: w (folded through), n (number of buckets), of each bucket p (pushed through), lease and until; and revision,
    /// the last of the partition's revoked when the connections were last cleared of it.
    pub fn meta(&self) -> String {
        self.key("meta")
    }

    /// Hash: seq of a message in the stream → the message as it is now.
    pub fn changed(&self) -> String {
        self.key("changed")
    }

    /// Prefix of the strings that keep somebody from telling too often that they type, `<prefix><user>`.
    pub fn typing_prefix(&self) -> String {
        self.key("typing:")
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

    /// Hash: the sends of a burst that wait to be committed together, `<user>:<key>` → `at|user|intent`.
    pub fn inbox(&self) -> String {
        self.key("inbox")
    }

    /// String: the token of who empties the inbox.
    pub fn inbox_lease(&self) -> String {
        self.key("inbox-lease")
    }

    /// String: how many sends passed the gate lately.
    pub fn sends(&self) -> String {
        self.key("sends")
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
        format!("{}:conversation:{}:{name}", self.partition, self.conversation)
    }
}

/// The keys of one user.
pub struct UserKeys {
    partition: Partition,
    prefix: String,
}

impl UserKeys {
    /// The keys of `user`.
    pub fn of(user: UserId) -> Self {
        let partition = Partition::of(&user.0);
        Self { partition, prefix: format!("{partition}:user:{user}") }
    }

    /// String: `live` or `dead`.
    pub fn session(&self, session: SessionId) -> String {
        format!("{}:session:{session}", self.prefix)
    }

    /// Hash: connection id → when it ends at the latest, and its session: `expires_at|session`.
    pub fn connections(&self) -> String {
        format!("{}:connections", self.prefix)
    }

    /// Sorted set: [`Partition::live`] of the user's partition, which those of others share.
    pub fn live(&self) -> String {
        self.partition.live()
    }

    /// String: when the last connection that ended was seen, in ms.
    pub fn last_seen(&self) -> String {
        format!("{}:last_seen", self.prefix)
    }

    /// Sorted set: what the user did lately of what is throttled by this name.
    pub fn throttle(&self, name: &str) -> String {
        format!("{}:throttle:{name}", self.prefix)
    }
}

/// The keys of an OAuth client.
pub struct ClientKeys {
    prefix: String,
}

impl ClientKeys {
    /// The keys of `client`.
    pub fn of(client: &str) -> Self {
        Self { prefix: format!("{}:client:{client}", Partition::of_bytes(client.as_bytes())) }
    }

    /// Sorted set: what the client did lately of what is throttled by this name.
    pub fn throttle(&self, name: &str) -> String {
        format!("{}:throttle:{name}", self.prefix)
    }
}

/// The keys of whoever asks from one address, of which they hold a digest.
pub struct AddressKeys {
    prefix: String,
}

impl AddressKeys {
    /// The keys of an address, of IP version 6 those of its network: whoever has one address there has 2^64.
    pub fn of(address: &str) -> Self {
        let network = match address.parse().map(|address: IpAddr| address.to_canonical()) {
            Ok(IpAddr::V6(address)) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).to_string(),
            Ok(IpAddr::V4(address)) => address.to_string(),
            Err(_) => address.to_owned(),
        };
        let digest = Sha256::digest(network);
        Self { prefix: format!("{}:address:{}", Partition::of_bytes(&digest), hex(&digest)) }
    }

    /// Sorted set: what was done from there lately of what is throttled by this name.
    pub fn throttle(&self, name: &str) -> String {
        format!("{}:throttle:{name}", self.prefix)
    }
}

/// The keys of an account that somebody claimed and nobody has. Its name may be an e-mail address, so they hold a digest.
pub struct ClaimKeys {
    prefix: String,
}

impl ClaimKeys {
    /// The keys of the account with this name, in whichever case.
    pub fn of(name: &str) -> Self {
        let digest = Sha256::digest(name.to_lowercase());
        Self { prefix: format!("{}:claim:{}", Partition::of_bytes(&digest), hex(&digest)) }
    }

    /// Sorted set: what was done with it lately of what is throttled by this name.
    pub fn throttle(&self, name: &str) -> String {
        format!("{}:throttle:{name}", self.prefix)
    }
}

/// Hash: how many `entries` Redis was behind when maintenance last compared, and when that was (`at`, in s).
pub fn fold_lag() -> String {
    "fold-lag".to_owned()
}

/// Hash: who a connection is and what it is subscribed to.
pub fn connection(id: &ConnectionId) -> String {
    format!("connection:{id}")
}

/// Sorted set: what a connection commanded lately, in the slot of its hash.
pub fn commands(id: &ConnectionId) -> String {
    format!("{{{}}}:commands", connection(id))
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
pub fn ticket(digest: &[u8]) -> String {
    format!("ticket:{}", hex(digest))
}

fn hex(digest: &[u8]) -> String {
    digest.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a String takes all that is written to it");
        hex
    })
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
        let others = [keys.known_prefix(), keys.throttle_prefix(), keys.typing_prefix()];
        let of_bursts = [keys.inbox(), keys.inbox_lease(), keys.sends()];
        for key in keys.fold().into_iter().chain(others).chain(of_bursts) {
            assert!(key.starts_with(tag), "{key}");
        }
    }

    #[test]
    fn a_connections_commands_are_in_the_slot_of_its_record() {
        let id = ConnectionId("abc=".to_owned());
        let (record, commands) = (connection(&id), commands(&id));

        assert!(!record.contains('{'), "so all of it decides its slot");
        assert!(commands.starts_with(&format!("{{{record}}}")), "{commands}");
    }
}
