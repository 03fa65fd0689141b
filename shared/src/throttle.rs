//! Throttles: who may do what how often. The windows slide, are counted in Redis by Redis' clock, and are exact
//! under any concurrency, because one script tries every window before it writes to any (`log/gate.lua`).

use std::time::Duration;

/// At most `count` in any `length` of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// How many.
    pub count: u32,
    /// In how long.
    pub length: Duration,
}
