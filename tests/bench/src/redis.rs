//! What a send costs Redis, by its own account.
//!
//! Two readings are compared, so that nothing of the server is reset. Redis counts what a script calls both in the
//! script's time and as commands of their own.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use hyper::Uri;
use support::TestChat;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

use crate::{
    heading,
    ledger::Told,
    line,
    meeting::{Meeting, Plan},
    rate,
};

/// Sends under way when they are not one at a time.
const WINDOW: usize = 16;

/// Measures and prints.
pub(crate) async fn measure(chat: &TestChat, lasting: Duration, members: usize) -> Result<()> {
    heading(&format!("Redis' time per send, one conversation, {members} connected (aim at most 60 µs)"));
    let mut meeting = Meeting::convene(chat, Plan::all(members)).await?;
    for (what, window) in [("one send at a time", 1), ("16 sends under way", WINDOW)] {
        let before = Usage::read(&chat.stack.redis_url).await?;
        let (already, start) = (meeting.acked, Instant::now());
        for _ in 0..window {
            meeting.say(0)?;
        }
        while start.elapsed() < lasting {
            if let Some(Told::Acked { .. }) = meeting.next(start + lasting).await? {
                meeting.say(0)?;
            }
        }
        meeting.until_acked().await?;
        let (sends, took) = (meeting.acked - already, start.elapsed());
        // The last round may still be under way.
        meeting.until_whole(meeting.sent()).await?;
        let after = Usage::read(&chat.stack.redis_url).await?;
        ensure!(sends > 0, "nothing was acked");
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
        let per_send = |used: fn(&Usage) -> f64| (used(&after) - used(&before)) / sends as f64;
        line(
            what,
            &format!(
                "{:>8} acked; all commands {:.1} µs (their calls in scripts count twice), scripts {:.1} µs; process {:.1} µs of CPU",
                rate(sends, took),
                per_send(|usage| usage.commands),
                per_send(|usage| usage.scripts),
                per_send(|usage| usage.process),
            ),
        );
        let total = meeting.settle(0..members).await?;
        line("", &total.account());
    }
    meeting.end(chat).await
}

/// Microseconds since Redis started.
struct Usage {
    /// Of all commands.
    commands: f64,
    /// Of scripts, with all that they call.
    scripts: f64,
    /// Of the processor.
    process: f64,
}

impl Usage {
    async fn read(url: &str) -> Result<Self> {
        let stats = info(url, "commandstats").await?;
        let of = |name: &str| {
            let lines = stats.lines().filter(move |line| line.starts_with(name));
            lines.filter_map(|line| field(line, "usec=")).sum::<f64>()
        };
        let cpu = info(url, "cpu").await?;
        let seconds = |name: &str| cpu.lines().find_map(|line| field(line, name));
        let (user, system) = (seconds("used_cpu_user:"), seconds("used_cpu_sys:"));
        Ok(Self {
            commands: of("cmdstat_"),
            scripts: of("cmdstat_eval"),
            process: (user.context("no used_cpu_user")? + system.context("no used_cpu_sys")?) * 1e6,
        })
    }
}

/// The number behind a name in a line.
fn field(line: &str, name: &str) -> Option<f64> {
    let rest = line.split_once(name)?.1;
    rest.split(',').next()?.trim().parse().ok()
}

/// A section of `INFO`.
async fn info(url: &str, section: &str) -> Result<String> {
    let url: Uri = url.parse()?;
    let (host, port) = (url.host().context("the Redis URL has a host")?, url.port_u16().unwrap_or(6379));
    let mut stream = BufReader::new(TcpStream::connect((host, port)).await?);
    stream.write_all(format!("INFO {section}\r\n").as_bytes()).await?;
    let mut length = String::new();
    stream.read_line(&mut length).await?;
    let bytes = length.strip_prefix('$').with_context(|| format!("INFO was answered with {length}"))?;
    let mut text = vec![0; bytes.trim().parse()?];
    stream.read_exact(&mut text).await?;
    Ok(String::from_utf8(text)?)
}
