//! What was found, by promise.

use std::{collections::BTreeMap, fmt};

/// How many examples are kept of each.
const EXAMPLES: usize = 5;

/// A promise of the message log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// What is acked is committed.
    AckMeansDurable,
    /// What is shown is committed, as it is shown.
    DurableBeforeVisible,
    /// A client id is one message.
    OnceForEver,
    /// One sequence for everybody.
    OneOrder,
    /// Everybody gets everything, and notices what is missing.
    NoSilentGap,
    /// Nothing sequenced after it reaches who was removed or signed out.
    RemovalIsImmediate,
    /// Frames are as documented.
    Contract,
}

impl fmt::Display for Promise {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::AckMeansDurable => "ack means durable",
            Self::DurableBeforeVisible => "durable before visible",
            Self::OnceForEver => "once for ever",
            Self::OneOrder => "one order",
            Self::NoSilentGap => "no silent gap",
            Self::RemovalIsImmediate => "removal is immediate",
            Self::Contract => "frames as documented",
        })
    }
}

/// A broken promise.
#[derive(Debug, Clone)]
pub struct Violation {
    /// Which.
    pub promise: Promise,
    /// How often.
    pub count: usize,
    /// Some of the times.
    pub examples: Vec<String>,
}

#[derive(Debug, Default)]
pub(super) struct Findings(BTreeMap<Promise, Violation>);

impl Findings {
    pub(super) fn add(&mut self, promise: Promise, example: impl FnOnce() -> String) {
        let violation =
            self.0.entry(promise).or_insert(Violation { promise, count: 0, examples: Vec::new() });
        violation.count += 1;
        if violation.examples.len() < EXAMPLES {
            violation.examples.push(example());
        }
    }

    pub(super) fn into_violations(self) -> Vec<Violation> {
        self.0.into_values().collect()
    }
}
