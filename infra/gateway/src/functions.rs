//! Functions as the APIs see them: an event goes in, an answer comes out, whatever runs them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::select_ok;
use serde::Serialize;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::cargo_lambda::CargoLambda;
use crate::console::{Activity, Ticket};
use crate::hosted::{Function, ProcessState};
use crate::ids;

/// The largest event and the largest response of a synchronous invocation (Lambda Developer Guide, "Lambda quotas").
pub(crate) const PAYLOAD_LIMIT: usize = 6 * 1024 * 1024;

/// What an invocation takes besides its event, roughly.
const OVERHEAD: usize = 1024;

/// The bytes of all events that wait or run, of which there is one gateway's in a process. What finds no room is
/// answered as Lambda answers what it throttles.
static ROOM: Semaphore = Semaphore::const_new(256 * 1024 * 1024);

/// How functions are run.
#[derive(Debug)]
pub(crate) enum Functions {
    /// By the gateway's own processes and Runtime API.
    Hosted(Vec<Arc<Function>>),
    /// The same, but each event goes to two processes at the same time: every function has two sets of them.
    HostedTwice(Vec<[Arc<Function>; 2]>),
    /// By `cargo lambda watch`, through its Invoke route.
    CargoLambda(Box<CargoLambda>),
    /// The same, but each event is sent twice at the same time.
    CargoLambdaTwice(Box<CargoLambda>),
}

/// One event on its way to a function.
#[derive(Debug)]
pub(crate) struct Invocation {
    /// Lambda's request id.
    pub(crate) request_id: String,
    /// The event.
    pub(crate) event: Bytes,
    /// The trace header.
    pub(crate) trace: String,
    /// When it was submitted.
    pub(crate) queued_at: Instant,
    /// When it is given up if nothing has taken it; its reply is then dropped.
    pub(crate) waits_until: Instant,
    /// Its entry for the console.
    pub(crate) ticket: Ticket,
    /// The room it takes until it is answered, unless it was accepted before.
    pub(crate) room: Option<SemaphorePermit<'static>>,
    /// Where its answer goes.
    pub(crate) reply: oneshot::Sender<Answer>,
}

/// What a function answered and how it ran.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The response, or the error object that Lambda reports.
    pub(crate) result: Result<Bytes, Bytes>,
    /// Times and the request id.
    pub(crate) execution: Execution,
}

/// How one invocation ran.
#[derive(Debug, Clone, Default)]
pub(crate) struct Execution {
    /// Lambda's request id.
    pub(crate) request_id: String,
    /// From delivery to answer.
    pub(crate) duration: Duration,
    /// From submission to delivery.
    pub(crate) queued: Duration,
    /// The cold start, if this invocation was the process's first.
    pub(crate) init: Option<Duration>,
}

/// An answer to wait for.
#[derive(Debug)]
pub(crate) struct Pending {
    /// The number of the invocation.
    pub(crate) invocation: u64,
    answer: oneshot::Receiver<Answer>,
    until: Instant,
}

impl Pending {
    /// Waits as long as the integration may take; `None` when it took longer. The function runs on.
    pub(crate) async fn answer(self) -> Option<Answer> {
        timeout_at(self.until, self.answer).await.ok()?.ok()
    }

    /// Waits however long the function takes once it has begun; `None` when nothing took the event in time.
    pub(crate) async fn outcome(self) -> Option<Answer> {
        self.answer.await.ok()
    }
}

/// What a function was given and has to do.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Load {
    /// How many events were given to a process.
    pub(crate) given: u64,
    /// How many of them it is at work on.
    pub(crate) running: usize,
    /// How many events wait for a process.
    pub(crate) waiting: usize,
}

impl Functions {
    /// Hands an event to a function at once, in the order of calls; `patience` is the integration timeout. When too much
    /// waits already the answer is that it is throttled.
    pub(crate) fn submit(
        &self,
        function: usize,
        event: Bytes,
        trace_root: &str,
        patience: Duration,
    ) -> Pending {
        let size = u32::try_from(event.len() + OVERHEAD).unwrap_or(u32::MAX);
        let room = ROOM.try_acquire_many(size).ok();
        let refused = room.is_none();
        let (pending, invocation) =
            self.prepare(&ids::lambda_request_id(), function, event, trace_root, patience, room);
        if refused {
            let execution = Execution { request_id: invocation.request_id, ..Execution::default() };
            let result = Err(error_object("TooManyRequestsException", "Rate Exceeded."));
            invocation.ticket.finish(&execution, &result, None);
            let _ = invocation.reply.send(Answer { result, execution });
        } else {
            self.hand_over(function, invocation);
        }
        pending
    }

    /// The same under a given request id, which the attempts of one asynchronous event share. It was accepted before, so
    /// it is not refused for want of room.
    pub(crate) fn submit_as(
        &self,
        request_id: &str,
        function: usize,
        event: Bytes,
        trace_root: &str,
        patience: Duration,
    ) -> Pending {
        let (pending, invocation) = self.prepare(request_id, function, event, trace_root, patience, None);
        self.hand_over(function, invocation);
        pending
    }

    fn prepare(
        &self,
        request_id: &str,
        function: usize,
        event: Bytes,
        trace_root: &str,
        patience: Duration,
        room: Option<SemaphorePermit<'static>>,
    ) -> (Pending, Invocation) {
        let now = Instant::now();
        let until = now + patience;
        let (reply, answer) = oneshot::channel();
        let trace = ids::invocation_trace(trace_root);
        let ticket = self.activity(function).begin(function, request_id, &trace, &event);
        let pending = Pending { invocation: ticket.number(), answer, until };
        let invocation = Invocation {
            request_id: request_id.to_owned(),
            event,
            trace,
            queued_at: now,
            waits_until: until,
            ticket,
            room,
            reply,
        };
        (pending, invocation)
    }

    fn hand_over(&self, function: usize, invocation: Invocation) {
        // The second of two deliveries is an invocation of its own.
        let second = |one: &Invocation| {
            self.activity(function).begin(function, &one.request_id, &one.trace, &one.event)
        };
        match self {
            Self::Hosted(functions) => functions[function].submit(invocation),
            Self::HostedTwice(functions) => {
                let second = second(&invocation);
                let ways = functions[function].each_ref().map(|copy| |one| copy.submit(one));
                submit_twice(invocation, second, ways);
            }
            Self::CargoLambda(watch) => watch.submit(function, invocation),
            Self::CargoLambdaTwice(watch) => {
                let second = second(&invocation);
                submit_twice(invocation, second, [(); 2].map(|()| |one| watch.submit(function, one)));
            }
        }
    }

    fn activity(&self, function: usize) -> &Arc<Activity> {
        match self {
            Self::Hosted(functions) => functions[function].activity(),
            Self::HostedTwice(functions) => functions[function][0].activity(),
            Self::CargoLambda(watch) | Self::CargoLambdaTwice(watch) => watch.activity(),
        }
    }

    /// What a function was given and has to do, for the console.
    pub(crate) fn load(&self, function: usize) -> Load {
        match self {
            Self::Hosted(functions) => functions[function].load(),
            Self::HostedTwice(functions) => {
                let [first, second] = functions[function].each_ref().map(|copy| copy.load());
                Load {
                    given: first.given + second.given,
                    running: first.running + second.running,
                    waiting: first.waiting + second.waiting,
                }
            }
            Self::CargoLambda(watch) | Self::CargoLambdaTwice(watch) => watch.load(function),
        }
    }

    /// The processes of each function, for the console.
    pub(crate) fn processes(&self, function: usize) -> Vec<ProcessState> {
        match self {
            Self::Hosted(functions) => functions[function].processes(),
            Self::HostedTwice(functions) => {
                functions[function].iter().flat_map(|copy| copy.processes()).collect()
            }
            Self::CargoLambda(_) | Self::CargoLambdaTwice(_) => Vec::new(),
        }
    }
}

/// Submits an event in two ways; the first answer counts, the other is dropped.
fn submit_twice(invocation: Invocation, second: Ticket, ways: [impl FnOnce(Invocation); 2]) {
    let Invocation { request_id, event, trace, queued_at, waits_until, ticket, mut room, reply } = invocation;
    let mut tickets = [ticket, second].into_iter();
    let answers = ways.map(|submit| {
        let (reply, answer) = oneshot::channel();
        let ticket = tickets.next().expect("one for each way");
        let (request_id, event, trace) = (request_id.clone(), event.clone(), trace.clone());
        let room = room.take();
        submit(Invocation { request_id, event, trace, queued_at, waits_until, ticket, room, reply });
        answer
    });
    tokio::spawn(async move {
        // Fails when nothing took either copy in time; the reply is then dropped, too.
        if let Ok((first, _)) = select_ok(answers).await {
            let _ = reply.send(first);
        }
    });
}

/// An error object as Lambda reports it.
pub(crate) fn error_object(kind: &str, message: &str) -> Bytes {
    serde_json::json!({"errorType": kind, "errorMessage": message}).to_string().into()
}
