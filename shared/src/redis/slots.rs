//! The slots of a cluster: which one a key falls into, and which node serves it.

use std::collections::BTreeMap;

use redis::{ErrorKind, RedisResult, Value, from_redis_value};

const SLOTS: u16 = 16_384;

/// A node, by the address it is reached at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Node {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Node {
    /// The node named in a redirect, `<host>:<port>`, by a node that leaves out its own host.
    pub(super) fn named(text: &str, by: &Self) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        Some(Self {
            host: if host.is_empty() { &by.host } else { host }.to_owned(),
            port: port.parse().ok()?,
        })
    }
}

/// Who serves which slot, as one node sees it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Slots {
    /// Last slot of a range → its first slot and its primary.
    ranges: BTreeMap<u16, (u16, Node)>,
}

impl Slots {
    /// Reads a node's reply to `CLUSTER SLOTS`, per range: first, last, [host, port, …] of the primary, replicas.
    pub(super) fn read(reply: Value, asked: &Node) -> RedisResult<Self> {
        let mut ranges = BTreeMap::new();
        for range in from_redis_value::<Vec<Vec<Value>>>(reply)? {
            let mut parts = range.into_iter();
            let (Some(first), Some(last), Some(primary)) = (parts.next(), parts.next(), parts.next()) else {
                continue;
            };
            let mut primary = from_redis_value::<Vec<Value>>(primary)?.into_iter();
            let (Some(host), Some(port)) = (primary.next(), primary.next()) else { continue };
            let host = match from_redis_value::<Option<String>>(host)?.as_deref() {
                None | Some("") => asked.host.clone(), // "where you asked me"
                Some("?") => continue,                 // the node does not know
                Some(host) => host.to_owned(),
            };
            let primary = Node { host, port: from_redis_value(port)? };
            ranges.insert(from_redis_value(last)?, (from_redis_value(first)?, primary));
        }
        if ranges.is_empty() {
            return Err((ErrorKind::ClusterConnectionNotFound, "a node that has left its cluster").into());
        }
        Ok(Self { ranges })
    }

    /// Who serves a slot.
    pub(super) fn owner(&self, slot: u16) -> Option<&Node> {
        let (_, (first, node)) = self.ranges.range(slot..).next()?;
        (*first <= slot).then_some(node)
    }

    /// Notes that a slot is served by this node now.
    pub(super) fn move_to(&mut self, slot: u16, node: Node) {
        if let Some((&last, (first, _))) = self.ranges.range(slot..).next()
            && *first <= slot
        {
            let (first, before) = self.ranges.remove(&last).expect("it was just found");
            if first < slot {
                self.ranges.insert(slot - 1, (first, before.clone()));
            }
            if slot < last {
                self.ranges.insert(last, (slot + 1, before));
            }
        }
        self.ranges.insert(slot, (slot, node));
    }

    /// All who serve some slot, repeated where one has several ranges.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.ranges.values().map(|(_, node)| node)
    }
}

/// The slot of a key: a checksum of what stands between its first `{` and the next `}`, else of all of it.
pub(super) fn slot_of(key: &[u8]) -> u16 {
    let tag = key.iter().position(|&byte| byte == b'{').and_then(|open| {
        let rest = &key[open + 1..];
        let length = rest.iter().position(|&byte| byte == b'}')?;
        (length > 0).then(|| &rest[..length])
    });
    crc16(tag.unwrap_or(key)) % SLOTS
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, &byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(host: &str, port: u16) -> Node {
        Node { host: host.to_owned(), port }
    }

    #[test]
    fn a_key_falls_into_the_slot_that_redis_puts_it_in() {
        // As CLUSTER KEYSLOT says.
        for (key, slot) in [
            ("", 0),
            ("123456789", 12_739),
            ("foo", 12_182),
            ("{foo}:bar", 12_182),
            ("bar{foo}{zap}", 12_182),
            ("foo{}{bar}", 8_363),
            ("foo{{bar}}zap", 4_015),
        ] {
            assert_eq!(slot_of(key.as_bytes()), slot, "{key}");
        }
    }

    #[test]
    fn the_slots_are_served_by_the_primaries_of_their_ranges() {
        let reply = b"*4\r\n\
            *4\r\n:0\r\n:99\r\n*2\r\n$3\r\none\r\n:7000\r\n*2\r\n$5\r\nother\r\n:7003\r\n\
            *3\r\n:200\r\n:200\r\n*3\r\n$0\r\n\r\n:7001\r\n$2\r\nid\r\n\
            *3\r\n:201\r\n:300\r\n*2\r\n$-1\r\n:7002\r\n\
            *3\r\n:301\r\n:400\r\n*2\r\n$1\r\n?\r\n:7004\r\n";
        let slots = Slots::read(redis::parse_redis_value(reply).unwrap(), &node("asked", 1)).unwrap();

        assert_eq!(slots.owner(0), Some(&node("one", 7000)));
        assert_eq!(slots.owner(99), Some(&node("one", 7000)));
        assert_eq!(slots.owner(100), None);
        assert_eq!(slots.owner(200), Some(&node("asked", 7001)));
        assert_eq!(slots.owner(300), Some(&node("asked", 7002)));
        assert_eq!(slots.owner(301), None);
        assert_eq!(slots.nodes().count(), 3);
        assert!(Slots::read(Value::Array(Vec::new()), &node("asked", 1)).is_err(), "it knows nothing");
    }

    #[test]
    fn a_slot_that_moved_leaves_its_range_as_it_is() {
        let (old, new) = (node("old", 1), node("new", 2));
        let mut slots = Slots { ranges: BTreeMap::from([(99, (10, old.clone()))]) };

        for slot in [10, 50, 99, 200] {
            slots.move_to(slot, new.clone());
        }

        for moved in [10, 50, 99, 200] {
            assert_eq!(slots.owner(moved), Some(&new), "{moved}");
        }
        for stayed in [11, 49, 51, 98] {
            assert_eq!(slots.owner(stayed), Some(&old), "{stayed}");
        }
        for nobodys in [9, 100, 199, 201] {
            assert_eq!(slots.owner(nobodys), None, "{nobodys}");
        }
    }
}
