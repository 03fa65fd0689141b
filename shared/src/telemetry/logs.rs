//! Logs: one JSON object per line on standard output.
//!
//! A line that tells of a whole invocation holds figures, which CloudWatch counts where a namespace is configured
//! (CloudWatch User Guide, "Embedded metric format specification").

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::invocation::{self, Served};
use crate::config::Logging;

/// Figures that CloudWatch counts by function, and their units.
const FIGURES: [(&str, &str); 5] = [
    ("latency_ms", "Milliseconds"),
    ("invocations", "Count"),
    ("errors", "Count"),
    ("cold_starts", "Count"),
    ("fold_lag", "Count"),
];

pub(super) fn init(logging: Logging) {
    // The runtime's own traces hold whole events, with tokens and texts.
    let libraries =
        "lambda_runtime=info,lambda_http=info,hyper=warn,aws=warn,tokio_postgres=warn,rustls=warn";
    let filter = EnvFilter::new(format!("{},{libraries}", logging.level));
    let lines = Lines { function: logging.function, namespace: logging.metrics_namespace };
    tracing_subscriber::fmt().event_format(lines).with_env_filter(filter).init();
}

/// The line of an invocation that is over. What it does not have is left out.
pub(super) fn tell(served: Served<'_>, latency: Duration, failed: bool, cold_start: bool) {
    let (mut method, mut route, mut status, mut command, mut code) = (None, None, None, None, None);
    let message = match served {
        Served::Request { method: by, route: to, status: with } => {
            (method, route, status) = (Some(by), Some(to), Some(with));
            "request"
        }
        Served::Handshake { status: with } => {
            status = Some(with);
            "connect"
        }
        Served::Frame { command: named, code: with } => {
            (command, code) = (Some(named), Some(with));
            "command"
        }
        Served::Disconnect => "disconnect",
        Served::Job => "job",
    };
    // To the microsecond.
    let latency_ms = f64::from(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX)) / 1000.0;
    tracing::info!(method, route, command, code, status, latency_ms, failed, cold_start, "{message}");
}

/// Events as lines.
struct Lines {
    function: String,
    namespace: Option<String>,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let line = self.line(event.metadata(), fields, OffsetDateTime::now_utc());
        writeln!(writer, "{}", serde_json::to_string(&line).map_err(|_| fmt::Error)?)
    }
}

impl Lines {
    fn line(&self, metadata: &Metadata<'_>, fields: Fields, at: OffsetDateTime) -> Line {
        let Fields { message, mut named } = fields;
        self.add_figures(&mut named, at);
        let mut line = vec![
            ("timestamp", at.format(&Rfc3339).unwrap_or_default().into()),
            ("level", metadata.level().as_str().into()),
            ("message", message.into()),
            ("function", self.function.as_str().into()),
        ];
        if !metadata.target().starts_with("shared") {
            line.push(("target", metadata.target().into()));
        }
        let context = invocation::facts().into_iter();
        let context = context.filter(|(name, _)| !named.iter().any(|(own, _)| own == name));
        line.extend(context.map(|(name, fact)| (name, fact.into())));
        line.extend(named);
        Line(line)
    }

    /// What is counted, and for CloudWatch where to find it.
    fn add_figures(&self, named: &mut Vec<(&'static str, Value)>, at: OffsetDateTime) {
        let Some(namespace) = &self.namespace else { return };
        let is = |flag: &str| named.iter().any(|(name, value)| *name == flag && *value == Value::Bool(true));
        if named.iter().any(|(name, _)| *name == "latency_ms") {
            let counts = [("invocations", true), ("errors", is("failed")), ("cold_starts", is("cold_start"))];
            named.extend(counts.map(|(name, count)| (name, u8::from(count).into())));
        }
        let counted = FIGURES.iter().filter(|(name, _)| named.iter().any(|(known, _)| known == name));
        let metrics: Vec<_> = counted.map(|(name, unit)| json!({ "Name": name, "Unit": unit })).collect();
        if !metrics.is_empty() {
            let millis = at.unix_timestamp_nanos() / 1_000_000;
            let directive =
                json!({ "Namespace": namespace, "Dimensions": [["function"]], "Metrics": metrics });
            let timestamp = i64::try_from(millis).unwrap_or_default();
            named.push(("_aws", json!({ "Timestamp": timestamp, "CloudWatchMetrics": [directive] })));
        }
    }
}

/// A line's fields, in their order.
struct Line(Vec<(&'static str, Value)>);

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// What an event says.
#[derive(Default)]
struct Fields {
    message: String,
    named: Vec<(&'static str, Value)>,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            self.message = text;
        } else {
            self.named.push((field.name(), text.into()));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.named.push((field.name(), value.into()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.named.push((field.name(), value.into()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.named.push((field.name(), value.into()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.named.push((field.name(), value.into()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.named.push((field.name(), value.into()));
    }
}
