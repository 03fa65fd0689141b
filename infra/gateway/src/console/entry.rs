//! What is kept of one invocation.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use time::OffsetDateTime;

use super::tally::billed_milliseconds;
use crate::journal::Record;

/// How much is kept of an event or an answer.
pub(super) const PAYLOAD_KEPT: usize = 16 * 1024;

/// The beginning of a payload, and how long the whole was.
#[derive(Debug, Clone, Default)]
pub(super) struct Payload {
    /// The first bytes.
    pub(super) kept: Bytes,
    /// The length of the whole.
    pub(super) size: usize,
}

impl Payload {
    /// A copy, because the original may be a slice of a much larger buffer.
    pub(super) fn of(whole: &[u8]) -> Self {
        Self { kept: Bytes::copy_from_slice(&whole[..whole.len().min(PAYLOAD_KEPT)]), size: whole.len() }
    }
}

/// One invocation, without what it printed.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Its number since the start, from 1.
    pub(super) number: u64,
    /// Grows with each change of any invocation.
    pub(super) changed: u64,
    /// The function's index; none if only a record tells of it.
    pub(super) function: Option<usize>,
    /// When it was submitted.
    pub(super) at: OffsetDateTime,
    /// Lambda's request id.
    pub(super) request_id: String,
    /// The trace header.
    pub(super) trace: String,
    /// The event.
    pub(super) event: Payload,
    /// The response or the error object, and how it ran.
    pub(super) outcome: Option<Outcome>,
    /// That nothing took it before it was given up.
    pub(super) given_up: bool,
    /// The process's greatest memory so far, in bytes.
    pub(super) memory: Option<u64>,
    /// What the API that asked for it knows.
    pub(super) record: Option<Arc<Record>>,
    /// What it takes, with its lines, roughly.
    pub(super) bytes: usize,
}

impl Entry {
    /// An entry of this moment about nothing yet.
    pub(super) fn new() -> Self {
        Self {
            number: 0,
            changed: 0,
            function: None,
            at: OffsetDateTime::now_utc(),
            request_id: String::new(),
            trace: String::new(),
            event: Payload::default(),
            outcome: None,
            given_up: false,
            memory: None,
            record: None,
            bytes: 0,
        }
    }
}

/// What an invocation printed.
#[derive(Debug, Clone, Default)]
pub(super) struct Printed {
    /// The first lines.
    pub(super) lines: Vec<Bytes>,
    /// Whether there were more.
    pub(super) cut: bool,
    /// What they take.
    pub(super) bytes: usize,
}

/// How an invocation ended.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    /// The response, or the error object.
    pub(super) result: Result<Payload, Payload>,
    /// From delivery to answer.
    pub(super) duration: Duration,
    /// From submission to delivery.
    pub(super) queued: Duration,
    /// The cold start, if it was the process's first.
    pub(super) init: Option<Duration>,
    /// The process, if the gateway runs it.
    pub(super) process: Option<u32>,
}

impl Outcome {
    /// The milliseconds that Lambda would bill.
    pub(super) fn billed(&self) -> u64 {
        billed_milliseconds(self.duration, self.init)
    }
}
