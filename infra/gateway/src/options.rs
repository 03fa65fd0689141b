//! The command line.
//!
//! Defaults are those of the platform or of a developer's machine; tests shorten limits and take free ports.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Args, Parser, Subcommand};

use crate::strict::Strictness;

/// A local API Gateway and Lambda for a SAM template.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) serve: ServeOptions,
}

/// What to do instead of serving.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the template's APIs (the default)
    Serve(ServeOptions),
    /// Run one function with one event and print its result
    Invoke(InvokeOptions),
    /// Print the environment of all functions as one JSON object
    Environment(TemplateOptions),
}

/// Which template, and where its APIs are.
#[derive(Debug, Args)]
pub(crate) struct TemplateOptions {
    /// The SAM template
    #[arg(long, default_value = "template.yaml")]
    pub(crate) template: PathBuf,
    /// Values for the template's parameters
    #[arg(long, value_name = "KEY=VALUE", num_args = 1.., value_parser = key_and_value)]
    pub(crate) parameter_overrides: Vec<(String, String)>,
    /// Port of the HTTP and the WebSocket API; 0 takes a free one
    #[arg(long, env = "PORT", default_value_t = 8080)]
    pub(crate) port: u16,
    /// Port of the management API; 0 takes a free one
    #[arg(long, env = "CONSOLE_PORT", default_value_t = 8081)]
    pub(crate) console_port: u16,
}

impl TemplateOptions {
    /// The parameters to override, by name.
    pub(crate) fn overrides(&self) -> HashMap<String, String> {
        self.parameter_overrides.iter().cloned().collect()
    }
}

/// How to serve.
#[derive(Debug, Args)]
pub(crate) struct ServeOptions {
    #[command(flatten)]
    pub(crate) template: TemplateOptions,
    /// Directory of the function binaries
    #[arg(long, default_value = "target/release")]
    pub(crate) functions_dir: PathBuf,
    /// The most processes of one function
    #[arg(long, env = "CONCURRENCY", default_value_t = 4, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1000))]
    pub(crate) concurrency: usize,
    /// Run functions by `cargo lambda watch` at this address instead of by processes of the gateway
    #[arg(long, value_name = "URL")]
    pub(crate) cargo_lambda: Option<String>,
    /// Write gateway.jsonl and a file for each function's output here
    #[arg(long)]
    pub(crate) logs_dir: Option<PathBuf>,
    /// Keep invocations and the functions' output off stderr
    #[arg(long)]
    pub(crate) quiet: bool,
    /// End when stdin does
    #[arg(long)]
    pub(crate) exit_with_parent: bool,
    #[command(flatten)]
    pub(crate) invocations: InvocationOptions,
    /// Seconds after which a silent connection is closed
    #[arg(long, default_value = "600", value_parser = seconds)]
    pub(crate) idle_timeout: Duration,
    /// Seconds after which every connection is closed
    #[arg(long, default_value = "7200", value_parser = seconds)]
    pub(crate) connection_lifetime: Duration,
}

/// How events that no client sent or waits for are run, and how often all are delivered.
#[derive(Debug, Args)]
pub(crate) struct InvocationOptions {
    /// Seconds before the first and the second retry of an asynchronous invocation
    #[arg(long, value_name = "FIRST,SECOND", default_value = "60,120", value_parser = two_waits)]
    pub(crate) async_retry_wait: [Duration; 2],
    /// Run every schedule at this interval in seconds, whatever its rate
    #[arg(long, value_name = "SECONDS", value_parser = interval)]
    pub(crate) schedule_every: Option<Duration>,
    /// Run no schedules at all
    #[arg(long)]
    pub(crate) no_schedules: bool,
    /// Deliver every invocation to two processes at the same time and use the first answer: a test of idempotence
    #[arg(long)]
    pub(crate) deliver_twice: bool,
    /// Do what AWS may do at any time, all but drop-disconnect or what is listed: a test of what relies on luck
    #[arg(
        long,
        value_enum,
        value_name = "WHAT",
        value_delimiter = ',',
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "freeze,recycle,duplicate,shuffle",
        conflicts_with = "cargo_lambda"
    )]
    pub(crate) strict: Vec<Strictness>,
    /// What strict mode draws by; it is printed at the start
    #[arg(long, value_name = "NUMBER", requires = "strict")]
    pub(crate) strict_seed: Option<u64>,
}

/// What to invoke.
#[derive(Debug, Args)]
pub(crate) struct InvokeOptions {
    #[command(flatten)]
    pub(crate) template: TemplateOptions,
    /// Directory of the function binaries
    #[arg(long, default_value = "target/release")]
    pub(crate) functions_dir: PathBuf,
    /// The function's logical id or its binary
    #[arg(long)]
    pub(crate) function: String,
    /// The event
    #[arg(long, default_value = "{}")]
    pub(crate) payload: String,
}

fn key_and_value(text: &str) -> Result<(String, String)> {
    let (key, value) = text.split_once('=').context("must be KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Two waits, or one that counts for both.
fn two_waits(text: &str) -> Result<[Duration; 2]> {
    let (first, second) = text.split_once(',').unwrap_or((text, text));
    Ok([seconds(first)?, seconds(second)?])
}

fn interval(text: &str) -> Result<Duration> {
    let interval = seconds(text)?;
    ensure!(interval >= Duration::from_millis(10), "must be at least 0.01");
    Ok(interval)
}

fn seconds(text: &str) -> Result<Duration> {
    Ok(Duration::try_from_secs_f64(text.parse()?)?)
}
