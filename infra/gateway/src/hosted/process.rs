//! One process of a function: what it is doing, what it was given, how it ended.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde::Serialize;
use tokio::sync::oneshot::{self, error::TryRecvError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::functions::{Answer, Execution, Invocation};

/// What the console tells of a process.
#[derive(Debug, Serialize)]
pub(crate) struct ProcessState {
    pub(super) pid: Option<u32>,
    pub(super) state: &'static str,
    pub(super) busy: bool,
    pub(super) frozen: bool,
    pub(super) invocations: u64,
}

#[derive(Debug)]
pub(super) struct Process {
    pub(super) slot: u64,
    pub(super) pid: Option<u32>,
    pub(super) phase: Phase,
    pub(super) invocations: u64,
    pub(super) started_at: Instant,
    /// The duration of the cold start until an invocation has told it.
    pub(super) init: Option<Duration>,
    pub(super) init_error: Option<Bytes>,
    /// Ends the process, which is idle.
    pub(super) recycle: CancellationToken,
    /// The number of the invocation it was given last, whose lines it prints.
    pub(super) printing_for: Arc<AtomicU64>,
}

impl Process {
    /// Stops or continues the process with all its children, as Lambda freezes a whole environment.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid.and_then(|pid| i32::try_from(pid).ok()) {
            // Fails only for a process that has ended, which is noticed elsewhere.
            let _ = killpg(Pid::from_raw(pid), signal);
        }
    }

    /// Takes the phase out; until another is set, the process is one that will ask for an event.
    pub(super) fn take_phase(&mut self) -> Phase {
        std::mem::replace(&mut self.phase, Phase::Returning(Instant::now()))
    }
}

/// How a process ended.
#[derive(Debug)]
pub(super) struct End {
    pub(super) how: String,
    /// By a signal: it was killed, or it crashed.
    pub(super) by_signal: bool,
    /// Without having read the event that was sent to it.
    pub(super) unread: bool,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// Has not asked for an event yet.
    Starting,
    /// Its request for the next event is held open.
    Idle(oneshot::Sender<Delivery>),
    Busy(Box<Running>),
    /// Has answered, then, and will ask for the next event.
    Returning(Instant),
    /// Was killed.
    Condemned,
    /// Was killed while it was idle, because strict mode said so.
    Recycled,
}

#[derive(Debug)]
pub(super) struct Running {
    pub(super) invocation: Invocation,
    pub(super) delivered_at: Instant,
    pub(super) deadline: Instant,
    pub(super) init: Option<Duration>,
    pub(super) pid: Option<u32>,
    pub(super) receipt: Option<oneshot::Receiver<bool>>,
}

impl Running {
    /// Whether it is known that the process did not read the event.
    pub(super) fn was_left_unread(&mut self) -> bool {
        let received = self.receipt.as_mut().map(oneshot::Receiver::try_recv);
        matches!(received, Some(Ok(false) | Err(TryRecvError::Closed)))
    }

    pub(super) fn finish(self, result: Result<Bytes, Bytes>) {
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
