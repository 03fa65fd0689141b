//! The edge of the functions that nobody waits for: jobs and schedules.

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use lambda_runtime::LambdaEvent;
use serde::de::DeserializeOwned;

use crate::{App, Result, telemetry};

/// Serves asynchronous invocations. One that fails is tried again by Lambda, so each must be the same when repeated.
pub fn serve<E: DeserializeOwned + 'static>(
    app: App,
    handle: impl AsyncFn(&App, E) -> Result<()> + 'static,
) -> LocalBoxFuture<'static, Result<(), lambda_runtime::Error>> {
    async move {
        let (app, handle) = (&app, &handle);
        let handler = async |event: LambdaEvent<E>| {
            let request_id = event.context.request_id;
            let began = std::time::Instant::now();
            let done = handle(app, event.payload).await;
            app.metrics.job(done.is_ok());
            if let Err(error) = &done {
                telemetry::report(error, &request_id);
            }
            let latency_ms = began.elapsed().as_secs_f64() * 1000.0;
            tracing::info!(request_id, ok = done.is_ok(), latency_ms, "job");
            done.map_err(lambda_runtime::Error::from)
        };
        lambda_runtime::run(lambda_runtime::service_fn(handler)).await
    }
    .boxed_local()
}
