//! Running functions by `cargo lambda watch`, through its Invoke route.
//!
//! Its queue holds 100 invocations per function and blocks every function when it is full, so no more than
//! [`IN_FLIGHT`] are ever sent, and none is waited for longer than Lambda lets a function run: it never
//! answers for a process that died. It answers a function's error with status 500, where Lambda answers 200 and
//! a header (cargo-lambda, `crates/cargo-lambda-watch`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::console::Activity;
use crate::functions::{Answer, Execution, Invocation, Load, error_object};

/// The most invocations of one function that are in flight.
pub(crate) const IN_FLIGHT: usize = 64;

/// The longest timeout of a function (Lambda Developer Guide, "Configure Lambda function timeout").
const LONGEST_INVOCATION: Duration = Duration::from_mins(15);

/// The Invoke routes of the functions.
#[derive(Debug)]
pub(crate) struct CargoLambda {
    client: Client<HttpConnector, Full<Bytes>>,
    functions: Vec<Route>,
    activity: Arc<Activity>,
}

#[derive(Debug, Clone)]
struct Route {
    uri: Uri,
    permits: Arc<Semaphore>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    given: AtomicU64,
    running: AtomicUsize,
    waiting: AtomicUsize,
}

impl CargoLambda {
    /// The functions of the given binaries, in that order, behind `cargo lambda watch` at `base`.
    pub(crate) fn new<'a>(
        base: &str,
        binaries: impl IntoIterator<Item = &'a str>,
        activity: Arc<Activity>,
    ) -> Result<Self> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let base = base.trim_end_matches('/');
        let route = |binary| {
            let uri = format!("{base}/2015-03-31/functions/{binary}/invocations");
            let uri = uri.parse().with_context(|| format!("--cargo-lambda {base} is no URL"))?;
            Ok(Route { uri, permits: Arc::new(Semaphore::new(IN_FLIGHT)), counts: Arc::default() })
        };
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            functions: binaries.into_iter().map(route).collect::<Result<_>>()?,
            activity,
        })
    }

    /// What is kept of the invocations.
    pub(crate) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// What a function was given and has to do.
    pub(crate) fn load(&self, function: usize) -> Load {
        let counts = &self.functions[function].counts;
        Load {
            given: counts.given.load(Ordering::SeqCst),
            // In this order what is handed over meanwhile is seen in one of the two at least.
            waiting: counts.waiting.load(Ordering::SeqCst),
            running: counts.running.load(Ordering::SeqCst),
        }
    }

    /// Sends an event and hands on the answer.
    pub(crate) fn submit(&self, function: usize, invocation: Invocation) {
        let (client, route) = (self.client.clone(), self.functions[function].clone());
        route.counts.waiting.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move {
            // The semaphore is never closed, so there is always a permit in the end.
            let _permit = route.permits.acquire().await;
            let sent_at = Instant::now();
            if invocation.waits_until <= sent_at {
                route.counts.waiting.fetch_sub(1, Ordering::SeqCst);
                return;
            }
            route.counts.given.fetch_add(1, Ordering::SeqCst);
            route.counts.running.fetch_add(1, Ordering::SeqCst);
            route.counts.waiting.fetch_sub(1, Ordering::SeqCst);
            let result = timeout(LONGEST_INVOCATION, invoke(&client, route.uri, invocation.event))
                .await
                .unwrap_or_else(|_| {
                    Err(error_object("CargoLambda.NoAnswer", "cargo lambda gave no answer within 15 minutes"))
                });
            route.counts.running.fetch_sub(1, Ordering::SeqCst);
            let execution = Execution {
                request_id: invocation.request_id,
                duration: sent_at.elapsed(),
                queued: sent_at - invocation.queued_at,
                init: None,
            };
            invocation.ticket.finish(&execution, &result, None);
            let _ = invocation.reply.send(Answer { result, execution });
        });
    }
}

async fn invoke(client: &Client<HttpConnector, Full<Bytes>>, uri: Uri, event: Bytes) -> Result<Bytes, Bytes> {
    let unreachable =
        |error: &dyn std::error::Error| error_object("CargoLambda.Unreachable", &error.to_string());
    let request = Request::post(uri)
        .header("content-type", "application/json")
        .body(Full::new(event))
        .map_err(|error| unreachable(&error))?;
    let response = client.request(request).await.map_err(|error| unreachable(&error))?;
    let failed = !response.status().is_success() || response.headers().contains_key("x-amz-function-error");
    let body = response.into_body().collect().await.map_err(|error| unreachable(&error))?.to_bytes();
    if failed { Err(body) } else { Ok(body) }
}
