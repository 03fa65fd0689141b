//! The life of a process: its start, its timeouts, its end and what becomes of what it had.

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::process::{End, Phase};
use super::{Function, pop_waiting};
use crate::functions::{Answer, Execution, error_object};
use crate::runtime_api;

/// The init phase may take 10 s.
const INIT_LIMIT: Duration = Duration::from_secs(10);

/// What processes get between SIGTERM and SIGKILL when the gateway ends.
const GRACE: Duration = Duration::from_secs(1);

/// How long the sockets of a process that has ended may stay open, as they do if it had children.
const HANG_UP: Duration = Duration::from_millis(500);

/// The bytes of a line that are kept; its rest is dropped.
const LONGEST_LINE: u64 = 256 * 1024;

pub(super) const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(2);

impl Function {
    /// Starts one process and watches over it until it has ended.
    pub(super) async fn run(self: Arc<Self>, slot: u64, starts_at: Instant, recycle: CancellationToken) {
        tokio::select! {
            () = sleep_until(starts_at) => {}
            () = self.shutdown.cancelled() => return,
        }
        let started_at = Instant::now();
        // A Runtime API of its own tells which process speaks, at an address as Lambda gives it.
        let api = self.shutdown.child_token();
        let _ended_with_the_process = api.clone().drop_guard();
        let spawned = runtime_api::listen(&self, slot, api)
            .and_then(|port| self.command(slot, port).spawn().map_err(Into::into));
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) => {
                let reason = format!("cannot start {}: {error:#}", self.launch.executable.display());
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

    fn command(&self, slot: u64, port: u16) -> Command {
        let mut command = Command::new(&self.launch.executable);
        command
            .env_clear()
            .envs(&self.launch.environment)
            .env("AWS_LAMBDA_RUNTIME_API", format!("127.0.0.1:{port}"))
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
                        init: Some(process.started_at.elapsed()),
                        ..Execution::default()
                    };
                    let result = Err(error);
                    invocation.ticket.finish(&execution, &result, None);
                    let _ = invocation.reply.send(Answer { result, execution });
                }
                self.journal.note(format!("{name}: ended before it asked for an event: {how}"));
            }
            Phase::Busy(running) if end.unread => {
                state.given -= 1;
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

/// Hands on each line that a process prints, with the number of the invocation that it was given last: a line that is
/// read after the next event was taken counts for that one.
async fn forward(output: impl AsyncRead + Unpin, function: Arc<Function>, printing_for: Arc<AtomicU64>) {
    let mut output = BufReader::new(output);
    // Whether what is read is the rest of a line that was too long.
    let mut rest = false;
    loop {
        let mut line = Vec::new();
        match (&mut output).take(LONGEST_LINE).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                let whole = line.last() == Some(&b'\n');
                if !std::mem::replace(&mut rest, !whole) {
                    while line.last().is_some_and(u8::is_ascii_whitespace) {
                        line.pop();
                    }
                    let number = printing_for.load(Ordering::Relaxed);
                    function.journal.line(&function.launch.name, number, line).await;
                }
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
