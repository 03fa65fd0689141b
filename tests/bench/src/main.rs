//! The load generator: a stack of its own, put under load by one process, and a table of what came of it.
//!
//! It prints what it measured, whatever that is. Everything runs on one machine, so the generator, the
//! gateway, the functions and the stores share its cores; "where the time goes" tells how.

mod functions;
mod members;
mod processes;
mod reads;
mod room;
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
    /// Reading a page of 50 messages over HTTP.
    Reads,
    /// Cold start, size and memory of every function.
    Functions,
}

/// Measures the chat under load; `make bench` starts it with what it needs.
#[derive(Debug, Parser)]
struct Options {
    /// What to measure, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Section::value_variants().to_vec())]
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
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    let options = Options::parse();
    let chosen = |section| options.sections.contains(&section);
    let lasting = Duration::from_secs(options.seconds);
    let chat = TestChat::alone(StackOptions {
        throttle_messages: "off".to_owned(),
        concurrency: options.concurrency,
        ..StackOptions::default()
    })
    .await;
    println!("{}", processes::machine());
    println!(
        "The generator, the gateway, the functions ({} processes each), Postgres and Redis share these cores; {} s per load.",
        options.concurrency, options.seconds
    );

    if chosen(Section::Members) {
        members::measure(&chat, lasting).await?;
    }
    if chosen(Section::Room) {
        room::measure(&chat, lasting).await?;
    }
    if chosen(Section::Reads) {
        reads::measure(&chat, lasting).await?;
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
