//! A local API Gateway and Lambda: serves a SAM template's routes with unmodified function binaries.
//!
//! `gateway` serves until it is told to stop, `gateway invoke` runs one function once, and `gateway
//! environment` prints what the functions would be given. The README lists what is emulated.

mod asynchronous;
mod authorization;
mod cargo_lambda;
mod console;
mod env_vars;
mod events;
mod functions;
#[cfg(test)]
mod fuzzing;
mod gateway;
mod hosted;
mod http;
mod ids;
mod invoke;
mod journal;
mod mail;
mod management;
mod options;
mod responses;
mod routing;
mod runtime_api;
mod schedules;
mod server;
mod start;
mod strict;
mod template;
mod throttling;
mod websocket;

use std::process::ExitCode;

use clap::Parser;

use options::{Command, Options};

fn main() -> ExitCode {
    let Options { command, serve } = Options::parse();
    let result = match command {
        None => start::serve(&serve),
        Some(Command::Serve(options)) => start::serve(&options),
        Some(Command::Invoke(options)) => start::invoke(&options),
        Some(Command::Environment(options)) => start::environment(&options),
    };
    result.unwrap_or_else(|error| {
        eprintln!("gateway: {error:#}");
        ExitCode::FAILURE
    })
}
