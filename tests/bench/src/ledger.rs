//! When each message of a meeting was sent, and how many have received it.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

/// More messages than any meeting sends.
pub(crate) const MOST: usize = 1_000_000;

/// What members tell the meeting.
#[derive(Debug)]
pub(crate) enum Told {
    /// The member at this place was told that a message of theirs is durable.
    Acked { by: usize },
    /// All who were to receive one more message have it since then.
    Whole { at: Instant },
    /// A member could not go on.
    Failed(anyhow::Error),
}

pub(crate) struct Ledger {
    start: Instant,
    sent_at: Vec<AtomicU64>,
    receipts: Vec<AtomicU32>,
    /// How many are to receive each message.
    audience: u32,
    told: mpsc::UnboundedSender<Told>,
}

impl Ledger {
    pub(crate) fn new(audience: u32, told: mpsc::UnboundedSender<Told>) -> Self {
        let sent_at = (0..MOST).map(|_| AtomicU64::new(0)).collect();
        let receipts = (0..MOST).map(|_| AtomicU32::new(0)).collect();
        Self { start: Instant::now(), sent_at, receipts, audience, told }
    }

    pub(crate) fn sent(&self, number: usize) {
        self.sent_at[number].store(nanoseconds(self.start.elapsed()), Ordering::Relaxed);
    }

    /// One more has it. How long that took.
    pub(crate) fn received(&self, number: usize, at: Instant) -> Duration {
        if self.receipts[number].fetch_add(1, Ordering::Relaxed) + 1 == self.audience {
            self.tell(Told::Whole { at });
        }
        let sent_at = self.start + Duration::from_nanos(self.sent_at[number].load(Ordering::Relaxed));
        at.saturating_duration_since(sent_at)
    }

    pub(crate) fn tell(&self, told: Told) {
        // Nobody listens any more when the meeting has ended.
        let _ended = self.told.send(told);
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
