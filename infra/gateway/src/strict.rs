//! Strict mode: what AWS may do at any time, done often.
//!
//! Lambda freezes an environment that has nothing to do, ends it when it likes and delivers asynchronous events at
//! least once (Lambda Developer Guide, "Understanding the Lambda execution environment lifecycle", "How Lambda
//! handles errors and retries with asynchronous invocation"); API Gateway promises no order among a connection's
//! messages, and a `$disconnect` only as best it can ("Manage connected users and client apps: $connect and
//! $disconnect routes"). Draws come from one seed, so a run draws as another did; what it meets with them also
//! depends on who runs first.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use clap::ValueEnum;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// How often an environment that becomes idle is ended before its next event.
const RECYCLED: f64 = 0.25;

/// How long it is then idle at most.
const LONGEST_IDLENESS: Duration = Duration::from_secs(1);

/// The longest time between both deliveries of an asynchronous event.
const LONGEST_REPEAT: Duration = Duration::from_secs(1);

/// The longest delay of a message or a frame.
const LONGEST_DELAY: Duration = Duration::from_millis(50);

/// How many `$disconnect` are lost.
const DROPPED: f64 = 0.5;

/// One thing that AWS may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Strictness {
    /// Stop idle processes until their next event
    Freeze,
    /// End idle processes at random
    Recycle,
    /// Deliver every asynchronous event twice
    Duplicate,
    /// Delay the messages and frames of a connection, so that they overtake each other
    Shuffle,
    /// Lose some $disconnect
    DropDisconnect,
}

/// What is done, and the dice.
#[derive(Debug)]
pub(crate) struct Strict {
    done: Vec<Strictness>,
    seed: u64,
    dice: Mutex<StdRng>,
}

impl Default for Strict {
    /// Nothing of it.
    fn default() -> Self {
        Self::new(Vec::new(), None)
    }
}

impl Strict {
    /// Does some of it, by a seed that is drawn if none is given.
    pub(crate) fn new(done: Vec<Strictness>, seed: Option<u64>) -> Self {
        let seed = seed.unwrap_or_else(rand::random);
        Self { done, seed, dice: Mutex::new(StdRng::seed_from_u64(seed)) }
    }

    /// What is told at the start, if anything is done.
    pub(crate) fn announcement(&self) -> Option<String> {
        let names: Vec<_> = self.done.iter().filter_map(ValueEnum::to_possible_value).collect();
        let names: Vec<_> = names.iter().map(clap::builder::PossibleValue::get_name).collect();
        (!names.is_empty()).then(|| format!("strict: {}; --strict-seed {}", names.join(","), self.seed))
    }

    /// Whether idle processes are stopped.
    pub(crate) fn freezes(&self) -> bool {
        self.does(Strictness::Freeze)
    }

    /// How long a process that becomes idle still has, if it is to be ended then.
    pub(crate) fn recycles_after(&self) -> Option<Duration> {
        (self.does(Strictness::Recycle) && self.throw(RECYCLED)).then(|| self.up_to(LONGEST_IDLENESS))
    }

    /// When an asynchronous event is delivered once more, counted from when it was queued.
    pub(crate) fn repeats_after(&self) -> Option<Duration> {
        self.does(Strictness::Duplicate).then(|| self.up_to(LONGEST_REPEAT))
    }

    /// How long a message or a frame is held back.
    pub(crate) fn delay(&self) -> Option<Duration> {
        self.does(Strictness::Shuffle).then(|| self.up_to(LONGEST_DELAY))
    }

    /// Whether the `$disconnect` of a connection is lost.
    pub(crate) fn drops_disconnect(&self) -> bool {
        self.does(Strictness::DropDisconnect) && self.throw(DROPPED)
    }

    fn does(&self, strictness: Strictness) -> bool {
        self.done.contains(&strictness)
    }

    fn throw(&self, probability: f64) -> bool {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner).random_bool(probability)
    }

    fn up_to(&self, longest: Duration) -> Duration {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner).random_range(Duration::ZERO..=longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Strictness; 5] = [
        Strictness::Freeze,
        Strictness::Recycle,
        Strictness::Duplicate,
        Strictness::Shuffle,
        Strictness::DropDisconnect,
    ];

    type Draw = (Option<Duration>, Option<Duration>, Option<Duration>, bool);

    fn draws(strict: &Strict) -> Vec<Draw> {
        let draw =
            || (strict.recycles_after(), strict.repeats_after(), strict.delay(), strict.drops_disconnect());
        (0..200).map(|_| draw()).collect()
    }

    #[test]
    fn the_same_seed_draws_the_same_and_another_does_not() {
        let of = |seed| draws(&Strict::new(ALL.to_vec(), Some(seed)));

        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
    }

    #[test]
    fn some_of_everything_is_drawn_within_its_limits() {
        let drawn = draws(&Strict::new(ALL.to_vec(), Some(1)));

        let count = |chosen: &dyn Fn(&Draw) -> bool| drawn.iter().filter(|draw| chosen(draw)).count();
        assert!((20..80).contains(&count(&|draw| draw.0.is_some())));
        assert_eq!(count(&|draw| draw.1.is_some_and(|after| after <= LONGEST_REPEAT)), 200);
        assert!(count(&|draw| draw.2.is_some_and(|delay| delay > LONGEST_DELAY / 2)) > 50);
        assert!((60..140).contains(&count(&|draw| draw.3)));
    }

    #[test]
    fn what_was_not_asked_for_is_not_done() {
        let strict = Strict::default();

        assert!(!strict.freezes() && strict.announcement().is_none());
        assert!(draws(&strict).iter().all(|draw| *draw == (None, None, None, false)));
        let some = Strict::new(vec![Strictness::Freeze, Strictness::DropDisconnect], Some(3));
        assert_eq!(some.announcement().unwrap(), "strict: freeze,drop-disconnect; --strict-seed 3");
        assert!(some.freezes() && some.delay().is_none());
    }
}
