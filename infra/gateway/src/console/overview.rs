//! What is served and how it fares, as JSON.

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use serde::Serialize;

use super::cost::{Estimate, FunctionUse, Use, estimate};
use super::invocations::megabytes;
use crate::functions::Load;
use crate::gateway::{Gateway, Names};
use crate::hosted::ProcessState;
use crate::responses::{json, timestamp};
use crate::template::Architecture;

/// How the gateway was started, as far as the console tells it.
#[derive(Debug, Default)]
pub(crate) struct Setup {
    /// The functions, in the order of the template.
    pub(crate) functions: Vec<FunctionFacts>,
    /// The most processes of one function.
    pub(crate) concurrency: usize,
    /// Whether `cargo lambda watch` runs the functions.
    pub(crate) cargo_lambda: bool,
    /// Faults that are switched on, as their options name them.
    pub(crate) faults: Vec<String>,
}

/// What the template says of a function.
#[derive(Debug)]
pub(crate) struct FunctionFacts {
    /// In MB.
    pub(crate) memory_size: u32,
    /// The processor.
    pub(crate) architecture: Architecture,
    /// In seconds.
    pub(crate) timeout: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FunctionState<'a> {
    name: &'a str,
    binary: &'a str,
    processes: Vec<ProcessState>,
    #[serde(flatten)]
    load: Load,
    memory_size: Option<u32>,
    architecture: Option<&'static str>,
    timeout: Option<u64>,
    invocations: u64,
    errors: u64,
    cold_starts: u64,
    billed_duration: u64,
    p50: Option<f64>,
    p99: Option<f64>,
    /// The greatest of any process seen, in MB.
    memory_used: Option<u64>,
}

fn states(gateway: &Gateway) -> Vec<FunctionState<'_>> {
    let mut tallies = gateway.journal.activity().tallies();
    tallies.resize_with(gateway.names.len(), Default::default);
    let each = gateway.names.iter().zip(tallies).enumerate();
    each.map(|(function, (Names { logical: name, binary, .. }, tally))| {
        let facts = gateway.setup.functions.get(function);
        FunctionState {
            name,
            binary,
            processes: gateway.functions.processes(function),
            load: gateway.functions.load(function),
            memory_size: facts.map(|facts| facts.memory_size),
            architecture: facts.map(|facts| match facts.architecture {
                Architecture::Arm => "arm64",
                Architecture::X86 => "x86_64",
            }),
            timeout: facts.map(|facts| facts.timeout),
            invocations: tally.invocations,
            errors: tally.errors,
            cold_starts: tally.cold_starts,
            billed_duration: tally.billed,
            p50: tally.percentile(50),
            p99: tally.percentile(99),
            memory_used: tally.memory.map(megabytes),
        }
    })
    .collect()
}

/// The functions with their processes.
pub(super) fn functions(gateway: &Gateway) -> Response<Full<Bytes>> {
    json(&serde_json::json!({ "startedAt": started_at(gateway), "functions": states(gateway) }))
}

/// Everything at a glance.
pub(super) fn show(gateway: &Gateway) -> Response<Full<Bytes>> {
    let port = gateway.port;
    let websocket_url =
        gateway.websocket_api.as_ref().map(|api| format!("ws://127.0.0.1:{port}/{}", api.stage));
    let cost = cost(gateway);
    json(&serde_json::json!({
        "url": format!("http://127.0.0.1:{port}"),
        "websocketUrl": websocket_url,
        "connections": gateway.connections.count(),
        "asynchronousEvents": gateway.queue.len(),
        "mails": gateway.inbox.count(),
        "startedAt": started_at(gateway),
        "uptimeSeconds": gateway.journal.activity().uptime().as_secs(),
        "concurrency": gateway.setup.concurrency,
        "cargoLambda": gateway.setup.cargo_lambda,
        "faults": gateway.setup.faults,
        "cost": { "total": cost.total, "perMonth": cost.per_month },
        "functions": states(gateway),
    }))
}

/// Tells one run of the gateway from another, to a page that is still open.
fn started_at(gateway: &Gateway) -> String {
    timestamp(gateway.journal.activity().started_at())
}

/// The estimate of the cost.
pub(super) fn show_cost(gateway: &Gateway) -> Response<Full<Bytes>> {
    json(&CostAnswer { started_at: started_at(gateway), estimate: cost(gateway) })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CostAnswer<'a> {
    started_at: String,
    #[serde(flatten)]
    estimate: Estimate<'a>,
}

/// What everything so far would have cost.
fn cost(gateway: &Gateway) -> Estimate<'_> {
    let activity = gateway.journal.activity();
    let (tallies, facts) = (activity.tallies(), &gateway.setup.functions);
    let functions =
        gateway.names.iter().zip(facts).zip(&tallies).map(|((names, facts), tally)| FunctionUse {
            name: &names.logical,
            architecture: facts.architecture,
            memory_size: facts.memory_size,
            invocations: tally.invocations,
            billed_milliseconds: tally.billed,
        });
    estimate(&Use {
        uptime: activity.uptime(),
        functions: functions.collect(),
        http_requests: activity.http_requests(),
        messages: gateway.connections.messages(),
        connection_minutes: gateway.connections.time().as_secs_f64() / 60.0,
        mails: gateway.inbox.recipients(),
    })
}
