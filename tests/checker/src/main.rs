//! The checker as a program: `make soak` for many messages, `make faults` for what goes wrong.

use std::{process::ExitCode, time::Duration};

use anyhow::Result;
use checker::{Habits, Plan, Report, Run, faults::Fault};
use clap::{Args, Parser, Subcommand, ValueEnum as _};
use support::{StackOptions, TestChat};
use tokio::time::interval;

/// Proves the promises of the message log; `make soak` and `make faults` start it with what it needs.
#[derive(Debug, Parser)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Many messages, with connections that drop, people who come and go, and sign-outs
    Soak(Soak),
    /// Things that go wrong while messages flow, one after another
    Faults(Faults),
}

#[derive(Debug, Args)]
struct Soak {
    /// How many messages
    #[arg(long, default_value_t = 200_000)]
    messages: u32,
    /// How many conversations
    #[arg(long, default_value_t = 50)]
    conversations: usize,
    /// How many clients; one in ten is a second device of somebody
    #[arg(long, default_value_t = 100)]
    clients: usize,
    /// In how many conversations everybody takes part, beside those that they started
    #[arg(long, default_value_t = 3)]
    conversations_each: usize,
    /// How many sends of a client are under way at once
    #[arg(long, default_value_t = 3)]
    window: usize,
    /// Processes per function
    #[arg(long, env, default_value_t = 4)]
    concurrency: u16,
    /// What the run's choices are drawn from
    #[arg(long, default_value_t = rand::random::<u32>().into())]
    seed: u64,
}

#[derive(Debug, Args)]
struct Faults {
    /// Which, separated by commas
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Fault::value_variants().to_vec())]
    only: Vec<Fault>,
    /// How long messages flow for each
    #[arg(long, default_value_t = 36)]
    seconds: u64,
    /// Processes per function
    #[arg(long, env, default_value_t = 4)]
    concurrency: u16,
    /// What the runs' choices are drawn from
    #[arg(long, default_value_t = rand::random::<u32>().into())]
    seed: u64,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<ExitCode> {
    let faultless = match Options::parse().command {
        Command::Soak(soak) => run_soak(soak).await?,
        Command::Faults(faults) => run_faults(faults).await?,
    };
    Ok(if faultless { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn run_soak(soak: Soak) -> Result<bool> {
    let chat = start(soak.concurrency, Vec::new()).await;
    let plan = Plan {
        seed: soak.seed,
        conversations: soak.conversations,
        people: (soak.clients - soak.clients / 10).max(2),
        clients: soak.clients,
        conversations_each: soak.conversations_each,
        messages: Some(soak.messages),
        habits: Habits {
            window: soak.window,
            pace: Duration::ZERO,
            resend_after: Duration::from_secs(10),
            straggle: Duration::from_millis(500),
            ping_every: Duration::from_secs(10),
            drop_every: Some(Duration::from_secs(20)),
            away: Duration::from_secs(4),
            sign_out_every: Some(Duration::from_mins(2)),
        },
        churn_every: Some(Duration::from_millis(500)),
        converge_within: Duration::from_mins(1),
    };
    let run = Run::prepare(&chat, plan).await?;
    let meter = run.meter();
    let telling = tokio::spawn(async move {
        let mut ticks = interval(Duration::from_secs(10));
        loop {
            ticks.tick().await;
            println!("  {:>9} of {} acked", meter.acked(), soak.messages);
        }
    });
    let report = run.judged(async { Ok(Vec::new()) }).await?;
    telling.abort();
    Ok(tell("soak", &report))
}

async fn run_faults(faults: Faults) -> Result<bool> {
    let mut summary = Vec::new();
    for fault in faults.only {
        let name = fault.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        let chat = start(faults.concurrency, fault.gateway_args()).await;
        let run = Run::prepare(&chat, plan_for(fault, faults.seed)).await?;
        let meter = run.meter();
        let report = run.judged(fault.happen(&chat, &meter, Duration::from_secs(faults.seconds))).await?;
        summary.push((tell(&name, &report), name, report));
    }
    println!(
        "\n{:<18} {:>9} {:>11} {:>12} {:>11}",
        "fault", "messages", "reconnects", "gaps closed", "violations"
    );
    for (_, name, report) in &summary {
        let violations: usize = report.violations.iter().map(|violation| violation.count).sum();
        println!(
            "{name:<18} {:>9} {:>11} {:>12} {violations:>11}",
            report.sent, report.reconnects, report.gaps_closed
        );
    }
    Ok(summary.iter().all(|(faultless, ..)| *faultless))
}

fn plan_for(fault: Fault, seed: u64) -> Plan {
    Plan {
        seed,
        conversations: 12,
        people: 27,
        clients: 30,
        conversations_each: 3,
        messages: None,
        habits: Habits {
            window: 3,
            pace: Duration::from_millis(60),
            resend_after: Duration::from_secs(4),
            straggle: Duration::from_millis(500),
            ping_every: Duration::from_secs(3),
            drop_every: Some(Duration::from_secs(if fault == Fault::Connections { 2 } else { 15 })),
            away: Duration::from_millis(if fault == Fault::Connections { 200 } else { 2_000 }),
            sign_out_every: Some(Duration::from_secs(40)),
        },
        churn_every: Some(Duration::from_millis(500)),
        // After Redis was rewound a quiet conversation may take a minute.
        converge_within: Duration::from_secs(if fault == Fault::RedisRewound { 180 } else { 120 }),
    }
}

async fn start(concurrency: u16, gateway_args: Vec<String>) -> TestChat {
    let throttle_messages = "off".to_owned();
    TestChat::alone(StackOptions { throttle_messages, concurrency, gateway_args, ..StackOptions::default() })
        .await
}

/// Prints what came of a run, and tells whether it was as promised.
fn tell(name: &str, report: &Report) -> bool {
    println!("\n{name}\n{report}");
    report.converged && report.violations.is_empty()
}
