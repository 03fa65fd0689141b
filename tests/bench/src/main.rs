//! The load generator: a stack of its own, put under load by one process, and a table of what came of it.
//!
//! It prints what it measured, whatever that is. Everything runs on one machine, so the generator, the
//! gateway, the functions and the stores share its cores; "where the time goes" tells how.

mod big_room;
mod burst;
mod busy_room;
mod comparison;
mod crowd;
mod follower;
mod functions;
mod gateway;
mod http;
mod ledger;
mod list;
mod load;
mod login;
mod many;
mod meeting;
mod members;
mod processes;
mod reads;
mod redis;
mod resume;
mod room;
mod slow_readers;
mod socket;

use std::time::Duration;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use support::{StackOptions, TestChat};

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Section {
    /// Two members of a conversation: messages per second and latency.
    Members,
    /// One conversation with a hundred connections: deliveries per second.
    Room,
    /// One conversation with a thousand connections: deliveries per second, and how soon the last one has it.
    BigRoom,
    /// A hundred members who all write at a steady rate: latency, and whether anything is missing.
    BusyRoom,
    /// Members who stop reading: what the others notice, and how they catch up.
    SlowReaders,
    /// Many who write into one conversation as fast as they are answered.
    Burst,
    /// Redis' time per send.
    Redis,
    /// Subscribing again to many conversations, each with messages missed.
    Resume,
    /// Reading a page of 50 messages over HTTP.
    Reads,
    /// Listing many conversations over HTTP.
    List,
    /// Signing in with a wrong password, to an account and to none.
    Login,
    /// Cold start, size and memory of every function.
    Functions,
    /// The gateway alone, with a function that does nothing: invocations per second, idle connections, a long queue.
    Gateway,
    /// The same function under the gateway and under others; only when it is asked for, because they are installed first.
    Comparison,
}

impl Section {
    /// What is measured when nothing is asked for.
    fn usual() -> Vec<Self> {
        Self::value_variants().iter().copied().filter(|section| *section != Self::Comparison).collect()
    }

    /// Whether it needs the chat.
    fn is_about_chat(self) -> bool {
        !matches!(self, Self::Gateway | Self::Comparison)
    }
}

/// Measures the chat under load; `make bench` starts it with what it needs.
#[derive(Debug, Parser)]
struct Options {
    /// What to measure, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Section::usual())]
    sections: Vec<Section>,
    /// How long each load lasts.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Processes per function.
    #[arg(long, env, default_value_t = 4)]
    concurrency: u16,
    /// Cold starts per function, of which the median counts.
    #[arg(long, default_value_t = 20)]
    samples: usize,
    /// Members of the big room.
    #[arg(long, default_value_t = 1000)]
    big_room: usize,
    /// Members of the busy room, of that with slow readers and of that in which Redis is measured.
    #[arg(long, default_value_t = 100)]
    people: usize,
    /// Messages per second in the busy room.
    #[arg(long, value_delimiter = ',', default_values_t = [60, 100, 400])]
    rates: Vec<u32>,
    /// Messages per second while some do not read.
    #[arg(long, default_value_t = 50)]
    slow_rate: u32,
    /// Writers of the burst.
    #[arg(long, value_delimiter = ',', default_values_t = [16, 64])]
    writers: Vec<usize>,
    /// Sends under way by each writer of the burst.
    #[arg(long, default_value_t = 4)]
    window: usize,
    /// Sign-ins to an account, and as many to none.
    #[arg(long, default_value_t = 1000)]
    logins: usize,
    /// Conversations to list and to resume.
    #[arg(long, default_value_t = 100)]
    conversations: usize,
    /// Requests or messages under way at one time, for the gateway alone.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 256])]
    in_flight: Vec<usize>,
    /// Connections of the gateway that are idle.
    #[arg(long, default_value_t = 5000)]
    idle: usize,
    /// Invocations that are queued at once.
    #[arg(long, default_value_t = 1000)]
    queued: usize,
    /// Where `cargo lambda watch` serves the function that does nothing; `make bench` says so.
    #[arg(long, env = "BENCH_CARGO_LAMBDA")]
    cargo_lambda: Option<String>,
    /// Its version.
    #[arg(long, env = "BENCH_CARGO_LAMBDA_VERSION", default_value = "")]
    cargo_lambda_version: String,
    /// Where `ministack` serves the function that does nothing; `make bench` says so.
    #[arg(long, env = "BENCH_MINISTACK")]
    ministack: Option<String>,
    /// Its version.
    #[arg(long, env = "BENCH_MINISTACK_VERSION", default_value = "")]
    ministack_version: String,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    let options = Options::parse();
    let lasting = Duration::from_secs(options.seconds);
    println!("{}", processes::machine());
    let about_chat = options.sections.iter().any(|section| section.is_about_chat());
    let stores = if about_chat { ", Postgres, Redis" } else { "" };
    println!(
        "The generator, the gateway{stores} and the functions ({} processes each) share these cores; {} s per load.",
        options.concurrency, options.seconds
    );

    if about_chat {
        measure_chat(&options, lasting).await?;
    }
    if options.sections.contains(&Section::Gateway) {
        gateway::measure(lasting, options.concurrency, &options.in_flight, options.idle, options.queued)
            .await?;
    }
    if options.sections.contains(&Section::Comparison) {
        let cargo_lambda = format!("cargo lambda watch {}", options.cargo_lambda_version);
        let ministack = format!("ministack {}", options.ministack_version);
        let others = [
            (cargo_lambda.trim_end(), options.cargo_lambda.as_deref()),
            (ministack.trim_end(), options.ministack.as_deref()),
        ];
        comparison::measure(lasting, options.concurrency, others).await?;
    }
    Ok(())
}

async fn measure_chat(options: &Options, lasting: Duration) -> Result<()> {
    let chosen = |section| options.sections.contains(&section);
    let chat = TestChat::alone(StackOptions {
        throttle_messages: "off".to_owned(),
        concurrency: options.concurrency,
        ..StackOptions::default()
    })
    .await;
    if chosen(Section::Members) {
        members::measure(&chat, lasting).await?;
    }
    if chosen(Section::Room) {
        room::measure(&chat, lasting).await?;
    }
    if chosen(Section::BigRoom) {
        big_room::measure(&chat, lasting, options.big_room).await?;
    }
    if chosen(Section::BusyRoom) {
        busy_room::measure(&chat, lasting, options.people, &options.rates).await?;
    }
    if chosen(Section::SlowReaders) {
        slow_readers::measure(&chat, lasting, options.people, options.slow_rate).await?;
    }
    if chosen(Section::Burst) {
        burst::measure(&chat, lasting, &options.writers, options.window).await?;
    }
    if chosen(Section::Redis) {
        redis::measure(&chat, lasting, options.people).await?;
    }
    if chosen(Section::Resume) {
        resume::measure(&chat, lasting, options.conversations).await?;
    }
    if chosen(Section::Reads) {
        reads::measure(&chat, lasting).await?;
    }
    if chosen(Section::List) {
        list::measure(&chat, lasting, options.conversations).await?;
    }
    if chosen(Section::Login) {
        login::measure(&chat, options.logins).await?;
    }
    if chosen(Section::Functions) {
        functions::measure(&chat, options.samples).await?;
    }
    Ok(())
}

/// A heading of the report.
fn heading(text: &str) {
    println!("\n{text}");
}

/// A line of the report.
fn line(what: &str, result: &str) {
    println!("  {what:<44} {result}");
}

/// The value below which this share of the sorted values lies.
fn percentile(sorted: &[Duration], share: f64) -> Duration {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index into a slice"
    )]
    let index = ((sorted.len() as f64 - 1.0) * share).round() as usize;
    sorted.get(index).copied().unwrap_or_default()
}

/// The median and the 99th percentile of sorted durations.
fn spread(sorted: &[Duration]) -> String {
    let of = |share| milliseconds(percentile(sorted, share));
    format!("p50 {}, p99 {}", of(0.5), of(0.99))
}

/// Milliseconds with as many digits as are worth reading.
fn milliseconds(duration: Duration) -> String {
    let digits = if duration < Duration::from_millis(1) { 2 } else { 1 };
    format!("{:.digits$} ms", duration.as_secs_f64() * 1000.0)
}

/// How many per second, from a count and the time it took.
fn rate(count: usize, took: Duration) -> String {
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
    let rate = count as f64 / took.as_secs_f64();
    format!("{rate:.0}/s")
}
