//! Sends under way: each is kept until it is acked, and sent again with the same client id.

use std::fmt::Write as _;

use serde_json::json;
use tokio::time::{Duration, Instant};

use super::Habits;
use crate::{frames, record::Sent};

/// The sends of one client that are not acked.
#[derive(Debug)]
pub(super) struct Outbox {
    client: usize,
    composed: usize,
    waiting: Vec<Outgoing>,
    next_at: Instant,
}

#[derive(Debug)]
struct Outgoing {
    number: usize,
    room: usize,
    tries: u32,
    due_at: Instant,
}

impl Outbox {
    pub(super) fn new(client: usize) -> Self {
        Self { client, composed: 0, waiting: Vec::new(), next_at: Instant::now() }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn has_room(&self, now: Instant, habits: &Habits) -> bool {
        self.may_send_at(habits).is_some_and(|at| at <= now)
    }

    /// When the next message may be composed; `None` while the window is full.
    pub(super) fn may_send_at(&self, habits: &Habits) -> Option<Instant> {
        (self.waiting.len() < habits.window).then_some(self.next_at)
    }

    /// A new message, to be sent at once.
    pub(super) fn compose(&mut self, room: usize, user: &str, now: Instant, pace: Duration) -> Sent {
        let number = self.composed;
        self.composed += 1;
        self.next_at = now + pace;
        self.waiting.push(Outgoing { number, room, tries: 0, due_at: now });
        let digest = frames::of_message(user, &client_id(self.client, number), &content(self.client, number));
        Sent { room, digest }
    }

    /// Adds the frames that are to be sent now, and tells how many of them were sent before.
    pub(super) fn take_due(
        &mut self,
        now: Instant,
        habits: &Habits,
        rooms: &[String],
        frames: &mut Vec<String>,
    ) -> u64 {
        let mut retries = 0;
        for outgoing in self.waiting.iter_mut().filter(|outgoing| outgoing.due_at <= now) {
            retries += u64::from(outgoing.tries > 0);
            outgoing.tries += 1;
            outgoing.due_at = now + habits.resend_after;
            let frame = json!({
                "type": "message.send",
                "ref": format!("m{}", outgoing.number),
                "conversation_id": rooms[outgoing.room],
                "client_id": client_id(self.client, outgoing.number),
                "content": content(self.client, outgoing.number),
            });
            frames.push(frame.to_string());
        }
        retries
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.waiting.iter().map(|outgoing| outgoing.due_at).min()
    }

    /// All go out again, at this time at the latest: nobody knows which of them were heard.
    pub(super) fn send_again_at(&mut self, at: Instant) {
        for outgoing in &mut self.waiting {
            outgoing.due_at = outgoing.due_at.min(at);
        }
    }

    /// The outcome is open: it goes out again at this time.
    pub(super) fn failed(&mut self, number: usize, at: Instant) {
        if let Some(outgoing) = self.waiting.iter_mut().find(|outgoing| outgoing.number == number) {
            outgoing.due_at = at;
        }
    }

    /// It is acked or refused and will not be sent any more. Gives where it went, if it was waited for.
    pub(super) fn take_out(&mut self, number: usize) -> Option<usize> {
        let at = self.waiting.iter().position(|outgoing| outgoing.number == number)?;
        Some(self.waiting.swap_remove(at).room)
    }
}

/// Which message a `ref` names.
pub(super) fn number_of(reference: &str) -> Option<usize> {
    reference.strip_prefix('m')?.parse().ok()
}

/// The idempotency key of a client's n-th message.
fn client_id(client: usize, number: usize) -> String {
    format!("{client}-{number}")
}

/// The text of a client's n-th message: one line, or a longer one now and then.
fn content(client: usize, number: usize) -> String {
    let mut text = format!("{client} says for the {number}th time:");
    for word in 0..(client * 31 + number * 7) % 23 {
        let _infallible = write!(text, " word {word}");
    }
    text
}
