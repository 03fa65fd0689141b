//! The table of what is counted: names, labels, help and kinds, as Prometheus has them.

/// How a family of series is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It only rises.
    Counter,
    /// How it is now.
    Gauge,
    /// How many took at most so long.
    Histogram,
}

/// Series of one name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) labels: &'static [&'static str],
    pub(super) help: &'static str,
}

/// The upper bounds of all histograms' buckets, in seconds; the last bucket has none.
pub(super) const BOUNDS: [f64; 13] =
    [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, kind: Kind::Counter, labels, help }
}

const fn gauge(name: &'static str, help: &'static str) -> Family {
    Family { name, kind: Kind::Gauge, labels: &[], help }
}

const fn histogram(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, kind: Kind::Histogram, labels, help }
}

pub(super) static REQUESTS: Family = counter(
    "chat_http_requests_total",
    &["method", "route", "status"],
    "HTTP requests that a function answered; a path of no route is unmatched.",
);
pub(super) static REQUEST_DURATION: Family = histogram(
    "chat_http_request_duration_seconds",
    &["method", "route"],
    "How long a function took to answer an HTTP request.",
);
pub(super) static COMMANDS: Family = counter(
    "chat_commands_total",
    &["command", "code"],
    "WebSocket commands, by OK or the code of the error that answered them.",
);
pub(super) static COMMAND_DURATION: Family = histogram(
    "chat_command_duration_seconds",
    &["command"],
    "How long a function took to answer a WebSocket command.",
);
pub(super) static SENT: Family =
    counter("chat_messages_sent_total", &["via"], "Messages committed, each once however often it was sent.");
pub(super) static REPEATED: Family =
    counter("chat_messages_repeated_total", &["via"], "Sends of a message that was committed already.");
pub(super) static REFUSED: Family =
    counter("chat_messages_refused_total", &["reason"], "Sends that were refused, by the error's code; of unavailable it is open whether it made a message.");
pub(super) static PUSHED: Family = counter(
    "chat_messages_pushed_total",
    &[],
    "Messages that the platform took for a connection, counted for each connection.",
);
pub(super) static POSTS: Family =
    counter("chat_posts_total", &["outcome"], "Frames posted to connections: taken, gone or failed.");
pub(super) static GONE: Family = counter(
    "chat_connections_gone_total",
    &[],
    "Connections forgotten because a push found them gone or they took nothing for long.",
);
pub(super) static OPENED: Family = counter("chat_connections_opened_total", &[], "Handshakes let in.");
pub(super) static TURNED_AWAY: Family =
    counter("chat_connections_refused_total", &["code"], "Handshakes refused, by the error's code.");
pub(super) static THROTTLED: Family =
    counter("chat_throttled_total", &["policy"], "Requests, commands and sends that a throttle refused.");
pub(super) static JOBS: Family =
    counter("chat_jobs_total", &["function", "outcome"], "Jobs and scheduled runs: done or failed.");
pub(super) static MAILS: Family =
    counter("chat_mails_total", &["outcome"], "Mails handed to SES: sent or failed.");
pub(super) static COLD_STARTS: Family =
    counter("chat_cold_starts_total", &["function"], "Instances of a function that have started.");
pub(super) static LIVE: Family = gauge("chat_connections", "Open connections, as Redis knows them.");
pub(super) static FOLD_LAG: Family = gauge(
    "chat_fold_lag_entries",
    "Committed log entries that Redis lacked when maintenance last compared, before it brought them in.",
);
pub(super) static MAINTAINED: Family = gauge(
    "chat_maintenance_last_run_timestamp_seconds",
    "When maintenance last compared Redis with Postgres.",
);

/// All there are, in the order in which they are shown.
pub(super) static ALL: [&Family; 19] = [
    &REQUESTS,
    &REQUEST_DURATION,
    &COMMANDS,
    &COMMAND_DURATION,
    &SENT,
    &REPEATED,
    &REFUSED,
    &PUSHED,
    &POSTS,
    &GONE,
    &OPENED,
    &TURNED_AWAY,
    &THROTTLED,
    &JOBS,
    &MAILS,
    &COLD_STARTS,
    &LIVE,
    &FOLD_LAG,
    &MAINTAINED,
];
