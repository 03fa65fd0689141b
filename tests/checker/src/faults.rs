//! What can go wrong while messages flow. Stores are broken by whoever started them: `make faults` hands over where
//! it takes orders.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;
use rand::{RngExt as _, seq::IndexedRandom as _};
use support::{Settings, Stack, TestChat};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
    time::{Instant, interval, sleep},
};

use crate::{record, run::Meter};

/// How often a function's process is killed.
const KILL_EVERY: Duration = Duration::from_millis(500);
/// How long Redis answers nobody: for longer than anybody waits for it.
const REDIS_PAUSED_FOR: Duration = Duration::from_secs(10);
/// How long there is no Postgres.
const POSTGRES_STOPPED_FOR: Duration = Duration::from_secs(20);
/// How much older the Redis is that replaces the one in use, at least.
const ENTRIES_OLDER: u64 = 1_000;

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Fault {
    /// A process of a function is killed every 500 ms.
    Functions,
    /// Redis is killed and started empty, several times.
    RedisEmptied,
    /// Redis answers nothing for 10 s.
    RedisPaused,
    /// Redis is replaced by a copy that is 1,000 entries older, several times.
    RedisRewound,
    /// Postgres is stopped for 20 s.
    PostgresStopped,
    /// Clients drop their connections every 2 s.
    Connections,
    /// Every invocation is delivered twice.
    Twice,
}

impl Fault {
    /// What the gateway must be told for it.
    pub fn gateway_args(self) -> Vec<String> {
        if self == Self::Twice { vec!["--deliver-twice".to_owned()] } else { Vec::new() }
    }

    /// Does it for about as long as given, and gives when Postgres was stopped.
    pub async fn happen(self, chat: &TestChat, meter: &Meter, lasting: Duration) -> Result<Vec<(i64, i64)>> {
        let end = Instant::now() + lasting;
        let mut outages = Vec::new();
        match self {
            Self::Functions => kill_functions(chat, end).await,
            Self::RedisEmptied => {
                while Instant::now() < end {
                    sleep(lasting / 6).await;
                    order("kill redis").await?;
                    order("forget redis").await?;
                    order("start redis").await?;
                }
            }
            Self::RedisPaused => {
                sleep(lasting / 3).await;
                order("pause redis").await?;
                sleep(REDIS_PAUSED_FOR).await;
                order("resume redis").await?;
            }
            Self::RedisRewound => {
                while Instant::now() < end {
                    order("save redis").await?;
                    let (saved_at, enough) = (meter.acked(), Instant::now() + 2 * lasting);
                    sleep(lasting / 6).await;
                    while meter.acked() < saved_at + ENTRIES_OLDER {
                        ensure!(Instant::now() < enough, "too little traffic to make a copy of Redis old");
                        sleep(Duration::from_millis(50)).await;
                    }
                    order("kill redis").await?;
                    order("start redis").await?;
                }
            }
            Self::PostgresStopped => {
                sleep(lasting / 3).await;
                order("kill postgres").await?;
                let from = record::now();
                sleep(POSTGRES_STOPPED_FOR).await;
                outages.push((from, record::now()));
                order("start postgres").await?;
            }
            Self::Connections | Self::Twice => {}
        }
        tokio::time::sleep_until(end).await;
        Ok(outages)
    }
}

async fn kill_functions(chat: &TestChat, end: Instant) {
    let functions = chat.stack.functions().await;
    let mut ticks = interval(KILL_EVERY);
    while Instant::now() < end {
        ticks.tick().await;
        let mut processes = Vec::new();
        for function in &functions {
            processes.extend(chat.stack.processes(function).await);
        }
        // Every other time one that is at work, which hurts more.
        let busy: Vec<_> = processes.iter().filter(|process| process.busy).collect();
        let busy = busy.choose(&mut rand::rng()).copied().filter(|_| rand::rng().random_bool(0.5));
        if let Some(victim) = busy.or(processes.choose(&mut rand::rng())) {
            Stack::kill(victim);
        }
    }
}

/// Has a store broken or mended, and waits until it is.
async fn order(what: &str) -> Result<()> {
    let path = Settings::get().store_orders.as_ref();
    let path = path.context("TEST_STORE_ORDERS is not set: run this with `make faults`")?;
    let mut stream = BufReader::new(UnixStream::connect(path).await?);
    stream.write_all(format!("{what}\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_line(&mut answer).await?;
    ensure!(answer.trim() == "done", "{what}: {}", answer.trim());
    Ok(())
}
