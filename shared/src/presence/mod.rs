//! Presence: who is here, by what their connections did last.

use std::sync::LazyLock;

use time::OffsetDateTime;

use crate::ids::ConnectionId;
use crate::redis::keys;
use crate::redis::{Call, Script, Source};

static SEEN: Script = LazyLock::new(|| Source::new(include_str!("seen.lua")));

/// Notes that a connection is alive, and reads a field of its record or, without one, all of it.
pub fn seen(connection: &ConnectionId, field: Option<&str>) -> Call {
    let now = OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000;
    Call::script(&SEEN, &[keys::connection(connection)]).arg(now.to_string()).arg(field.unwrap_or_default())
}
