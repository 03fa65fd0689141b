//! More invocations at one time than there are processes, by far.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use http_body_util::Full;
use hyper::Request;
use tokio::{task::JoinSet, time::timeout};

use super::{Served, websocket::Socket};
use crate::{http, line};

/// The function that waits for 50 ms.
const FUNCTION: &str = "Pausing";
const PAUSE: Duration = Duration::from_millis(50);
const MESSAGE: &str = r#"{"type":"pausing"}"#;

/// Messages on each connection.
const MESSAGES: usize = 10;

/// Less than the integration timeout, which would answer, too: what takes longer is not measured.
const PATIENCE: Duration = Duration::from_secs(28);

/// Measures and prints: half are HTTP requests, half are messages.
pub(super) async fn measure(concurrency: u16, invocations: usize) -> Result<()> {
    let what = format!("{invocations} queued at once, 50 ms each");
    let shortest = PAUSE * u32::try_from(invocations.div_ceil(concurrency.into()))?;
    if shortest > PATIENCE {
        let (shortest, patience) = (shortest.as_secs_f64(), PATIENCE.as_secs());
        line(
            &what,
            &format!("not measured: it takes {shortest:.1} s at least, and they are given {patience} s"),
        );
        return Ok(());
    }
    let served = Served::start(concurrency)?;
    let sockets = invocations / 2 / MESSAGES;
    let messages = sockets * MESSAGES;
    let requests = invocations - messages;
    let authority = http::authority(&served.url)?.to_owned();
    let request = Request::get("/pausing").header("host", &authority).body(Full::default())?;

    let start = Instant::now();
    let mut answered = JoinSet::new();
    for _ in 0..requests {
        let (authority, request) = (authority.clone(), request.clone());
        answered.spawn(async move {
            let answer = http::ask(&mut http::open(&authority).await?, request).await?;
            ensure!(answer == "done", "the function answered {}", String::from_utf8_lossy(&answer));
            Ok(())
        });
    }
    for _ in 0..sockets {
        let url = served.websocket_url.clone();
        answered.spawn(async move {
            let mut socket = Socket::open(&url).await?;
            for _ in 0..MESSAGES {
                socket.send(MESSAGE).await?;
            }
            for _ in 0..MESSAGES {
                socket.answer().await?;
            }
            socket.is_silent().await
        });
    }
    let all = async {
        while let Some(outcome) = answered.join_next().await {
            outcome??;
        }
        anyhow::Ok(())
    };
    timeout(PATIENCE, all).await.context("not all invocations were answered")??;
    let took = start.elapsed();

    let given = usize::try_from(served.invocations(FUNCTION).await?)?;
    ensure!(given == invocations, "the function was given {given} events for {invocations}");
    line(
        &what,
        &format!(
            "each answered once, in {:.2} s, {:.2} s at least ({requests} requests, {messages} messages)",
            took.as_secs_f64(),
            shortest.as_secs_f64()
        ),
    );
    Ok(())
}
