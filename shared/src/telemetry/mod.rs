//! What is told of every invocation: a line of log, in it the figures that CloudWatch counts, and, where that is
//! configured, a trace.
//!
//! The edges run each invocation as an [`Invocation`]; what becomes known of it meanwhile stands in all its lines. Of a
//! person that is their id, their address in the network and what their client calls itself; the last two stay out of
//! traces. No password, token, ticket, e-mail address or message text reaches either.

mod invocation;
mod logs;
mod traces;

pub use self::invocation::{Arrival, Fact, Handed, Invocation, Origin, Served, carry, end, hand, note};
pub use self::traces::{Call, traced};
use crate::Error;
use crate::config::{Logging, Traces};

/// Sets up logs and traces; called once, first thing in every function.
pub fn init() -> anyhow::Result<()> {
    let logging = Logging::from_env()?;
    if let Some(traces) = Traces::from_env()? {
        traces::init(&traces, &logging.function)?;
    }
    logs::init(logging);
    Ok(())
}

/// Logs the cause of an error that is ours, once, at the edge.
pub fn report(error: &Error) {
    if let Some(cause) = error.cause() {
        tracing::error!(cause = format!("{cause:#}"), "{error}");
    }
}
