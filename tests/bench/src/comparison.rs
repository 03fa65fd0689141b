//! The same function that does nothing under the gateway and under others, asked in the same way: by Lambda's Invoke.
//!
//! The others are started by `make bench`, which installs them privately first.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use http_body_util::Full;
use hyper::Request;
use tokio::time::timeout;

use crate::{
    gateway::{Served, report},
    heading, http, line,
    load::Times,
};

const PATH: &str = "/2015-03-31/functions/bench-empty/invocations";
const IN_FLIGHT: [usize; 2] = [1, 16];

/// How long the processes are warmed up.
const WARM_UP: Duration = Duration::from_secs(1);

/// How much longer than its load somebody may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Measures and prints; whoever has no URL could not be started. One that fails does not keep the others from being
/// measured.
pub(crate) async fn measure(
    lasting: Duration,
    concurrency: u16,
    others: [(&str, Option<&str>); 2],
) -> Result<()> {
    heading("Side by side: a function that does nothing, by Lambda's Invoke");
    let served = Served::start(concurrency)?;
    side("the gateway", &served.console_url, lasting).await;
    drop(served);
    for (name, url) in others {
        match url {
            Some(url) => side(name, url, lasting).await,
            None => line(name, "not run here: `make bench` says above why"),
        }
    }
    Ok(())
}

async fn side(name: &str, url: &str, lasting: Duration) {
    if let Err(problem) = times(url, 16, WARM_UP).await {
        return line(name, &format!("{problem:#}"));
    }
    for in_flight in IN_FLIGHT {
        let result = match times(url, in_flight, lasting).await {
            Ok(times) => report(&times, ""),
            Err(problem) => format!("{problem:#}"),
        };
        line(&format!("{name}, {in_flight} in flight"), &result);
    }
}

async fn times(url: &str, in_flight: usize, lasting: Duration) -> Result<Times> {
    let authority = http::authority(url)?;
    let request = Request::post(PATH)
        .header("host", authority)
        .header("content-type", "application/json")
        .body(Full::from("{}"))?;
    let measured = http::repeat(authority, &request, in_flight, lasting, |body| {
        ensure!(body.contains("\"done\""), "the function answered {body}");
        Ok(())
    });
    let most = lasting + PATIENCE;
    let Ok(times) = timeout(most, measured).await else { bail!("no answer after {} s", most.as_secs()) };
    times
}
