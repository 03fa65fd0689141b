//! What a function did since the start, and what Lambda would bill for it.

use std::collections::VecDeque;
use std::time::Duration;

use crate::functions::Execution;

/// From how many of a function's newest durations its percentiles are taken.
const DURATIONS: usize = 1000;

/// Duration and init phase, rounded up to the next millisecond: on custom runtimes the init phase has always been
/// billed, on all others since August 2025 (AWS Lambda pricing; AWS Compute Blog, "AWS Lambda standardizes billing
/// for INIT Phase").
pub(super) fn billed_milliseconds(duration: Duration, init: Option<Duration>) -> u64 {
    let nanoseconds = (duration + init.unwrap_or_default()).as_nanos();
    u64::try_from(nanoseconds.div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// What a function did since the start.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    /// Invocations that have ended.
    pub(super) invocations: u64,
    /// Those that failed.
    pub(super) errors: u64,
    /// Those that began with a cold start.
    pub(super) cold_starts: u64,
    /// Billed milliseconds.
    pub(super) billed: u64,
    /// The greatest memory of a process seen, in bytes.
    pub(super) memory: Option<u64>,
    /// The newest durations in microseconds.
    durations: VecDeque<u32>,
}

impl Tally {
    /// Counts an invocation that has ended.
    pub(super) fn count(&mut self, execution: &Execution, failed: bool) {
        self.invocations += 1;
        self.errors += u64::from(failed);
        self.cold_starts += u64::from(execution.init.is_some());
        self.billed += billed_milliseconds(execution.duration, execution.init);
        if self.durations.len() == DURATIONS {
            self.durations.pop_front();
        }
        self.durations.push_back(u32::try_from(execution.duration.as_micros()).unwrap_or(u32::MAX));
    }

    /// The duration in milliseconds that a percentage of the newest invocations did not exceed.
    pub(super) fn percentile(&self, percentage: usize) -> Option<f64> {
        let mut sorted: Vec<u32> = self.durations.iter().copied().collect();
        sorted.sort_unstable();
        let rank = (sorted.len() * percentage).div_ceil(100);
        sorted.get(rank.checked_sub(1)?).map(|microseconds| f64::from(*microseconds) / 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_millisecond_is_billed_as_one_and_the_init_phase_too() {
        let microseconds = Duration::from_micros;

        assert_eq!(billed_milliseconds(microseconds(1), None), 1);
        assert_eq!(billed_milliseconds(microseconds(2_000), None), 2);
        assert_eq!(billed_milliseconds(microseconds(2_001), None), 3);
        assert_eq!(billed_milliseconds(microseconds(2_400), Some(microseconds(80_500))), 83);
    }

    #[test]
    fn percentiles_are_of_the_newest_durations() {
        let mut tally = Tally::default();
        assert_eq!(tally.percentile(50), None);
        for milliseconds in 1..=100 {
            let duration = Duration::from_millis(milliseconds);
            tally.count(&Execution { duration, ..Execution::default() }, false);
        }

        assert_eq!((tally.percentile(50), tally.percentile(99)), (Some(50.0), Some(99.0)));
    }
}
