//! The same function that does nothing under the gateway and under others, asked in the same way: by Lambda's Invoke.
//!
//! The others are started by `make bench`, which installs them privately first.

use std::time::Duration;

use anyhow::{Result, ensure};
use http_body_util::Full;
use hyper::Request;

use crate::{
    gateway::{Served, report},
    heading, http, line,
};

const PATH: &str = "/2015-03-31/functions/bench-empty/invocations";
const IN_FLIGHT: [usize; 2] = [1, 16];

/// How long the processes are warmed up.
const WARM_UP: Duration = Duration::from_secs(1);

/// Measures and prints; whoever has no URL could not be started.
pub(crate) async fn measure(
    lasting: Duration,
    concurrency: u16,
    others: [(&str, Option<&str>); 2],
) -> Result<()> {
    heading("Side by side: a function that does nothing, by Lambda's Invoke");
    let served = Served::start(concurrency)?;
    side("the gateway", &served.console_url, lasting).await?;
    drop(served);
    for (name, url) in others {
        match url {
            Some(url) => side(name, url, lasting).await?,
            None => line(name, "not run here: `make bench` says above why"),
        }
    }
    Ok(())
}

async fn side(name: &str, url: &str, lasting: Duration) -> Result<()> {
    let authority = http::authority(url)?;
    let request = Request::post(PATH)
        .header("host", authority)
        .header("content-type", "application/json")
        .body(Full::from("{}"))?;
    let answered = |body: &str| {
        ensure!(body.contains("\"done\""), "the function answered {body}");
        Ok(())
    };
    http::repeat(authority, &request, 16, WARM_UP, answered).await?;
    for in_flight in IN_FLIGHT {
        let times = http::repeat(authority, &request, in_flight, lasting, answered).await?;
        line(&format!("{name}, {in_flight} in flight"), &report(&times, ""));
    }
    Ok(())
}
