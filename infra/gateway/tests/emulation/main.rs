//! The gateway's own binary, over a function that does what it is told.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod asynchronous;
mod authorizers;
mod connections;
mod console;
mod frames;
mod guarded;
mod issuer;
mod overrides;
mod parcels;
mod processes;
mod queue;
mod refusals;
mod schedules;
mod strict;
mod support;
mod throttling;
mod twice;
