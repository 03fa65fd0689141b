//! Two members of a conversation: one writes, the other reads.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use support::TestChat;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, timeout},
};

use crate::{
    heading, line, milliseconds, percentile,
    processes::{self, Usage},
    rate, socket, spread,
};

/// More than any load here sends.
const MOST: usize = 2_000_000;

/// How the sender goes on.
#[derive(Debug, Clone, Copy)]
enum Pace {
    /// With so many messages not yet acked.
    Window(usize),
    /// One message each so often.
    Every(Duration),
}

struct Outcome {
    acked: usize,
    took: Duration,
    latencies: Vec<Duration>,
    ack_latencies: Vec<Duration>,
    /// Frames with messages that the sender's own connection got.
    echoes: usize,
    missing: usize,
}

/// Measures and prints.
pub(crate) async fn measure(chat: &TestChat, lasting: Duration) -> Result<()> {
    heading(
        "Two members, one writes, the other reads (from the send to the other's receipt, and to the ack)",
    );
    run(chat, Duration::from_secs(1), Pace::Window(16)).await?;
    let gently = run(chat, lasting, Pace::Every(Duration::from_millis(50))).await?;
    report("20 messages/s", &gently);
    report("window 1", &run(chat, lasting, Pace::Window(1)).await?);
    let usage = Usage::start(&processes::names(chat).await);
    let full = run(chat, lasting, Pace::Window(16)).await?;
    let shares = usage.shares(processes::names(chat).await);
    report("window 16", &full);
    heading("Where the time goes, window 16 (100 % is one core)");
    for (process, share) in shares {
        line(&process, &format!("{share:.0} %"));
    }
    let commit = durable_commit(chat).await?;
    line(
        "one durable commit",
        &format!(
            "{} on this disk, which the log of one conversation waits for in turn",
            milliseconds(commit)
        ),
    );
    Ok(())
}

/// How long Postgres takes to make the smallest transaction durable: the median of some.
async fn durable_commit(chat: &TestChat) -> Result<Duration> {
    let postgres = chat.stack.postgres_connection(None).await;
    let mut commits = Vec::with_capacity(50);
    for _ in 0..commits.capacity() {
        let start = Instant::now();
        postgres.simple_query("select pg_logical_emit_message(true, 'bench', '')").await?;
        commits.push(start.elapsed());
    }
    commits.sort_unstable();
    Ok(percentile(&commits, 0.5))
}

fn report(what: &str, outcome: &Outcome) {
    let Outcome { acked, took, latencies, ack_latencies, echoes, missing } = outcome;
    let missing = if *missing == 0 { String::new() } else { format!(", {missing} MISSING") };
    let echoes = if *echoes == 0 { String::new() } else { format!(", {echoes} SENT BACK TO THE SENDER") };
    let (receipt, ack) = (spread(latencies), spread(ack_latencies));
    line(what, &format!("{:>8} acked; receipt {receipt}; ack {ack}{missing}{echoes}", rate(*acked, *took)));
}

async fn run(chat: &TestChat, lasting: Duration, pace: Pace) -> Result<Outcome> {
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let url = &chat.stack.websocket_url;
    let (mut sender, mut acks) = socket::open(url, &alice, &conversation).await?;
    let (_quiet, mut receiver) = socket::open(url, &bob, &conversation).await?;
    let start = Instant::now();
    let sent_at: Arc<Vec<AtomicU64>> = Arc::new((0..MOST).map(|_| AtomicU64::new(0)).collect());
    let (all_sent, mut total) = watch::channel(None);

    let times = Arc::clone(&sent_at);
    let receiving = tokio::spawn(async move {
        let mut latencies = vec![None; 0];
        let mut arrived = 0;
        loop {
            let numbers = tokio::select! {
                biased;
                numbers = timeout(Duration::from_secs(10), receiver.next_numbers()) => numbers.ok().transpose()?,
                _ = total.changed() => Some(Vec::new()),
            };
            let now = nanoseconds(start);
            for number in numbers.iter().flatten().copied() {
                if latencies.len() <= number {
                    latencies.resize(number + 1, None);
                }
                // Pushes may repeat; the first counts.
                if latencies[number].is_none() {
                    latencies[number] =
                        Some(Duration::from_nanos(now - times[number].load(Ordering::Relaxed)));
                    arrived += 1;
                }
            }
            let expected: Option<usize> = *total.borrow();
            if expected.is_some_and(|expected| arrived >= expected) || numbers.is_none() {
                return anyhow::Ok((latencies.into_iter().flatten().collect::<Vec<_>>(), arrived));
            }
        }
    });

    let (mut sent, mut acked, mut echoes, mut ack_latencies) = (0, 0, 0, Vec::new());
    let over = |sent: usize| start.elapsed() >= lasting || sent >= MOST;
    let mut ticks = interval(if let Pace::Every(period) = pace { period } else { Duration::from_hours(1) });
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    while !(over(sent) && acked == sent) {
        if let Pace::Window(window) = pace {
            while sent - acked < window && !over(sent) {
                sent_at[sent].store(nanoseconds(start), Ordering::Relaxed);
                sender.send(&conversation, sent).await?;
                sent += 1;
            }
        }
        tokio::select! {
            acks = timeout(Duration::from_secs(10), acks.next_acks()) => {
                let (more_echoes, numbers) = acks.context("no ack for 10 s")??;
                echoes += more_echoes;
                for number in numbers {
                    let waited = nanoseconds(start) - sent_at[number].load(Ordering::Relaxed);
                    ack_latencies.push(Duration::from_nanos(waited));
                    acked += 1;
                }
            }
            _ = ticks.tick() => {
                if !over(sent) {
                    sent_at[sent].store(nanoseconds(start), Ordering::Relaxed);
                    sender.send(&conversation, sent).await?;
                    sent += 1;
                }
            }
        }
    }
    let took = start.elapsed();
    all_sent.send_replace(Some(sent));
    let (mut latencies, arrived) = receiving.await??;
    latencies.sort_unstable();
    ack_latencies.sort_unstable();
    Ok(Outcome { acked, took, latencies, ack_latencies, echoes, missing: sent - arrived })
}

fn nanoseconds(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
