//! Functions as the APIs see them: an event goes in, an answer comes out, whatever runs them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::select_ok;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::cargo_lambda::CargoLambda;
use crate::console::{Activity, Ticket};
use crate::hosted::{Function, ProcessState};
use crate::ids;

/// The largest event and the largest response of a synchronous invocation (Lambda Developer Guide, "Lambda quotas").
pub(crate) const PAYLOAD_LIMIT: usize = 6 * 1024 * 1024;

/// How functions are run.
#[derive(Debug)]
pub(crate) enum Functions {
    /// By the gateway's own processes and Runtime API.
    Hosted(Vec<Arc<Function>>),
    /// The same, but each event goes to two processes at the same time: every function has two sets of them.
    HostedTwice(Vec<[Arc<Function>; 2]>),
    /// By `cargo lambda watch`, through its Invoke route.
    CargoLambda(Box<CargoLambda>),
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

impl Functions {
    /// Hands an event to a function at once, in the order of calls; `patience` is the integration timeout.
    pub(crate) fn submit(
        &self,
        function: usize,
        event: Bytes,
        trace_root: &str,
        patience: Duration,
    ) -> Pending {
        self.submit_as(&ids::lambda_request_id(), function, event, trace_root, patience)
    }

    /// The same under a given request id, which the attempts of one asynchronous event share.
    pub(crate) fn submit_as(
        &self,
        request_id: &str,
        function: usize,
        event: Bytes,
        trace_root: &str,
        patience: Duration,
    ) -> Pending {
        let now = Instant::now();
        let until = now + patience;
        let (reply, answer) = oneshot::channel();
        let trace = ids::invocation_trace(trace_root);
        let ticket = self.activity(function).begin(function, request_id, &trace, &event);
        let number = ticket.number();
        let invocation = Invocation {
            request_id: request_id.to_owned(),
            event,
            trace,
            queued_at: now,
            waits_until: until,
            ticket,
            reply,
        };
        match self {
            Self::Hosted(functions) => functions[function].submit(invocation),
            Self::HostedTwice(functions) => submit_twice(&functions[function], function, invocation),
            Self::CargoLambda(watch) => watch.submit(function, invocation),
        }
        Pending { invocation: number, answer, until }
    }

    fn activity(&self, function: usize) -> &Arc<Activity> {
        match self {
            Self::Hosted(functions) => functions[function].activity(),
            Self::HostedTwice(functions) => functions[function][0].activity(),
            Self::CargoLambda(watch) => watch.activity(),
        }
    }

    /// How many events of a function no process has taken yet.
    pub(crate) fn waiting(&self, function: usize) -> usize {
        match self {
            Self::Hosted(functions) => functions[function].waiting(),
            Self::HostedTwice(functions) => functions[function].iter().map(|copy| copy.waiting()).sum(),
            Self::CargoLambda(watch) => watch.waiting(function),
        }
    }

    /// The processes of each function, for the console.
    pub(crate) fn processes(&self, function: usize) -> Vec<ProcessState> {
        match self {
            Self::Hosted(functions) => functions[function].processes(),
            Self::HostedTwice(functions) => {
                functions[function].iter().flat_map(|copy| copy.processes()).collect()
            }
            Self::CargoLambda(_) => Vec::new(),
        }
    }
}

/// Hands an event to both sets of a function's processes; the first answer counts, the other is dropped.
fn submit_twice(copies: &[Arc<Function>; 2], function: usize, invocation: Invocation) {
    let Invocation { request_id, event, trace, queued_at, waits_until, ticket, reply } = invocation;
    let second = copies[1].activity().begin(function, &request_id, &trace, &event);
    let deliver = |copy: &Arc<Function>, ticket: Ticket| {
        let (reply, answer) = oneshot::channel();
        copy.submit(Invocation {
            request_id: request_id.clone(),
            event: event.clone(),
            trace: trace.clone(),
            queued_at,
            waits_until,
            ticket,
            reply,
        });
        answer
    };
    let answers = [deliver(&copies[0], ticket), deliver(&copies[1], second)];
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
