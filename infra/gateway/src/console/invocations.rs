//! The list of invocations and each of them, as JSON.

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;

use super::activity::Answer;
use super::entry::{Entry, Outcome, Payload};
use super::{number, parameter};
use crate::gateway::Gateway;
use crate::journal::{Discarded, milliseconds};
use crate::responses::{json, message, timestamp};

/// How many are listed unless more are asked for.
const LISTED: usize = 100;

/// One row.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    number: u64,
    at: String,
    function: &'a str,
    state: &'static str,
    route: Option<&'a str>,
    request: Option<&'a str>,
    status: Option<u16>,
    cold_start: bool,
    duration: Option<f64>,
    init_duration: Option<f64>,
    queued: Option<f64>,
    billed_duration: Option<u64>,
    memory_size: Option<u32>,
    /// The process's greatest so far, in MB.
    memory_used: Option<u64>,
    error: Option<String>,
    request_id: &'a str,
    api_request_id: Option<&'a str>,
    connection_id: Option<&'a str>,
    discarded: Option<&'a Discarded>,
}

impl<'a> Row<'a> {
    fn of(gateway: &'a Gateway, entry: &'a Entry) -> Self {
        let record = entry.record.as_deref();
        let outcome = entry.outcome.as_ref();
        let error = outcome.and_then(|outcome| outcome.result.as_ref().err());
        let filled = |text: &'a String| (!text.is_empty()).then_some(text.as_str());
        Self {
            number: entry.number,
            at: timestamp(entry.at),
            function: name(gateway, entry),
            state: match (outcome, entry.function) {
                (Some(outcome), _) if outcome.result.is_err() => "failed",
                (Some(_), _) => "answered",
                (None, None) => "noted",
                (None, Some(_)) if entry.given_up => "given up",
                (None, Some(_)) => "running",
            },
            route: record.and_then(|record| filled(&record.route)),
            request: record.and_then(|record| record.request.as_deref()),
            status: record.and_then(|record| record.status),
            cold_start: outcome.is_some_and(|outcome| outcome.init.is_some()),
            duration: outcome.map(|outcome| milliseconds(outcome.duration)),
            init_duration: outcome.and_then(|outcome| outcome.init).map(milliseconds),
            queued: outcome.map(|outcome| milliseconds(outcome.queued)),
            billed_duration: outcome.map(Outcome::billed),
            memory_size: entry
                .function
                .and_then(|function| Some(gateway.setup.functions.get(function)?.memory_size)),
            memory_used: entry.memory.map(megabytes),
            error: record.and_then(|record| record.error.clone()).or_else(|| error.map(text)),
            request_id: &entry.request_id,
            api_request_id: record.and_then(|record| filled(&record.api_request_id)),
            connection_id: record.and_then(|record| record.connection_id.as_deref()),
            discarded: record.and_then(|record| record.discarded.as_ref()),
        }
    }
}

/// Bytes as MB, as Lambda reports memory.
pub(super) fn megabytes(bytes: u64) -> u64 {
    bytes.div_ceil(1024 * 1024)
}

fn name<'a>(gateway: &'a Gateway, entry: &'a Entry) -> &'a str {
    match (entry.function, &entry.record) {
        (Some(function), _) => gateway.name(function),
        (None, Some(record)) => &record.function,
        (None, None) => "",
    }
}

fn text(payload: &Payload) -> String {
    String::from_utf8_lossy(&payload.kept).into_owned()
}

/// The newest first; `?function=` and `?errors=true` choose, `?limit=` says how many. `?after=` asks for what changed
/// since an answer's `cursor`, the oldest change first; while there is `more`, the new cursor asks for the rest.
pub(super) fn list(gateway: &Gateway, query: &str) -> Response<Full<Bytes>> {
    let (after, limit) = match (number(query, "after"), number(query, "limit")) {
        (Ok(after), Ok(limit)) => (after, limit.unwrap_or(LISTED)),
        (Err(problem), _) | (_, Err(problem)) => return message(StatusCode::BAD_REQUEST, &problem),
    };
    let function = parameter(query, "function").filter(|name| !name.is_empty());
    let errors_only = parameter(query, "errors").is_some_and(|errors| errors == "true");
    let wanted = |entry: &Entry| {
        function.as_ref().is_none_or(|wanted| name(gateway, entry) == wanted)
            && (!errors_only || has_failed(entry))
    };
    let activity = gateway.journal.activity();
    let Answer { cursor, more, entries } = match after {
        None => activity.newest(limit, wanted),
        Some(after) => activity.changed(after, limit, wanted),
    };
    let rows: Vec<_> = entries.iter().map(|entry| Row::of(gateway, entry)).collect();
    json(&serde_json::json!({
        "startedAt": timestamp(activity.started_at()),
        "cursor": cursor,
        "more": more,
        "invocations": rows,
    }))
}

fn has_failed(entry: &Entry) -> bool {
    let failed = entry.outcome.as_ref().is_some_and(|outcome| outcome.result.is_err());
    let told = entry.record.as_ref().is_some_and(|record| {
        record.error.is_some()
            || record.discarded.is_some()
            || record.status.is_some_and(|status| status >= 500)
    });
    failed || told || entry.given_up
}

/// Everything that is known of one.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Detail<'a> {
    #[serde(flatten)]
    row: Row<'a>,
    trace_id: &'a str,
    process: Option<u32>,
    event: String,
    event_size: usize,
    response: Option<String>,
    response_size: Option<usize>,
    logs: Vec<String>,
    logs_cut: bool,
    /// The numbers of all invocations with this request id, the newest first.
    attempts: Vec<u64>,
}

/// One invocation by its number, or the newest with a request id.
pub(super) fn show(gateway: &Gateway, id: &str) -> Response<Full<Bytes>> {
    let activity = gateway.journal.activity();
    let named = |entry: &Entry| entry.request_id == id && entry.function.is_some();
    let number = id.parse().ok().or_else(|| Some(activity.newest(1, named).entries.first()?.number));
    let Some((entry, printed)) = number.and_then(|number| activity.find(number)) else {
        return message(StatusCode::NOT_FOUND, "No such invocation is kept");
    };
    let same = |other: &Entry| !entry.request_id.is_empty() && other.request_id == entry.request_id;
    let attempts = activity.newest(LISTED, same).entries;
    let payload = entry.outcome.as_ref().map(|outcome| match &outcome.result {
        Ok(payload) | Err(payload) => payload,
    });
    json(&Detail {
        row: Row::of(gateway, &entry),
        trace_id: &entry.trace,
        process: entry.outcome.as_ref().and_then(|outcome| outcome.process),
        event: text(&entry.event),
        event_size: entry.event.size,
        response: payload.map(text),
        response_size: payload.map(|payload| payload.size),
        logs: printed.lines.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect(),
        logs_cut: printed.cut,
        attempts: attempts.iter().map(|attempt| attempt.number).collect(),
    })
}
