//! Schedules: what `EventBridge` sends to functions by the clock.
//!
//! The first event comes one interval after the start, and each goes through the queue of asynchronous
//! invocations, as it does on AWS.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::gateway::Gateway;
use crate::template::{ACCOUNT_ID, Schedule, ScheduledInput};
use crate::{asynchronous, ids};

/// Starts a function's schedule; it ends with the gateway.
pub(crate) fn start(
    gateway: &Arc<Gateway>,
    function: usize,
    schedule: Schedule,
    region: String,
    every: Duration,
) {
    let gateway = Arc::clone(gateway);
    tokio::spawn(async move {
        let mut ticks = interval_at(Instant::now() + every, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = gateway.stop.cancelled() => return,
            }
            let payload = payload(&schedule, &region, OffsetDateTime::now_utc());
            let route = format!("Schedule {}", schedule.event);
            if asynchronous::enqueue(&gateway, function, payload, route).is_none() {
                let name = gateway.name(function);
                gateway.journal.note(format!(
                    "{name}: an event of schedule {} is lost, because the queue is full",
                    schedule.event
                ));
            }
        }
    });
}

/// The schedule's own input, or the event of the service that runs it: `EventBridge` rules and the
/// `EventBridge` Scheduler differ in the source and in the type of the empty detail.
fn payload(schedule: &Schedule, region: &str, now: OffsetDateTime) -> Bytes {
    let (source, resource, detail) = match &schedule.input {
        ScheduledInput::Given(input) => return input.clone(),
        ScheduledInput::Rule => ("aws.events", "rule/", json!({})),
        ScheduledInput::Scheduler => ("aws.scheduler", "schedule/default/", json!("{}")),
    };
    let service = source.trim_start_matches("aws.");
    let time = now.replace_nanosecond(0).unwrap_or(now).format(&Rfc3339).unwrap_or_default();
    let event = json!({
        "version": "0",
        "id": ids::lambda_request_id(),
        "detail-type": "Scheduled Event",
        "source": source,
        "account": ACCOUNT_ID,
        "time": time,
        "region": region,
        "resources": [format!("arn:aws:{service}:{region}:{ACCOUNT_ID}:{resource}{}", schedule.name)],
        "detail": detail,
    });
    event.to_string().into()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn event(input: ScheduledInput) -> Value {
        let schedule = Schedule {
            event: "Sweep".to_owned(),
            name: "ChatSweep".to_owned(),
            every: Duration::from_mins(1),
            input,
        };
        let now = OffsetDateTime::from_unix_timestamp_nanos(1_800_000_000_123_456_789).unwrap();
        serde_json::from_slice(&payload(&schedule, "eu-west-1", now)).unwrap()
    }

    #[test]
    fn a_rule_sends_a_scheduled_event() {
        let event = event(ScheduledInput::Rule);

        assert_eq!(event["source"], "aws.events");
        assert_eq!(event["time"], "2027-01-15T08:00:00Z");
        assert_eq!(event["resources"], json!(["arn:aws:events:eu-west-1:123456789012:rule/ChatSweep"]));
        assert_eq!(event["detail-type"], "Scheduled Event");
        assert_eq!(event["detail"], json!({}));
    }

    #[test]
    fn the_scheduler_sends_its_empty_detail_as_text() {
        let event = event(ScheduledInput::Scheduler);

        assert_eq!(event["source"], "aws.scheduler");
        assert_eq!(
            event["resources"],
            json!(["arn:aws:scheduler:eu-west-1:123456789012:schedule/default/ChatSweep"])
        );
        assert_eq!(event["detail"], "{}");
    }

    #[test]
    fn a_given_input_replaces_the_event() {
        assert_eq!(event(ScheduledInput::Given(r#"{"limit":5}"#.into())), json!({"limit": 5}));
    }
}
