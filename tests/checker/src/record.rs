//! What clients wrote down: plain facts, judged afterwards.
//!
//! Conversations are named by their position in the run's list, times are microseconds of the machine's clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// Everything that all clients of a run wrote down.
#[derive(Debug, Default, Clone)]
pub struct Records {
    /// One for each client.
    pub clients: Vec<ClientRecord>,
    /// When Postgres was stopped: from when its processes were gone until it was started again.
    pub outages: Vec<(i64, i64)>,
}

/// What one client wrote down.
#[derive(Debug, Default, Clone)]
pub struct ClientRecord {
    /// Whose client it is.
    pub user: String,
    /// What it sent; the client id of the n-th is `<client>-<n>`.
    pub sent: Vec<Sent>,
    /// What was acked.
    pub acks: Vec<Ack>,
    /// Every entry that it was shown, in whichever way, in order of arrival.
    pub shown: Vec<Shown>,
    /// What it made of that, for each conversation it ever was in.
    pub views: Vec<View>,
    /// Its connections, from when until when.
    pub connections: Vec<(i64, i64)>,
    /// From the answer to a sign-out until it signed in again.
    pub signed_out: Vec<(i64, i64)>,
    /// How many of its messages were refused because it was no participant any more.
    pub refused: u64,
    /// How often it sent a message again.
    pub retries: u64,
    /// Frames that it could not make sense of.
    pub strange: Vec<String>,
}

/// A message that was sent.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    /// Where.
    pub room: usize,
    /// What it says.
    pub digest: u64,
}

/// An ack that came.
#[derive(Debug, Clone, Copy)]
pub struct Ack {
    /// Of which message: its position in what was sent.
    pub number: usize,
    /// With which place in the log.
    pub seq: u64,
    /// Whether it said that the message had been there already.
    pub duplicate: bool,
    /// When.
    pub at: i64,
}

/// How an entry reached a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// As an event.
    Pushed,
    /// As the answer to its own send.
    Acked,
    /// As part of the answer to `subscribe`.
    Resumed,
}

/// An entry that a client was shown.
#[derive(Debug, Clone, Copy)]
pub struct Shown {
    /// Where.
    pub room: usize,
    /// Its place.
    pub seq: u64,
    /// What it says.
    pub digest: u64,
    /// How it came.
    pub way: Way,
    /// When.
    pub at: i64,
}

/// A client's copy of a conversation's log.
#[derive(Debug, Default, Clone)]
pub struct View {
    /// Of which.
    pub room: usize,
    /// What it applied, in this order: places and digests.
    pub applied: Vec<(u64, u64)>,
    /// How often it noticed that it missed something.
    pub gaps_noticed: u64,
    /// How often it got what it missed.
    pub gaps_closed: u64,
    /// How often it was removed before it got that.
    pub gaps_abandoned: u64,
}

impl View {
    /// Whether it still misses something that it knows of.
    pub fn gap_is_open(&self) -> bool {
        self.gaps_noticed > self.gaps_closed + self.gaps_abandoned
    }
}

/// The machine's clock, which Postgres reads too.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
