//! One function's processes, run by the gateway itself: a queue, and at most N processes behind it.
//!
//! A process has one invocation at a time and is started when an invocation finds none that is free. It
//! lives until it ends by itself, overruns the function's timeout or the gateway ends (Lambda Developer
//! Guide, "Understanding the Lambda execution environment lifecycle"). An event that a process left unread
//! when it was killed goes to another one. All states of a function are behind one lock that is never held
//! across an await.

use std::collections::{BTreeMap, VecDeque};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::console::Activity;
use crate::functions::{Answer, Execution, Invocation, Load, error_object};
use crate::journal::Journal;
use crate::strict::Strict;

/// The init phase may take 10 s.
const INIT_LIMIT: Duration = Duration::from_secs(10);

/// What processes get between SIGTERM and SIGKILL when the gateway ends.
const GRACE: Duration = Duration::from_secs(1);

/// How long the sockets of a process that has ended may stay open, as they do if it had children.
const HANG_UP: Duration = Duration::from_millis(500);

const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(2);

/// What the console tells of a process.
#[derive(Debug, Serialize)]
pub(crate) struct ProcessState {
    pid: Option<u32>,
    state: &'static str,
    busy: bool,
    frozen: bool,
    invocations: u64,
}

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
    /// The Runtime API's address under which each process has a path of its own.
    pub(crate) runtime_api: String,
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

#[derive(Debug)]
struct Process {
    slot: u64,
    pid: Option<u32>,
    phase: Phase,
    invocations: u64,
    started_at: Instant,
    /// The duration of the cold start until an invocation has told it.
    init: Option<Duration>,
    init_error: Option<Bytes>,
    /// Ends the process, which is idle.
    recycle: CancellationToken,
    /// The number of the invocation it was given last, whose lines it prints.
    printing_for: Arc<AtomicU64>,
}

impl Process {
    /// Stops or continues the process with all its children, as Lambda freezes a whole environment.
    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid.and_then(|pid| i32::try_from(pid).ok()) {
            // Fails only for a process that has ended, which is noticed elsewhere.
            let _ = killpg(Pid::from_raw(pid), signal);
        }
    }

    /// Takes the phase out; until another is set, the process is one that will ask for an event.
    fn take_phase(&mut self) -> Phase {
        std::mem::replace(&mut self.phase, Phase::Returning(Instant::now()))
    }
}

/// How a process ended.
#[derive(Debug)]
struct End {
    how: String,
    /// By a signal: it was killed, or it crashed.
    by_signal: bool,
    /// Without having read the event that was sent to it.
    unread: bool,
}

#[derive(Debug)]
enum Phase {
    /// Has not asked for an event yet.
    Starting,
    /// Its request for the next event is held open.
    Idle(oneshot::Sender<Delivery>),
    Busy(Running),
    /// Has answered, then, and will ask for the next event.
    Returning(Instant),
    /// Was killed.
    Condemned,
    /// Was killed while it was idle, because strict mode said so.
    Recycled,
}

#[derive(Debug)]
struct Running {
    invocation: Invocation,
    delivered_at: Instant,
    deadline: Instant,
    init: Option<Duration>,
    pid: Option<u32>,
    receipt: Option<oneshot::Receiver<bool>>,
}

impl Running {
    fn finish(self, result: Result<Bytes, Bytes>) {
        let execution = Execution {
            request_id: self.invocation.request_id,
            duration: self.delivered_at.elapsed(),
            queued: self.delivered_at - self.invocation.queued_at,
            init: self.init,
        };
        self.invocation.ticket.finish(&execution, &result, self.pid);
        // Nobody waits any more once the integration has timed out.
        let _ = self.invocation.reply.send(Answer { result, execution });
    }
}

/// What the Runtime API answers to a request for the next event.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// Lambda's request id.
    pub(crate) request_id: String,
    /// The event.
    pub(crate) event: Bytes,
    /// The trace header.
    pub(crate) trace: String,
    /// When the function will be ended, in Unix milliseconds.
    pub(crate) deadline: u128,
    /// Told when the connection it went through ends, whether the process had read the event; dropped
    /// unsent, it had not.
    pub(crate) receipt: oneshot::Sender<bool>,
}

/// The next event of a process.
#[derive(Debug)]
pub(crate) enum Next {
    /// It was waiting already.
    Now(Delivery),
    /// It will come.
    Later(oneshot::Receiver<Delivery>),
    /// The process is not, or no longer, one of this function.
    Unknown,
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
            Phase::Busy(running) => {
                running.finish(Err(error_object(
                    "Runtime.InvalidState",
                    "The process asked for another event without an answer",
                )));
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
    fn begin(&self, process: &mut Process, invocation: Invocation) -> (Delivery, Running) {
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
        (delivery, running)
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
                printing_for: Arc::default(),
            });
            self.tasks.spawn(Arc::clone(self).run(slot, starts_at, recycle));
            coming += 1;
        }
    }

    /// Starts one process and watches over it until it has ended.
    async fn run(self: Arc<Self>, slot: u64, starts_at: Instant, recycle: CancellationToken) {
        tokio::select! {
            () = sleep_until(starts_at) => {}
            () = self.shutdown.cancelled() => return,
        }
        let started_at = Instant::now();
        let mut child = match self.command(slot).spawn() {
            Ok(child) => child,
            Err(error) => {
                let reason = format!("cannot start {}: {error}", self.launch.executable.display());
                self.ended(slot, End { how: reason, by_signal: false, unread: false });
                return;
            }
        };
        let mut printing_for = Arc::default();
        if let Some(process) = self.lock().processes.iter_mut().find(|process| process.slot == slot) {
            process.pid = child.id();
            process.started_at = started_at;
            printing_for = Arc::clone(&process.printing_for);
        }
        if let Some(stdout) = child.stdout.take() {
            self.tasks.spawn(forward(stdout, Arc::clone(&self), Arc::clone(&printing_for)));
        }
        if let Some(stderr) = child.stderr.take() {
            self.tasks.spawn(forward(stderr, Arc::clone(&self), printing_for));
        }
        let mut check = started_at + INIT_LIMIT.min(self.launch.timeout);
        let status = loop {
            tokio::select! {
                status = child.wait() => break status,
                () = sleep_until(check) => if let Some(next) = self.overdue(slot) {
                    check = next;
                } else {
                    // Only fails when the process has ended, which is what the loop waits for.
                    let _ = child.start_kill();
                    check += Duration::from_hours(1);
                },
                () = recycle.cancelled() => {
                    // Lambda tells an environment nothing either.
                    let _ = child.start_kill();
                    break child.wait().await;
                }
                () = self.shutdown.cancelled() => {
                    end(&mut child).await;
                    return;
                }
            }
        };
        if let Some(process) = self.lock().processes.iter_mut().find(|process| process.slot == slot) {
            // Its number may be another's from now on.
            process.pid = None;
        }
        let unread = self.left_unread(slot).await;
        let by_signal = status.as_ref().is_ok_and(|status: &ExitStatus| status.signal().is_some());
        let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        self.ended(slot, End { how, by_signal, unread });
    }

    /// Whether a process that has ended did not read the event it was given. An answer that it had written
    /// before it ended is read meanwhile.
    async fn left_unread(&self, slot: u64) -> bool {
        let receipt = {
            let mut state = self.lock();
            let process = state.processes.iter_mut().find(|process| process.slot == slot);
            match process.map(|process| &mut process.phase) {
                Some(Phase::Busy(running)) => running.receipt.take(),
                _ => None,
            }
        };
        let Some(receipt) = receipt else { return false };
        matches!(timeout(HANG_UP, receipt).await, Ok(Ok(false) | Err(_)))
    }

    fn command(&self, slot: u64) -> Command {
        let mut command = Command::new(&self.launch.executable);
        command
            .env_clear()
            .envs(&self.launch.environment)
            .env("AWS_LAMBDA_RUNTIME_API", format!("{}.{slot}", self.launch.runtime_api))
            .env("AWS_LAMBDA_LOG_STREAM_NAME", format!("local/[$LATEST]{slot:032x}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A Ctrl-C is for the gateway, which then ends its functions in order.
            .process_group(0)
            .kill_on_drop(true);
        command
    }

    /// When to look again, or none if the process is to be killed now.
    ///
    /// A process without an invocation is looked at once per timeout, so one that begins right after a look
    /// is met no later than at its deadline, without a timer for each invocation.
    fn overdue(&self, slot: u64) -> Option<Instant> {
        let now = Instant::now();
        let mut state = self.lock();
        let process = state.processes.iter_mut().find(|process| process.slot == slot)?;
        match std::mem::replace(&mut process.phase, Phase::Condemned) {
            Phase::Busy(running) if running.deadline <= now => {
                let seconds = self.launch.timeout.as_secs_f64();
                let message = format!(
                    "RequestId: {} Error: Task timed out after {seconds:.2} seconds",
                    running.invocation.request_id
                );
                running.finish(Err(error_object("Sandbox.Timedout", &message)));
                None
            }
            Phase::Starting if process.started_at + INIT_LIMIT <= now => {
                process.phase = Phase::Starting;
                process.init_error = Some(error_object(
                    "Sandbox.Timedout",
                    "The process asked for no event within 10 seconds of its start",
                ));
                None
            }
            // Lambda counts the time until the process asks for another event; here it only must not be for ever.
            Phase::Returning(since) if since + self.launch.timeout <= now => None,
            phase => {
                let next = match &phase {
                    Phase::Busy(running) => running.deadline,
                    Phase::Starting => (process.started_at + INIT_LIMIT).min(now + self.launch.timeout),
                    Phase::Returning(since) => *since + self.launch.timeout,
                    Phase::Idle(_) | Phase::Condemned | Phase::Recycled => now + self.launch.timeout,
                };
                process.phase = phase;
                Some(next)
            }
        }
    }

    /// Fails what the process had, unless it never read it, and makes the next start wait if the process
    /// never got to work.
    fn ended(self: &Arc<Self>, slot: u64, end: End) {
        let mut state = self.lock();
        let Some(index) = state.processes.iter().position(|process| process.slot == slot) else { return };
        let process = state.processes.remove(index);
        let (name, how) = (&self.launch.name, end.how);
        match process.phase {
            Phase::Starting => {
                let backoff =
                    FIRST_BACKOFF.saturating_mul(1 << state.failed_starts.min(10)).min(LONGEST_BACKOFF);
                state.failed_starts += 1;
                state.not_before = Some(Instant::now() + backoff);
                // Lambda, too, runs an init phase that failed once more before the invocation fails. An exit
                // is told at once all the same, because it would only be the same again.
                let is_final = !end.by_signal || process.init_error.is_some() || state.failed_starts > 1;
                if is_final && let Some(invocation) = pop_waiting(&mut state.waiting) {
                    let error = process.init_error.unwrap_or_else(|| {
                        error_object(
                            "Runtime.ExitError",
                            &format!("Error: Runtime exited during its init phase: {how}"),
                        )
                    });
                    let execution = Execution {
                        request_id: invocation.request_id,
                        queued: invocation.queued_at.elapsed(),
                        ..Execution::default()
                    };
                    let result = Err(error);
                    invocation.ticket.finish(&execution, &result, None);
                    let _ = invocation.reply.send(Answer { result, execution });
                }
                self.journal.note(format!("{name}: ended before it asked for an event: {how}"));
            }
            Phase::Busy(running) if end.unread => {
                if let Some(invocation) = self.offer(&mut state, running.invocation) {
                    state.waiting.push_front(invocation);
                }
                self.journal.note(format!("{name}: ended before it read its event, which goes on: {how}"));
            }
            Phase::Busy(running) => {
                let request_id = &running.invocation.request_id;
                let message = format!("RequestId: {request_id} Error: Runtime exited with error: {how}");
                running.finish(Err(error_object("Runtime.ExitError", &message)));
                self.journal.note(format!("{name}: ended during an invocation: {how}"));
            }
            Phase::Idle(_) | Phase::Returning(_) => self.journal.note(format!("{name}: ended: {how}")),
            Phase::Recycled => {}
            Phase::Condemned => self.journal.note(format!("{name}: was ended after its timeout")),
        }
        self.scale(&mut state);
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

/// Hands on each line that a process prints, with the number of the invocation that it was given last: a line that is
/// read after the next event was taken counts for that one.
async fn forward(output: impl AsyncRead + Unpin, function: Arc<Function>, printing_for: Arc<AtomicU64>) {
    let mut output = BufReader::new(output);
    loop {
        let mut line = Vec::new();
        match output.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                while line.last().is_some_and(u8::is_ascii_whitespace) {
                    line.pop();
                }
                function.journal.line(&function.launch.name, printing_for.load(Ordering::Relaxed), line);
            }
        }
    }
}

async fn end(child: &mut Child) {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        // Fails only for a process that has ended, which the wait below notices. One that is frozen must go on to
        // end.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        let _ = killpg(Pid::from_raw(pid), Signal::SIGCONT);
    }
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::Functions;

    fn function(executable: &str) -> Arc<Function> {
        let launch = Launch {
            name: "Test".into(),
            executable: executable.into(),
            arn: "arn".to_owned(),
            timeout: Duration::from_secs(1),
            environment: BTreeMap::new(),
            runtime_api: "http://127.0.0.1:1/0".to_owned(),
            concurrency: 2,
            strict: Arc::default(),
        };
        let (journal, _) = Journal::open(None, true).unwrap();
        Function::new(launch, journal, CancellationToken::new(), TaskTracker::new())
    }

    async fn error(functions: &Functions) -> String {
        let pending = functions.submit(0, Bytes::from_static(b"{}"), "Root=1-0-0", Duration::from_secs(5));
        let error = pending.answer().await.unwrap().result.unwrap_err();
        String::from_utf8(error.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_process_that_ends_in_its_init_phase_fails_the_invocation_that_waits() {
        let functions = Functions::Hosted(vec![function("/bin/false")]);

        assert!(error(&functions).await.contains("exit status: 1"));
    }

    #[tokio::test]
    async fn a_missing_binary_is_named() {
        let functions = Functions::Hosted(vec![function("/nonexistent/binary")]);

        assert!(error(&functions).await.contains("/nonexistent/binary"));
    }

    #[tokio::test]
    async fn each_failed_start_waits_longer_than_the_one_before() {
        let functions = Functions::Hosted(vec![function("/nonexistent/binary")]);
        let begun = Instant::now();

        for _ in 0..3 {
            error(&functions).await;
        }

        assert!(begun.elapsed() >= FIRST_BACKOFF * 3);
    }

    #[tokio::test]
    async fn an_invocation_nobody_takes_times_out_with_its_integration() {
        let functions = Functions::Hosted(vec![function("/bin/false")]);

        let pending = functions.submit(0, Bytes::from_static(b"{}"), "Root=1-0-0", Duration::ZERO);

        assert!(pending.answer().await.is_none());
    }
}
