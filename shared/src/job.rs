//! The edge of the functions that nobody waits for: jobs and schedules.

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use lambda_runtime::LambdaEvent;
use serde::de::DeserializeOwned;

use crate::telemetry::{Arrival, Handed, Invocation, Served};
use crate::{App, Result, telemetry};

/// Serves asynchronous invocations. One that fails is tried again by Lambda, so each must be the same when repeated.
pub fn serve<E: DeserializeOwned + 'static>(
    app: App,
    handle: impl AsyncFn(&App, E) -> Result<()> + 'static,
) -> LocalBoxFuture<'static, Result<(), lambda_runtime::Error>> {
    async move {
        let (app, handle) = (&app, &handle);
        let handler = async |LambdaEvent { payload, context }: LambdaEvent<Handed<E>>| {
            let Handed { origin, job } = payload;
            let invocation = Invocation::begin(Arrival {
                request_id: context.request_id,
                amazon_trace: context.xray_trace_id.as_deref(),
                origin,
                ..Arrival::default()
            });
            let run = async {
                let done = handle(app, job).await;
                if let Err(error) = &done {
                    telemetry::report(error);
                }
                let failed = done.is_err();
                app.metrics.job(!failed);
                telemetry::end(Served::Job, failed);
                done.map_err(lambda_runtime::Error::from)
            };
            invocation.run(run).await
        };
        lambda_runtime::run(lambda_runtime::service_fn(handler)).await
    }
    .boxed_local()
}
