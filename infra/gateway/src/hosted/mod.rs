//! One function's processes, run by the gateway itself: a queue, and at most N processes behind it.
//!
//! A process has one invocation at a time and is started when an invocation finds none that is free. It
//! lives until it ends by itself, overruns the function's timeout or the gateway ends (Lambda Developer
//! Guide, "Understanding the Lambda execution environment lifecycle"). An event that a process left unread
//! when it was killed goes to another one. All states of a function are behind one lock that is never held
//! across an await.

mod lifecycle;
mod process;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use nix::sys::signal::Signal;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use process::{Delivery, Next, ProcessState};

use crate::console::Activity;
use crate::functions::{Invocation, Load, error_object};
use crate::journal::Journal;
use crate::strict::Strict;
use process::{Phase, Process, Running};

/// How a function's processes are started.
#[derive(Debug)]
pub(crate) struct Launch {
    /// The function's name.
    pub(crate) name: Arc<str>,
    /// The executable.
    pub(crate) executable: PathBuf,
    /// Its ARN, told with each invocation.
    pub(crate) arn: String,
    /// The longest an invocation may take.
    pub(crate) timeout: Duration,
    /// The whole environment except what differs by process.
    pub(crate) environment: BTreeMap<String, String>,
    /// The most processes at one time.
    pub(crate) concurrency: usize,
    /// What is done to idle processes.
    pub(crate) strict: Arc<Strict>,
}

/// One function with its queue and processes.
#[derive(Debug)]
pub(crate) struct Function {
    launch: Launch,
    state: Mutex<State>,
    journal: Journal,
    shutdown: CancellationToken,
    tasks: TaskTracker,
    started: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Invocation>,
    processes: Vec<Process>,
    /// How many events processes were given, those that have ended included.
    given: u64,
    failed_starts: u32,
    not_before: Option<Instant>,
}

impl Function {
    /// A function without processes; they come with demand.
    pub(crate) fn new(
        launch: Launch,
        journal: Journal,
        shutdown: CancellationToken,
        tasks: TaskTracker,
    ) -> Arc<Self> {
        Arc::new(Self {
            launch,
            state: Mutex::default(),
            journal,
            shutdown,
            tasks,
            started: AtomicU64::new(0),
        })
    }

    /// The function's ARN.
    pub(crate) fn arn(&self) -> &str {
        &self.launch.arn
    }

    /// What is kept of its invocations.
    pub(crate) fn activity(&self) -> &Arc<Activity> {
        self.journal.activity()
    }

    /// Answers a process's request for its next event.
    pub(crate) fn next(self: &Arc<Self>, slot: u64) -> Next {
        let mut state = self.lock();
        let state = &mut *state;
        let Some(process) = state.processes.iter_mut().find(|process| process.slot == slot) else {
            return Next::Unknown;
        };
        match process.take_phase() {
            Phase::Starting => {
                process.init = Some(process.started_at.elapsed());
                state.failed_starts = 0;
                state.not_before = None;
            }
            Phase::Busy(mut running) => {
                if running.was_left_unread() {
                    // The connection that it was sent through had just ended.
                    state.given -= 1;
                    state.waiting.push_front(running.invocation);
                } else {
                    running.finish(Err(error_object(
                        "Runtime.InvalidState",
                        "The process asked for another event without an answer",
                    )));
                }
            }
            ending @ (Phase::Condemned | Phase::Recycled) => {
                process.phase = ending;
                return Next::Unknown;
            }
            Phase::Idle(_) | Phase::Returning(_) => {}
        }
        if let Some(invocation) = pop_waiting(&mut state.waiting) {
            state.given += 1;
            let (delivery, running) = self.begin(process, invocation);
            process.phase = Phase::Busy(running);
            return Next::Now(delivery);
        }
        let (sender, receiver) = oneshot::channel();
        process.phase = Phase::Idle(sender);
        if self.launch.strict.freezes() {
            process.signal(Signal::SIGSTOP);
        }
        if let Some(idleness) = self.launch.strict.recycles_after() {
            self.tasks.spawn(Arc::clone(self).recycle(slot, process.invocations, idleness));
        }
        Next::Later(receiver)
    }

    /// Ends a process that is idle for a time without another invocation.
    async fn recycle(self: Arc<Self>, slot: u64, invocations: u64, idleness: Duration) {
        tokio::select! {
            () = sleep(idleness) => {}
            () = self.shutdown.cancelled() => return,
        }
        let mut state = self.lock();
        let Some(process) = state.processes.iter_mut().find(|process| process.slot == slot) else { return };
        if matches!(process.phase, Phase::Idle(_)) && process.invocations == invocations {
            process.phase = Phase::Recycled;
            process.recycle.cancel();
        }
    }

    /// Takes a process's answer; false if it does not have that invocation.
    pub(crate) fn respond(&self, slot: u64, request_id: &str, result: Result<Bytes, Bytes>) -> bool {
        let running = {
            let mut state = self.lock();
            let Some(process) = state.processes.iter_mut().find(|process| process.slot == slot) else {
                return false;
            };
            match process.take_phase() {
                Phase::Busy(running) if running.invocation.request_id == request_id => running,
                other => {
                    process.phase = other;
                    return false;
                }
            }
        };
        running.finish(result);
        true
    }

    /// Keeps why a process could not start, for the invocation that waits for it.
    pub(crate) fn init_failed(&self, slot: u64, error: Bytes) {
        if let Some(process) = self.lock().processes.iter_mut().find(|process| process.slot == slot) {
            process.init_error = Some(error);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the console tells of the processes.
    pub(crate) fn processes(&self) -> Vec<ProcessState> {
        let describe = |process: &Process| ProcessState {
            pid: process.pid,
            state: match process.phase {
                Phase::Starting => "starting",
                Phase::Idle(_) => "idle",
                Phase::Returning(_) => "returning",
                Phase::Busy(_) => "busy",
                Phase::Condemned | Phase::Recycled => "ending",
            },
            busy: matches!(process.phase, Phase::Busy(_)),
            frozen: self.launch.strict.freezes() && matches!(process.phase, Phase::Idle(_)),
            invocations: process.invocations,
        };
        self.lock().processes.iter().map(describe).collect()
    }

    /// What it was given and has to do.
    pub(crate) fn load(&self) -> Load {
        let state = self.lock();
        let busy = state.processes.iter().filter(|process| matches!(process.phase, Phase::Busy(_))).count();
        Load { given: state.given, running: busy, waiting: state.waiting.len() }
    }

    /// Queues an event, which a free process gets at once.
    pub(crate) fn submit(self: &Arc<Self>, invocation: Invocation) {
        let mut state = self.lock();
        if let Some(invocation) = self.offer(&mut state, invocation) {
            if state.waiting.len() == state.waiting.capacity() {
                // Nobody waits any more for what would otherwise stay until a process is free.
                let now = Instant::now();
                state.waiting.retain(|waiting| waiting.waits_until > now);
            }
            state.waiting.push_back(invocation);
            self.scale(&mut state);
        }
    }

    /// Hands an invocation to a free process, or gives it back.
    fn offer(&self, state: &mut State, mut invocation: Invocation) -> Option<Invocation> {
        for process in &mut state.processes {
            if !matches!(process.phase, Phase::Idle(_)) {
                continue;
            }
            let Phase::Idle(next) = process.take_phase() else { continue };
            if next.is_closed() {
                continue;
            }
            state.given += 1;
            let (delivery, running) = self.begin(process, invocation);
            if self.launch.strict.freezes() {
                process.signal(Signal::SIGCONT);
            }
            if next.send(delivery).is_ok() {
                process.phase = Phase::Busy(running);
                return None;
            }
            // The process broke its request in this very moment; the event goes to another.
            process.invocations -= 1;
            state.given -= 1;
            invocation = running.invocation;
        }
        Some(invocation)
    }

    /// Marks an invocation as running in a process.
    fn begin(&self, process: &mut Process, invocation: Invocation) -> (Delivery, Box<Running>) {
        let now = Instant::now();
        process.invocations += 1;
        process.printing_for.store(invocation.ticket.number(), Ordering::Relaxed);
        let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + self.launch.timeout;
        let (receipt, received) = oneshot::channel();
        let delivery = Delivery {
            request_id: invocation.request_id.clone(),
            event: invocation.event.clone(),
            trace: invocation.trace.clone(),
            deadline: deadline.as_millis(),
            receipt,
        };
        let running = Running {
            invocation,
            delivered_at: now,
            deadline: now + self.launch.timeout,
            init: process.init.take(),
            pid: process.pid,
            receipt: Some(received),
        };
        (delivery, Box::new(running))
    }

    /// Starts as many processes as invocations wait for none that is about to be free.
    fn scale(self: &Arc<Self>, state: &mut State) {
        if self.shutdown.is_cancelled() {
            return;
        }
        let coming = |process: &&Process| matches!(process.phase, Phase::Starting | Phase::Returning(_));
        let mut coming = state.processes.iter().filter(coming).count();
        while coming < state.waiting.len() && state.processes.len() < self.launch.concurrency {
            let slot = self.started.fetch_add(1, Ordering::Relaxed);
            let recycle = CancellationToken::new();
            let starts_at = state.not_before.unwrap_or_else(Instant::now).max(Instant::now());
            state.processes.push(Process {
                slot,
                pid: None,
                phase: Phase::Starting,
                invocations: 0,
                started_at: starts_at,
                init: None,
                init_error: None,
                recycle: recycle.clone(),
                // What it prints before its first event is told of the one that it is started for.
                printing_for: Arc::new(AtomicU64::new(state.waiting[coming].ticket.number())),
            });
            self.tasks.spawn(Arc::clone(self).run(slot, starts_at, recycle));
            coming += 1;
        }
    }
}

/// The first invocation whose integration has not timed out meanwhile.
fn pop_waiting(waiting: &mut VecDeque<Invocation>) -> Option<Invocation> {
    let now = Instant::now();
    while let Some(invocation) = waiting.pop_front() {
        if invocation.waits_until > now {
            return Some(invocation);
        }
    }
    None
}
