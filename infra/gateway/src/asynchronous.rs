//! Asynchronous invocations: a queue in memory, and the attempts at each of its events (Lambda Developer
//! Guide, "How Lambda handles errors and retries with asynchronous invocation").
//!
//! Every event is a task. It ends when the function has answered without an error, or when the event is
//! discarded: after its last attempt, or at its greatest age. The queue ends with the gateway.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use time::OffsetDateTime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::task::TaskTracker;

use crate::gateway::Gateway;
use crate::ids;
use crate::journal::{Discarded, Record};
use crate::template::AsynchronousConfig;

/// The largest event (Lambda Developer Guide, "Lambda quotas").
pub(crate) const EVENT_LIMIT: usize = 1024 * 1024;

/// The bytes that all queued events may have together, each with what it costs to keep one.
const QUEUE_BYTES: usize = 128 * 1024 * 1024;
const EVENT_OVERHEAD: usize = 2 * 1024;

/// The events that wait for their function, run or wait to be tried again.
#[derive(Debug)]
pub(crate) struct Queue {
    /// How each function's events are tried, in the order of the template.
    configs: Vec<AsynchronousConfig>,
    /// The waits before the second and the third attempt.
    retry_waits: [Duration; 2],
    room: Arc<Semaphore>,
    events: TaskTracker,
}

impl Queue {
    /// An empty queue.
    pub(crate) fn new(configs: Vec<AsynchronousConfig>, retry_waits: [Duration; 2]) -> Self {
        Self { configs, retry_waits, room: Arc::new(Semaphore::new(QUEUE_BYTES)), events: TaskTracker::new() }
    }

    /// How many events have neither succeeded nor been discarded, or are still to be delivered once more.
    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }
}

/// Queues an event for a function and answers with Lambda's request id; none if the queue is full. The route
/// is what the journal calls the event's source.
pub(crate) fn enqueue(
    gateway: &Arc<Gateway>,
    function: usize,
    payload: Bytes,
    route: String,
) -> Option<String> {
    let queue = &gateway.queue;
    let size = u32::try_from(payload.len() + EVENT_OVERHEAD).ok()?;
    let room = Arc::clone(&queue.room).try_acquire_many_owned(size).ok()?;
    let request_id = ids::lambda_request_id();
    let event = Event { request_id: request_id.clone(), function, payload, route, _room: room };
    let (gateway, repeated) = (Arc::clone(gateway), gateway.strict.repeats_after());
    // One task for both deliveries, because each event counts once.
    Arc::clone(&gateway).queue.events.spawn(async move {
        match repeated {
            None => event.run(&gateway).await,
            Some(wait) => _ = tokio::join!(event.run(&gateway), event.repeat(&gateway, wait)),
        }
    });
    Some(request_id)
}

#[derive(Debug)]
struct Event {
    request_id: String,
    function: usize,
    payload: Bytes,
    route: String,
    _room: OwnedSemaphorePermit,
}

impl Event {
    /// Delivers the event once more than needed, whatever comes of it.
    async fn repeat(&self, gateway: &Gateway, wait: Duration) {
        let expires_at = Instant::now() + gateway.queue.configs[self.function].longest_age;
        sleep(wait).await;
        let trace_root = ids::trace_root(OffsetDateTime::now_utc().unix_timestamp());
        self.attempt(gateway, &trace_root, expires_at).await;
    }

    async fn run(&self, gateway: &Gateway) {
        let config = &gateway.queue.configs[self.function];
        let expires_at = Instant::now() + config.longest_age;
        let trace_root = ids::trace_root(OffsetDateTime::now_utc().unix_timestamp());
        let mut attempts = 0;
        let condition = loop {
            match self.attempt(gateway, &trace_root, expires_at).await {
                None => break "EventAgeExceeded",
                Some(Ok(())) => return,
                Some(Err(())) => attempts += 1,
            }
            let Some(wait) = gateway.queue.retry_waits.get(attempts - 1) else { break "RetriesExhausted" };
            if attempts > config.retries {
                break "RetriesExhausted";
            }
            sleep_until((Instant::now() + *wait).min(expires_at)).await;
        };
        let mut report = gateway.journal.report(self.record(gateway));
        report.record().request_id = Some(self.request_id.clone());
        report.record().discarded =
            Some(Discarded { condition, attempts, destination: config.on_failure.clone() });
    }

    /// Whether the function succeeded; none if nothing took the event before it was too old.
    async fn attempt(
        &self,
        gateway: &Gateway,
        trace_root: &str,
        expires_at: Instant,
    ) -> Option<Result<(), ()>> {
        let patience = expires_at.saturating_duration_since(Instant::now());
        if patience.is_zero() {
            return None;
        }
        let pending = gateway.functions.submit_as(
            &self.request_id,
            self.function,
            self.payload.clone(),
            trace_root,
            patience,
        );
        let mut record = self.record(gateway);
        record.invocation = Some(pending.invocation);
        let answer = pending.outcome().await?;
        let mut report = gateway.journal.report(record);
        report.executed(answer.execution);
        Some(answer.result.map(drop).map_err(|error| {
            report.record().error = Some(String::from_utf8_lossy(&error).into_owned());
        }))
    }

    fn record(&self, gateway: &Gateway) -> Record {
        Record {
            function: gateway.name(self.function).to_owned(),
            route: self.route.clone(),
            ..Record::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::functions::Functions;
    use crate::gateway::Names;
    use crate::hosted::{Function, Launch};
    use crate::journal::Journal;

    #[tokio::test]
    async fn an_event_is_discarded_at_its_greatest_age_though_it_has_a_retry_left() {
        let logs = std::env::temp_dir().join(ids::lambda_request_id());
        let (journal, writer) = Journal::open(Some(&logs), true).unwrap();
        let launch = Launch {
            name: "Test".into(),
            executable: "/bin/false".into(),
            arn: "arn".to_owned(),
            timeout: Duration::from_secs(1),
            environment: BTreeMap::new(),
            concurrency: 1,
            strict: Arc::default(),
        };
        let function = Function::new(launch, journal.clone(), CancellationToken::new(), TaskTracker::new());
        let config =
            AsynchronousConfig { retries: 2, longest_age: Duration::from_millis(200), on_failure: None };
        let gateway = Arc::new(Gateway {
            names: vec![Names { logical: "Test".to_owned(), binary: "test".to_owned(), alias: None }],
            functions: Functions::Hosted(vec![function]),
            queue: Queue::new(vec![config], [Duration::from_mins(1); 2]),
            ..Gateway::bare(journal)
        });

        let request_id = enqueue(&gateway, 0, Bytes::from_static(b"{}"), "Test".to_owned()).unwrap();
        gateway.queue.events.close();
        tokio::time::timeout(Duration::from_secs(10), gateway.queue.events.wait()).await.unwrap();

        writer.close();
        let log = std::fs::read_to_string(logs.join("gateway.jsonl")).unwrap();
        std::fs::remove_dir_all(logs).unwrap();
        let discarded = log.lines().last().unwrap();
        assert!(discarded.contains(r#""condition":"EventAgeExceeded","attempts":1"#), "{discarded}");
        assert!(discarded.contains(&request_id), "{discarded}");
    }
}
