//! The gateway alone, with a function that does nothing: every millisecond is the gateway's, the runtime's or the
//! generator's.

mod idle;
mod queued;
mod served;
mod websocket;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use http_body_util::Full;
use hyper::Request;

pub(crate) use served::Served;

use crate::{heading, http, line, load::Times, processes::Usage, rate, spread};

/// How many are under way in the load whose shares are shown, and which has an aim.
const TYPICAL: usize = 16;

/// How long the processes are warmed up.
const WARM_UP: Duration = Duration::from_millis(500);

/// Measures and prints.
pub(crate) async fn measure(
    lasting: Duration,
    concurrency: u16,
    in_flight: &[usize],
    connections: usize,
    invocations: usize,
) -> Result<()> {
    let served = Served::start(concurrency)?;
    heading(
        "The gateway alone, a function that does nothing, each request in flight on a connection of its own",
    );
    over_http(&served, TYPICAL, WARM_UP).await?;
    for &in_flight in in_flight {
        let times = over_http(&served, in_flight, lasting).await?;
        line(&format!("HTTP, {in_flight} in flight"), &report(&times, ""));
    }
    let mut shares = String::new();
    for &in_flight in in_flight {
        let sockets = websocket::open_all(&served.websocket_url, in_flight).await?;
        let usage = Usage::start(&served.names().await?);
        let times = websocket::repeat(sockets, lasting).await?;
        let typical = in_flight == TYPICAL;
        if typical {
            shares = cpu_times(usage.shares(served.names().await?), &times);
        }
        let aim = if typical { " (aim 5000/s)" } else { "" };
        line(&format!("WebSocket, two-way route, {in_flight} in flight"), &report(&times, aim));
    }
    if !shares.is_empty() {
        line(&format!("  CPU time of each message, {TYPICAL} in flight"), &shares);
    }
    drop(served);
    idle::measure(concurrency, connections).await?;
    queued::measure(concurrency, invocations).await
}

/// A result as a line of the report.
pub(crate) fn report(times: &Times, aim: &str) -> String {
    let (latencies, took) = times;
    format!("{:>8}{aim}, {}", rate(latencies.len(), *took), spread(latencies))
}

/// What share of a core each of those that take part used, told as time per message.
fn cpu_times(shares: Vec<(String, f64)>, (latencies, took): &Times) -> String {
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
    let each = took.as_secs_f64() * 1e6 / latencies.len() as f64;
    let times = shares.into_iter().map(|(who, share)| format!("{who} {:.0} µs", share / 100.0 * each));
    times.collect::<Vec<_>>().join(", ")
}

async fn over_http(served: &Served, connections: usize, lasting: Duration) -> Result<Times> {
    let authority = http::authority(&served.url)?;
    let request = Request::get("/empty").header("host", authority).body(Full::default())?;
    http::repeat(authority, &request, connections, lasting, |body| {
        ensure!(body == "done", "the function answered {body}");
        Ok(())
    })
    .await
}

/// Lets this process have so many open files, or tells that it may not.
fn allow_open_files(needed: usize) -> Result<()> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};

    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    ensure!(
        most >= u64::try_from(needed)?,
        "{needed} open files are needed, and this machine allows {most} (`ulimit -Hn`)"
    );
    setrlimit(Resource::RLIMIT_NOFILE, most, most).context("the limit of open files cannot be raised")
}
