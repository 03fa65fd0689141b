//! The client rule for one conversation: what is applied, what is held back, and when to ask.
//!
//! `last + 1` is applied, anything up to `last` is dropped, anything later is held: for a straggler some time, then the
//! client subscribes again from `last`, and again after 1, 2, 4 … s until the gap is closed.

use std::collections::BTreeMap;

use tokio::time::{Duration, Instant};

use crate::{
    frames::{Answered, Entry},
    record,
};

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// A conversation as one client knows it.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) record: record::View,
    pub(crate) last: u64,
    /// Whether the client takes itself for a participant.
    pub(crate) joined: bool,
    /// How often it was added: a refusal from before that says nothing.
    pub(crate) joins: u32,
    /// Whether to subscribe at the next opportunity.
    pub(crate) wanted: bool,
    held: BTreeMap<u64, u64>,
    gap: Option<Gap>,
}

#[derive(Debug)]
struct Gap {
    target: u64,
    ask_at: Instant,
    pause: Duration,
}

impl View {
    pub(crate) fn new(room: usize) -> Self {
        Self {
            record: record::View { room, ..record::View::default() },
            last: 0,
            joined: true,
            joins: 0,
            wanted: true,
            held: BTreeMap::new(),
            gap: None,
        }
    }

    /// An entry that was pushed or acked; whoever is later than the next waits until `ask_at` for those before.
    pub(crate) fn receive(&mut self, entry: &Entry, ask_at: Instant) {
        if entry.seq <= self.last {
            return;
        }
        self.held.insert(entry.seq, entry.digest);
        self.apply_held();
        if let Some((highest, _)) = self.held.last_key_value() {
            self.misses_up_to(*highest, ask_at);
        }
    }

    /// What `subscribed` says: nothing up to `through` is missing from it.
    pub(crate) fn answered(&mut self, answer: &Answered, now: Instant) {
        for entry in &answer.entries {
            if entry.seq > self.last && entry.seq <= answer.through {
                self.record.applied.push((entry.seq, entry.digest));
                self.last = entry.seq;
            }
        }
        if answer.through > self.last {
            // Numbers that hold nothing.
            self.last = answer.through;
        }
        self.apply_held();
        self.wanted |= !answer.complete;
        if let Some(gap) = &mut self.gap {
            gap.ask_at = now + gap.pause;
        }
    }

    /// The head that the server told: one that differs in either direction means to subscribe.
    pub(crate) fn head(&mut self, head: u64, now: Instant) {
        self.wanted |= head != self.last;
        if head > self.last {
            self.misses_up_to(head, now);
        }
    }

    /// The server left out pushes.
    pub(crate) fn lags(&mut self, latest: u64, now: Instant) {
        self.wanted = true;
        if latest > self.last {
            self.misses_up_to(latest, now);
        }
    }

    /// The conversation is not the client's any more.
    pub(crate) fn leave(&mut self) {
        self.joined = false;
        self.wanted = false;
        self.held.clear();
        self.record.gaps_abandoned += u64::from(self.gap.take().is_some());
    }

    /// It is the client's again.
    pub(crate) fn join(&mut self) {
        self.joined = true;
        self.joins += 1;
        self.wanted = true;
    }

    /// The highest seq received but not yet applied.
    pub(crate) fn seen(&self) -> Option<u64> {
        self.held.last_key_value().map(|(seq, _)| *seq)
    }

    /// When to subscribe by itself.
    pub(crate) fn ask_at(&self) -> Option<Instant> {
        self.gap.as_ref().filter(|_| self.joined).map(|gap| gap.ask_at)
    }

    /// A `subscribe` for it goes out: the next one waits longer.
    pub(crate) fn asked(&mut self, now: Instant) {
        self.wanted = false;
        if let Some(gap) = &mut self.gap {
            gap.ask_at = now + gap.pause;
            gap.pause = (gap.pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn misses_up_to(&mut self, target: u64, ask_at: Instant) {
        if let Some(gap) = &mut self.gap {
            gap.target = gap.target.max(target);
        } else {
            self.record.gaps_noticed += 1;
            self.gap = Some(Gap { target, ask_at, pause: FIRST_PAUSE });
        }
    }

    fn apply_held(&mut self) {
        while let Some(first) = self.held.first_entry() {
            let (seq, digest) = (*first.key(), *first.get());
            if seq > self.last + 1 {
                break;
            }
            first.remove();
            if seq == self.last + 1 {
                self.record.applied.push((seq, digest));
                self.last = seq;
            }
        }
        if self.gap.as_ref().is_some_and(|gap| gap.target <= self.last) {
            self.gap = None;
            self.record.gaps_closed += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(seq: u64) -> Entry {
        Entry { seq, digest: seq * 10, removes: None }
    }

    fn applied(view: &View) -> Vec<u64> {
        view.record.applied.iter().map(|(seq, _)| *seq).collect()
    }

    #[test]
    fn entries_are_applied_in_their_order_and_once() {
        let (mut view, now) = (View::new(0), Instant::now());
        for seq in [1, 3, 2, 2, 1, 4] {
            view.receive(&entry(seq), now);
        }
        assert_eq!(applied(&view), [1, 2, 3, 4]);
        assert_eq!((view.record.gaps_noticed, view.record.gaps_closed), (1, 1));
        assert_eq!(view.ask_at(), None);
    }

    #[test]
    fn a_jump_waits_for_stragglers_and_is_closed_by_an_answer() {
        let (mut view, now) = (View::new(0), Instant::now());
        let later = now + Duration::from_millis(500);
        view.receive(&entry(4), later);
        view.receive(&entry(5), later + FIRST_PAUSE);
        assert_eq!((view.ask_at(), view.seen(), applied(&view).len()), (Some(later), Some(5), 0));

        view.asked(later);
        assert_eq!(view.ask_at(), Some(later + FIRST_PAUSE), "the next question waits longer");
        let answer = Answered { entries: (1..=4).map(entry).collect(), through: 4, complete: true };
        view.answered(&answer, later);

        assert_eq!(applied(&view), [1, 2, 3, 4, 5], "what was held follows");
        assert!(!view.record.gap_is_open());
    }

    #[test]
    fn through_closes_a_gap_that_held_nothing() {
        let (mut view, now) = (View::new(0), Instant::now());
        view.receive(&entry(3), now);
        view.answered(&Answered { entries: vec![entry(1)], through: 2, complete: true }, now);
        assert_eq!(applied(&view), [1, 3]);
    }

    #[test]
    fn a_head_that_differs_in_either_direction_means_to_subscribe() {
        let (mut view, now) = (View::new(0), Instant::now());
        view.receive(&entry(1), now);
        view.asked(now);
        view.head(1, now);
        assert!(!view.wanted);
        view.head(0, now);
        assert!(view.wanted && !view.record.gap_is_open());
        view.asked(now);
        view.head(2, now);
        assert!(view.wanted && view.record.gap_is_open());
    }
}
