//! The command line.
//!
//! Defaults are those of the platform or of a developer's machine; tests shorten limits and take free ports.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Args, Parser, Subcommand};

use crate::strict::Strictness;
use crate::template::Choices;
use crate::throttling::Throttle;

/// What may be waited for; a clock counts no further than some hundreds of years.
const LONGEST: Duration = Duration::from_hours(365 * 24);

/// The end of `--help`.
const EXAMPLES: &str = "\
Examples:
  gateway
      serve ./template.yaml over the binaries of target/release on http://127.0.0.1:8080
  gateway --template app/template.yaml --parameter-overrides Stage=dev --functions-dir app/target/release
      another project, and a value for one of its parameters
  gateway --env-vars local.json --logs-dir logs --quiet
      variables from a file, logs into files
  gateway --leave-out RestApi Worker.Jobs
      without a resource and an event of a function that the gateway does not serve
  gateway --port 0 --console-port 0 --exit-with-parent
      for tests: the addresses are in the line of JSON on stdout
  gateway --strict --post-limit 100,20
      what AWS may do at any time, and a limit on posts to connections
  gateway invoke --function Migrate --payload '{}'
      one function, once

When requests are served, one line of JSON on stdout tells it:
  {\"ready\":true,\"url\":…,\"websocket_url\":…,\"console_url\":…}

Exit codes: 0 when it was told to end; 1 when the template, a file or a port is refused, or the invoked function
failed; 2 for options that are not understood.";

/// A local API Gateway and Lambda for a SAM template.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, after_long_help = EXAMPLES)]
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
    /// Resources, or events or properties of resources or of Globals, that the gateway does not know and is to leave out
    #[arg(long, value_name = "RESOURCE[.NAME]", num_args = 1..)]
    pub(crate) leave_out: Vec<String>,
    /// JSON file with values for declared variables, {"Function": {"NAME": "value"}, "Parameters": {…}} as for `sam local`
    #[arg(long, value_name = "FILE")]
    pub(crate) env_vars: Option<PathBuf>,
    /// Port of the HTTP and the WebSocket API; 0 takes a free one
    #[arg(long, env = "PORT", default_value_t = 8080)]
    pub(crate) port: u16,
    /// Port of the console, the management API, Invoke and SES; 0 takes a free one
    #[arg(long, env = "CONSOLE_PORT", default_value_t = 8081)]
    pub(crate) console_port: u16,
}

impl TemplateOptions {
    /// What this run makes of the template.
    pub(crate) fn choices(&self) -> Choices {
        let overrides = self.parameter_overrides.iter().cloned().collect();
        let folder = self.template.parent().map(Path::to_path_buf).unwrap_or_default();
        Choices { overrides, left_out: self.leave_out.clone(), folder }
    }
}

/// How to serve.
#[derive(Debug, Args)]
pub(crate) struct ServeOptions {
    #[command(flatten)]
    pub(crate) template: TemplateOptions,
    /// Address of the interface of the HTTP and the WebSocket API, 0.0.0.0 for all; the console is on this machine only
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) listen: Ipv4Addr,
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
    #[command(flatten)]
    pub(crate) posts: PostOptions,
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
    /// Seconds before the first and the second retry of an asynchronous invocation; one number is for both
    #[arg(long, value_name = "FIRST[,SECOND]", default_value = "60,120", value_parser = two_waits)]
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

/// What goes wrong with posts to connections.
#[derive(Debug, Args)]
pub(crate) struct PostOptions {
    /// Answer 429 to more posts per second to @connections than this, all connections together
    #[arg(long, value_name = "RATE[,BURST]", value_parser = throttle)]
    pub(crate) post_limit: Option<Throttle>,
    /// Milliseconds that each post to @connections takes at least
    #[arg(long, value_name = "MS", default_value = "0", value_parser = milliseconds)]
    pub(crate) post_latency: Duration,
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

/// A rate and a burst, or a rate alone, whose burst is that of one second.
fn throttle(text: &str) -> Result<Throttle> {
    let (rate, burst) = text.split_once(',').map_or((text, None), |(rate, burst)| (rate, Some(burst)));
    let rate: f64 = rate.parse().context("RATE must be a number")?;
    ensure!(rate.is_finite() && rate >= 0.0, "RATE must be 0 or more");
    let burst = burst.map_or_else(|| format!("{:.0}", rate.ceil()), str::to_owned);
    Ok(Throttle { rate, burst: burst.parse().context("BURST must be a whole number")? })
}

fn milliseconds(text: &str) -> Result<Duration> {
    let milliseconds = Duration::from_millis(text.parse()?);
    ensure!(milliseconds <= LONGEST, "must be at most a year");
    Ok(milliseconds)
}

fn seconds(text: &str) -> Result<Duration> {
    let seconds = Duration::try_from_secs_f64(text.parse()?)?;
    ensure!(seconds <= LONGEST, "must be at most a year");
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_clock_counts_is_refused() {
        for text in ["1e18", "-1", "NaN", "inf", "soon", ""] {
            assert!(seconds(text).is_err(), "{text}");
            assert!(two_waits(&format!("1,{text}")).is_err(), "{text}");
        }
        assert!(interval("0.001").is_err());
        assert!(milliseconds("18446744073709551615").is_err());
        assert_eq!(seconds("0.5").unwrap(), Duration::from_millis(500));
    }

    #[test]
    fn a_limit_is_a_rate_and_a_burst_or_a_rate_alone() {
        assert_eq!(throttle("100,20").unwrap(), Throttle { rate: 100.0, burst: 20 });
        assert_eq!(throttle("2.5").unwrap(), Throttle { rate: 2.5, burst: 3 });
        for text in ["", "x", "-1", "1,", "1,-1", "1,2.5", "inf", "NaN,1"] {
            assert!(throttle(text).is_err(), "{text}");
        }
    }
}
