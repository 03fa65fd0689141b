//! What the functions did lately, kept in memory for the console.
//!
//! An invocation is entered when it is submitted, completed when its process has answered, and told its route and
//! status when its record was written. The first two happen on the way of every request, so they copy a few hundred
//! bytes under one lock and format nothing. The newest invocations are kept, and only the beginning of what is long.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use time::OffsetDateTime;
use tokio::time::Instant;

use super::cost;
use super::entry::{Entry, Outcome, Payload, Printed};
use super::tally::Tally;
use crate::functions::Execution;
use crate::journal::Record;

/// How many invocations are kept.
const KEPT: usize = 1000;

/// What they may take together; the oldest are forgotten earlier if they take more.
const KEPT_BYTES: usize = 32 * 1024 * 1024;

/// How much is kept of what an invocation printed.
pub(crate) const LINES_KEPT: usize = 64 * 1024;

/// How much is kept of an error's text.
const ERROR_KEPT: usize = 4 * 1024;

/// What an invocation takes besides its texts, roughly.
const OVERHEAD: usize = 1024;

/// Everything that is kept.
#[derive(Debug)]
pub(crate) struct Activity {
    started_at: (OffsetDateTime, Instant),
    http_requests: AtomicU64,
    state: Mutex<State>,
}

impl Default for Activity {
    fn default() -> Self {
        Self {
            started_at: (OffsetDateTime::now_utc(), Instant::now()),
            http_requests: AtomicU64::new(0),
            state: Mutex::default(),
        }
    }
}

#[derive(Debug, Default)]
struct State {
    entries: VecDeque<(Entry, Printed)>,
    /// The number of the oldest entry kept, less one.
    forgotten: u64,
    changes: u64,
    bytes: usize,
    tallies: Vec<Tally>,
}

/// Invocations that were asked for.
#[derive(Debug)]
pub(super) struct Answer {
    /// After which change to ask next.
    pub(super) cursor: u64,
    /// Whether there are changes after it that did not fit.
    pub(super) more: bool,
    /// The invocations.
    pub(super) entries: Vec<Entry>,
}

/// The entry of an invocation under way. Dropped without an outcome, the invocation was given up.
#[derive(Debug)]
pub(crate) struct Ticket {
    /// None once the outcome is noted.
    activity: Option<Arc<Activity>>,
    number: u64,
    function: usize,
}

impl Ticket {
    /// The number of the entry.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Notes how the invocation ended and in which process.
    pub(crate) fn finish(
        mut self,
        execution: &Execution,
        result: &Result<Bytes, Bytes>,
        process: Option<u32>,
    ) {
        let Some(activity) = self.activity.take() else { return };
        let outcome = Outcome {
            result: match result {
                Ok(response) => Ok(Payload::of(response)),
                Err(error) => Err(Payload::of(error)),
            },
            duration: execution.duration,
            queued: execution.queued,
            init: execution.init,
            process,
        };
        let mut state = activity.lock();
        let kept = match &outcome.result {
            Ok(payload) | Err(payload) => payload.kept.len(),
        };
        state.change(self.number, kept, |entry| entry.outcome = Some(outcome));
        // Also if it is forgotten by now.
        state.tally(self.function).count(execution, result.is_err());
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(activity) = &self.activity {
            activity.lock().change(self.number, 0, |entry| entry.given_up = true);
        }
    }
}

impl State {
    fn enter(&mut self, mut entry: Entry) -> (u64, Option<(Entry, Printed)>) {
        let evicted = if self.entries.len() == KEPT { self.forget() } else { None };
        self.changes += 1;
        entry.number = self.forgotten + self.entries.len() as u64 + 1;
        entry.changed = self.changes;
        let number = entry.number;
        self.bytes += entry.bytes;
        self.entries.push_back((entry, Printed::default()));
        self.shrink();
        (number, evicted)
    }

    fn forget(&mut self) -> Option<(Entry, Printed)> {
        let oldest = self.entries.pop_front()?;
        self.forgotten += 1;
        self.bytes -= oldest.0.bytes;
        Some(oldest)
    }

    fn shrink(&mut self) {
        while self.bytes > KEPT_BYTES && self.forget().is_some() {}
    }

    fn find(&mut self, number: u64) -> Option<&mut (Entry, Printed)> {
        let index = number.checked_sub(self.forgotten + 1)?;
        self.entries.get_mut(usize::try_from(index).ok()?)
    }

    /// Changes an entry, which then takes so many bytes more; none if it is forgotten.
    fn change<T>(&mut self, number: u64, bytes: usize, change: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let changed = self.changes + 1;
        let (entry, _) = self.find(number)?;
        let result = change(entry);
        entry.changed = changed;
        entry.bytes += bytes;
        self.changes = changed;
        self.bytes += bytes;
        self.shrink();
        Some(result)
    }

    fn tally(&mut self, function: usize) -> &mut Tally {
        if self.tallies.len() <= function {
            self.tallies.resize_with(function + 1, Tally::default);
        }
        &mut self.tallies[function]
    }
}

impl Activity {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the gateway started.
    pub(crate) fn started_at(&self) -> OffsetDateTime {
        self.started_at.0
    }

    /// How long ago that was.
    pub(crate) fn uptime(&self) -> Duration {
        self.started_at.1.elapsed()
    }

    /// Counts a request of the HTTP API by the sizes of its body and of the answer's.
    pub(crate) fn count_http_request(&self, request: usize, response: usize) {
        self.http_requests.fetch_add(cost::http_requests(request, response), Ordering::Relaxed);
    }

    /// How many requests the HTTP API would be billed.
    pub(crate) fn http_requests(&self) -> u64 {
        self.http_requests.load(Ordering::Relaxed)
    }

    /// Enters an invocation that is submitted now.
    pub(crate) fn begin(
        self: &Arc<Self>,
        function: usize,
        request_id: &str,
        trace: &str,
        event: &[u8],
    ) -> Ticket {
        let event = Payload::of(event);
        let entry = Entry {
            function: Some(function),
            request_id: request_id.to_owned(),
            trace: trace.to_owned(),
            bytes: OVERHEAD + trace.len() + event.kept.len(),
            event,
            ..Entry::new()
        };
        let (number, evicted) = self.lock().enter(entry);
        // Freed without the lock.
        drop(evicted);
        Ticket { activity: Some(Arc::clone(self)), number, function }
    }

    /// Adds what the API knows. A record without an invocation, as that of a discarded event, becomes an entry of
    /// its own. Answers with the process that ran it.
    pub(crate) fn report(&self, mut record: Arc<Record>) -> Option<u32> {
        if let Some(Record { error: Some(error), .. }) = Arc::get_mut(&mut record) {
            error.truncate(error.floor_char_boundary(ERROR_KEPT));
            error.shrink_to_fit();
        }
        let bytes =
            record.error.as_ref().map_or(0, String::len) + record.request.as_ref().map_or(0, String::len);
        let mut state = self.lock();
        let Some(number) = record.invocation else {
            let request_id = record.request_id.clone().unwrap_or_default();
            let at = record.time.unwrap_or(OffsetDateTime::UNIX_EPOCH);
            let entry =
                Entry { request_id, at, bytes: OVERHEAD + bytes, record: Some(record), ..Entry::new() };
            state.enter(entry);
            return None;
        };
        state.change(number, bytes, |entry| {
            entry.record = Some(record);
            entry.outcome.as_ref().and_then(|outcome| outcome.process)
        })?
    }

    /// Adds a line that the process of an invocation printed.
    pub(crate) fn print(&self, number: u64, mut line: Vec<u8>) {
        let mut state = self.lock();
        let Some((_, printed)) = state.find(number) else { return };
        // The list's own slot counts, or empty lines would be free.
        let room = LINES_KEPT.saturating_sub(printed.bytes + size_of::<Bytes>());
        if printed.cut || room == 0 {
            printed.cut = true;
            return;
        }
        printed.cut = line.len() > room;
        line.truncate(room);
        let bytes = line.len() + size_of::<Bytes>();
        printed.lines.push(Bytes::from(line));
        printed.bytes += bytes;
        state.change(number, bytes, |_| ());
    }

    /// Adds the greatest memory that the process of an invocation has had so far.
    pub(crate) fn measure(&self, number: u64, memory: u64) {
        let mut state = self.lock();
        let function = state.change(number, 0, |entry| {
            entry.memory = Some(memory);
            entry.function
        });
        if let Some(function) = function.flatten() {
            let tally = state.tally(function);
            tally.memory = tally.memory.max(Some(memory));
        }
    }

    /// What each function did; shorter than their list when the last ones did nothing.
    pub(super) fn tallies(&self) -> Vec<Tally> {
        self.lock().tallies.clone()
    }

    /// Copies of the newest invocations that are wanted, newest first. Events and answers are shared with the
    /// originals.
    pub(super) fn newest(&self, limit: usize, wanted: impl Fn(&Entry) -> bool) -> Answer {
        let state = self.lock();
        let entries = state.entries.iter().rev().map(|(entry, _)| entry).filter(|entry| wanted(entry));
        Answer { cursor: state.changes, more: false, entries: entries.take(limit).cloned().collect() }
    }

    /// Copies of the invocations that are wanted and have changed since the answer of a cursor, in the order of their
    /// changes.
    pub(super) fn changed(&self, after: u64, limit: usize, wanted: impl Fn(&Entry) -> bool) -> Answer {
        let state = self.lock();
        let entries = state.entries.iter().map(|(entry, _)| entry);
        let mut changed: Vec<_> = entries.filter(|entry| entry.changed > after && wanted(entry)).collect();
        changed.sort_unstable_by_key(|entry| entry.changed);
        let more = changed.len() > limit;
        changed.truncate(limit);
        let last = changed.last().map_or(after, |entry| entry.changed);
        let cursor = if more { last } else { state.changes };
        Answer { cursor, more, entries: changed.into_iter().cloned().collect() }
    }

    /// One invocation, by its number, with what it printed.
    pub(super) fn find(&self, number: u64) -> Option<(Entry, Printed)> {
        self.lock().find(number).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::PAYLOAD_KEPT;
    use super::*;

    fn run(activity: &Arc<Activity>, event: &[u8]) -> u64 {
        let ticket = activity.begin(0, "id", "Root=1", event);
        let number = ticket.number();
        ticket.finish(&Execution::default(), &Ok(Bytes::from_static(b"{}")), None);
        number
    }

    #[test]
    fn only_so_many_invocations_are_kept() {
        let activity = Arc::new(Activity::default());
        for _ in 0..KEPT + 5 {
            run(&activity, b"{}");
        }

        let entries = activity.newest(usize::MAX, |_| true).entries;

        assert_eq!(entries.len(), KEPT);
        assert_eq!((entries[0].number, entries[KEPT - 1].number), (KEPT as u64 + 5, 6));
        assert!(activity.find(5).is_none() && activity.find(6).is_some());
        assert_eq!(activity.tallies()[0].invocations, KEPT as u64 + 5, "all are counted");
    }

    #[test]
    fn what_is_kept_is_bounded_in_bytes_however_much_is_printed() {
        let activity = Arc::new(Activity::default());
        let event = vec![b'x'; PAYLOAD_KEPT * 4];
        for _ in 0..KEPT {
            let number = run(&activity, &event);
            for _ in 0..10 {
                activity.print(number, vec![b'y'; LINES_KEPT / 4]);
            }
        }

        let entries = activity.newest(usize::MAX, |_| true).entries;

        let bytes = |entry: &Entry| {
            let (_, printed) = activity.find(entry.number).unwrap();
            let lines: usize = printed.lines.iter().map(Bytes::len).sum();
            assert!(lines <= LINES_KEPT && printed.cut);
            assert_eq!((entry.event.kept.len(), entry.event.size), (PAYLOAD_KEPT, PAYLOAD_KEPT * 4));
            lines + entry.event.kept.len()
        };
        let kept: usize = entries.iter().map(bytes).sum();
        assert!(kept <= KEPT_BYTES, "{kept}");
        assert!(kept > KEPT_BYTES / 2, "no more is forgotten than must be: {kept}");
    }

    #[test]
    fn a_long_trace_counts() {
        let activity = Arc::new(Activity::default());
        let trace = "x".repeat(KEPT_BYTES / 10);
        for _ in 0..20 {
            drop(activity.begin(0, "id", &trace, b"{}"));
        }

        assert_eq!(activity.newest(usize::MAX, |_| true).entries.len(), 9);
    }

    #[test]
    fn an_empty_line_is_not_free() {
        let activity = Arc::new(Activity::default());
        let number = run(&activity, b"{}");
        for _ in 0..LINES_KEPT {
            activity.print(number, Vec::new());
        }

        let (_, printed) = activity.find(number).unwrap();

        assert!(printed.lines.len() <= LINES_KEPT / size_of::<Bytes>() && printed.cut);
    }

    #[test]
    fn a_change_is_told_once() {
        let activity = Arc::new(Activity::default());
        let first = run(&activity, b"{}");
        let Answer { cursor, entries, .. } = activity.newest(10, |_| true);
        assert_eq!(entries.len(), 1);
        assert!(activity.changed(cursor, 10, |_| true).entries.is_empty());

        let record = Record { invocation: Some(first), status: Some(200), ..Record::default() };
        activity.report(Arc::new(record));
        let Answer { cursor, entries, .. } = activity.changed(cursor, 10, |_| true);

        assert_eq!(entries[0].record.as_ref().unwrap().status, Some(200));
        assert!(activity.changed(cursor, 10, |_| true).entries.is_empty());
    }

    #[test]
    fn changes_beyond_the_limit_are_told_by_the_next_answers_the_oldest_first() {
        let activity = Arc::new(Activity::default());
        let tickets: Vec<_> = (0..5).map(|_| activity.begin(0, "id", "Root=1", b"{}")).collect();
        let mut cursor = activity.newest(1, |_| true).cursor;
        for ticket in tickets.into_iter().rev() {
            ticket.finish(&Execution::default(), &Ok(Bytes::new()), None);
        }

        let mut told = Vec::new();
        for _ in 0..3 {
            let answer = activity.changed(cursor, 2, |entry| entry.number != 4);
            told.push((answer.entries.iter().map(|entry| entry.number).collect::<Vec<_>>(), answer.more));
            cursor = answer.cursor;
        }

        assert_eq!(told, [(vec![5, 3], true), (vec![2, 1], false), (vec![], false)]);
        assert_eq!(cursor, activity.newest(1, |_| true).cursor);
        assert!(activity.changed(cursor, 0, |_| true).entries.is_empty());
    }

    #[test]
    fn an_invocation_that_nothing_took_was_given_up() {
        let activity = Arc::new(Activity::default());
        let ticket = activity.begin(0, "id", "Root=1", b"{}");
        let number = ticket.number();
        assert!(!activity.find(number).unwrap().0.given_up);

        drop(ticket);

        assert!(activity.find(number).unwrap().0.given_up);
        assert!(activity.tallies().is_empty(), "it did not run");
    }

    #[test]
    fn a_long_error_is_cut_between_characters() {
        let activity = Arc::new(Activity::default());
        let number = run(&activity, b"{}");
        let error = Some("é".repeat(ERROR_KEPT));

        activity.report(Arc::new(Record { invocation: Some(number), error, ..Record::default() }));

        let record = activity.find(number).unwrap().0.record.unwrap();
        assert_eq!(record.error.clone().unwrap(), "é".repeat(ERROR_KEPT / 2));
    }
}
