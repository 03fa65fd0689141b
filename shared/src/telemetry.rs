//! Logs: one JSON object per line on standard output, each with the level, the function and its fields.
//!
//! What identifies a person beyond their id never reaches a log: no password, token, ticket, e-mail address
//! or message text.

use tracing_subscriber::EnvFilter;

use crate::Error;
use crate::config::Logging;

/// Sets up logging; called once, first thing in every function.
pub fn init() -> anyhow::Result<()> {
    let logging = Logging::from_env()?;
    // The runtime's own traces hold whole events, with tokens and texts.
    let libraries =
        "lambda_runtime=info,lambda_http=info,hyper=warn,aws=warn,tokio_postgres=warn,rustls=warn";
    let filter = EnvFilter::new(format!("{},{libraries}", logging.level));
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_env_filter(filter)
        .init();
    tracing::debug!(function = logging.function, "starting");
    Ok(())
}

/// Logs the cause of an error that is ours, once, at the edge.
pub fn report(error: &Error, request_id: &str) {
    if let Some(cause) = error.cause() {
        tracing::error!(request_id, cause = format!("{cause:#}"), "{error}");
    }
}
