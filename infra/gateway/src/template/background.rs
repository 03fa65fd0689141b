//! What runs without a client that waits: the schedules of a function, and how its asynchronous invocations
//! are tried (SAM Developer Guide, "Schedule", "`ScheduleV2`" and
//! "`EventInvokeConfiguration`").

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_yaml_ng::Value;

use super::loader::{Loader, check_keys};
use super::{AsynchronousConfig, Schedule, ScheduledInput};

const MOST_RETRIES: usize = 2;
const LONGEST_AGE: u64 = 6 * 60 * 60;

/// Longer than anyone waits, in seconds: a hundred years, which a clock can still count.
const LONGEST_RATE: u64 = 100 * 365 * 24 * 60 * 60;

impl Loader<'_> {
    /// The `EventInvokeConfig` of a function's properties, or what Lambda does without one.
    pub(super) fn asynchronous_config(&self, properties: &Value) -> Result<AsynchronousConfig> {
        const WHAT: &str = "EventInvokeConfig";
        let config = properties.get(WHAT).cloned().unwrap_or_default();
        check_keys(
            &config,
            WHAT,
            &["MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig"],
            &[],
        )?;
        let retries = self
            .number(&config, "MaximumRetryAttempts")?
            .map_or(Ok(MOST_RETRIES), usize::try_from)
            .ok()
            .filter(|retries| *retries <= MOST_RETRIES)
            .context("MaximumRetryAttempts must be 0 to 2")?;
        let age = self.number(&config, "MaximumEventAgeInSeconds")?.unwrap_or(LONGEST_AGE);
        ensure!((60..=LONGEST_AGE).contains(&age), "MaximumEventAgeInSeconds must be 60 to 21600");
        let destinations = config.get("DestinationConfig").cloned().unwrap_or_default();
        check_keys(&destinations, "DestinationConfig", &["OnFailure"], &[])?;
        let on_failure = match destinations.get("OnFailure") {
            None => None,
            Some(destination) => {
                check_keys(destination, "OnFailure", &["Destination", "Type"], &[])?;
                match self.property(destination, "Destination")? {
                    Some(arn) => Some(arn),
                    // SAM then makes a queue or a topic.
                    None => self.property(destination, "Type")?,
                }
            }
        };
        Ok(AsynchronousConfig { retries, longest_age: Duration::from_secs(age), on_failure })
    }

    /// The schedule of an event of type `Schedule` or `ScheduleV2`; none if it is disabled.
    pub(super) fn schedule(&self, function: &str, name: &str, event: &Value) -> Result<Option<Schedule>> {
        let is_rule = event.get("Type").and_then(Value::as_str) == Some("Schedule");
        let properties = event.get("Properties").cloned().unwrap_or_default();
        let without_local_meaning =
            ["Description", "RetryPolicy", "DeadLetterConfig", "RoleArn", "PermissionsBoundary"];
        let expression = if is_rule {
            check_keys(
                &properties,
                "the event's Properties",
                &["Schedule", "Input", "Enabled", "State", "Name"],
                &without_local_meaning[..3],
            )?;
            "Schedule"
        } else {
            check_keys(
                &properties,
                "the event's Properties",
                &["ScheduleExpression", "Input", "State", "Name", "FlexibleTimeWindow"],
                // A rate has no time zone.
                &[&without_local_meaning[..], &["ScheduleExpressionTimezone", "OmitName", "KmsKeyArn"]]
                    .concat(),
            )?;
            if let Some(window) = properties.get("FlexibleTimeWindow") {
                let mode = self.property(window, "Mode")?;
                ensure!(
                    mode.as_deref() == Some("OFF"),
                    "FlexibleTimeWindow is not emulated, except Mode OFF"
                );
            }
            "ScheduleExpression"
        };
        let text =
            self.property(&properties, expression)?.with_context(|| format!("{expression} is required"))?;
        let every = rate(&text).with_context(|| expression.to_owned())?;
        let input = match self.property(&properties, "Input")? {
            Some(input) => ScheduledInput::Given(self::input(input, is_rule)?),
            None if is_rule => ScheduledInput::Rule,
            None => ScheduledInput::Scheduler,
        };
        let enabled = self.property(&properties, "Enabled")?;
        let state = self.property(&properties, "State")?;
        let runs = match (enabled.as_deref(), state.as_deref()) {
            (Some(_), Some(_)) => bail!("Enabled and State exclude each other"),
            (None | Some("true"), None) | (None, Some("ENABLED")) => true,
            (Some("false"), None) | (None, Some("DISABLED")) => false,
            (Some(other), None) => bail!("Enabled must be true or false, not {other}"),
            (None, Some(other)) => bail!("State must be ENABLED or DISABLED, not {other}"),
        };
        let schedule = Schedule {
            event: name.to_owned(),
            name: self.property(&properties, "Name")?.unwrap_or_else(|| format!("{function}{name}")),
            every,
            input,
        };
        Ok(runs.then_some(schedule))
    }
}

/// The input as it is sent; the Scheduler would replace words of its own in it.
fn input(text: String, is_rule: bool) -> Result<Bytes> {
    ensure!(serde_json::from_str::<IgnoredAny>(&text).is_ok(), "Input is not JSON");
    ensure!(
        is_rule || !text.contains("<aws.scheduler."),
        "Input: the keywords <aws.scheduler…> are not emulated"
    );
    Ok(text.into())
}

/// The interval of a rate expression, written as `EventBridge` wants it.
fn rate(expression: &str) -> Result<Duration> {
    for other in ["cron(", "at("] {
        ensure!(!expression.starts_with(other), "{other}…) is not emulated, only rate(…): {expression}");
    }
    let rate = expression.strip_prefix("rate(").and_then(|rest| rest.strip_suffix(')'));
    let parts = rate.and_then(|rate| rate.split_once(' ')).and_then(|(value, unit)| {
        let value: u64 = value.parse().ok().filter(|value| *value > 0)?;
        let singular = if value == 1 { unit } else { unit.strip_suffix('s')? };
        let minutes = match singular {
            "minute" => 1,
            "hour" => 60,
            "day" => 24 * 60,
            _ => return None,
        };
        value.checked_mul(minutes * 60).filter(|seconds| *seconds <= LONGEST_RATE)
    });
    parts.map(Duration::from_secs).with_context(|| {
        format!("{expression} is no rate like rate(1 minute), rate(5 minutes), rate(1 hour) or rate(2 days)")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_of_minutes_hours_or_days() {
        let seconds = |expression| rate(expression).unwrap().as_secs();

        assert_eq!(seconds("rate(1 minute)"), 60);
        assert_eq!(seconds("rate(5 minutes)"), 300);
        assert_eq!(seconds("rate(1 hour)"), 3600);
        assert_eq!(seconds("rate(2 days)"), 172_800);
    }

    #[test]
    fn what_eventbridge_refuses_or_the_gateway_cannot_do_is_no_rate() {
        for expression in [
            "rate(1 minutes)",
            "rate(5 minute)",
            "rate(0 minutes)",
            "rate(-1 minutes)",
            "rate(30 seconds)",
            "rate(5)",
            "5 minutes",
            "",
            "rate(18446744073709551615 days)",
        ] {
            assert!(rate(expression).is_err(), "{expression}");
        }
        assert!(rate("cron(0 8 * * ? *)").unwrap_err().to_string().contains("cron(…) is not emulated"));
        assert!(rate("at(2027-01-01T00:00:00)").unwrap_err().to_string().contains("at(…) is not emulated"));
    }
}
