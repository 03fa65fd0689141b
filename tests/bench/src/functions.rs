//! What a function costs by itself: its cold start, its size, its memory.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use support::{Settings, TestChat};
use tokio::{io::AsyncReadExt as _, net::TcpListener, time::timeout};

use crate::{heading, milliseconds, percentile, processes};

/// A port that nobody listens on.
const CLOSED: &str = "127.0.0.1:1";

/// Measures and prints.
pub(crate) async fn measure(chat: &TestChat, samples: usize) -> Result<()> {
    heading("Functions (cold start: exec to the first poll, median; memory: peak of the load so far)");
    println!(
        "  {:<16} {:>14} {:>14} {:>10} {:>12}",
        "", "stores up", "stores down", "stripped", "peak memory"
    );
    let peaks = peak_memory(chat).await;
    let bin_dir = &Settings::get().bin_dir;
    for binary in chat.stack.functions().await {
        let path = bin_dir.join(&binary);
        let up = (chat.stack.database_url.clone(), chat.stack.redis_url.clone());
        let down = (format!("postgres://nobody:nothing@{CLOSED}/none"), format!("redis://{CLOSED}"));
        let (up, down) = (cold_start(&path, &up, samples).await?, cold_start(&path, &down, samples).await?);
        let size = megabytes(fs::metadata(&path)?.len());
        let peak = peaks.get(&binary).map_or_else(|| "–".to_owned(), |bytes| megabytes(*bytes));
        println!("  {binary:<16} {:>14} {:>14} {size:>10} {peak:>12}", milliseconds(up), milliseconds(down));
    }
    Ok(())
}

/// The most memory that any process of each function ever had.
async fn peak_memory(chat: &TestChat) -> BTreeMap<String, u64> {
    let mut peaks = BTreeMap::new();
    for binary in chat.stack.functions().await {
        for process in chat.stack.processes(&binary).await {
            if let Some(bytes) = processes::peak_memory(process.pid) {
                let peak = peaks.entry(binary.clone()).or_insert(0);
                *peak = bytes.max(*peak);
            }
        }
    }
    peaks
}

async fn cold_start(binary: &Path, stores: &(String, String), samples: usize) -> Result<Duration> {
    let mut starts = Vec::with_capacity(samples);
    for _ in 0..samples {
        starts.push(one_cold_start(binary, stores).await?);
    }
    starts.sort_unstable();
    Ok(percentile(&starts, 0.5))
}

/// Starts a function against a Runtime API that only listens, until it asks for its first invocation.
async fn one_cold_start(binary: &Path, (database_url, redis_url): &(String, String)) -> Result<Duration> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let name = binary.file_name().unwrap_or_default();
    let mut command = Command::new(binary);
    command
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", &address)
        .env("AWS_LAMBDA_FUNCTION_NAME", name)
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", "bench")
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "bench")
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_ACCESS_KEY_ID", "bench")
        .env("AWS_SECRET_ACCESS_KEY", "bench")
        .env("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", format!("http://{CLOSED}/ws"))
        .env("AWS_LC_SYS_NO_JITTER_ENTROPY", "1")
        .env("AWS_ENDPOINT_URL_LAMBDA", format!("http://{CLOSED}"))
        .env("AWS_ENDPOINT_URL_SESV2", format!("http://{CLOSED}"))
        .env("FAN_OUT_FUNCTION", "fan-out")
        .env("MAIL_FUNCTION", "mail")
        .env("MAIL_FROM", "Chat <chat@example.com>")
        .env("WEBSOCKET_URL", format!("ws://{CLOSED}/ws"))
        .env("DATABASE_URL", database_url)
        .env("REDIS_URL", redis_url)
        .env("JWT_KEYS", &Settings::get().jwt_keys)
        .env("ENVIRONMENT", "development")
        .env("PUBLIC_URL", "http://localhost")
        .env("ALLOWED_ORIGINS", "http://localhost")
        .env("THROTTLE_MESSAGES", "10/60")
        .env("LOG_LEVEL", "error")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let start = Instant::now();
    let mut child = command.spawn().with_context(|| binary.display().to_string())?;
    let polled = timeout(Duration::from_secs(10), first_poll(&listener, start)).await;
    let _already_gone = child.kill();
    child.wait()?;
    polled.with_context(|| format!("{} never asked for an invocation", binary.display()))?
}

async fn first_poll(listener: &TcpListener, start: Instant) -> Result<Duration> {
    let (mut stream, _) = listener.accept().await?;
    let mut request = [0; 1024];
    let length = stream.read(&mut request).await?;
    let polled = start.elapsed();
    let request = String::from_utf8_lossy(&request[..length]);
    ensure!(request.contains("/invocation/next"), "its first request is {request:?}");
    Ok(polled)
}

fn megabytes(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "sizes stay far below 2^52")]
    let megabytes = bytes as f64 / 1_000_000.0;
    format!("{megabytes:.1} MB")
}
