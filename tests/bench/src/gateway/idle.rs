//! Connections that say nothing: what each costs the gateway, and whether it is still there.

use anyhow::{Context as _, Result};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{Served, allow_open_files, websocket::Socket};
use crate::{line, processes};

/// How many are opened, and later asked, at one time.
const AT_ONCE: usize = 64;

/// Files that are open besides.
const OTHERS: usize = 100;

/// Measures and prints, on a gateway that has no memory left over from another load.
pub(super) async fn measure(concurrency: u16, connections: usize) -> Result<()> {
    let what = format!("{connections} idle WebSockets");
    if let Err(problem) = allow_open_files(connections + OTHERS) {
        line(&what, &format!("not measured: {problem}"));
        return Ok(());
    }
    let served = Served::start(concurrency)?;
    Socket::open(&served.websocket_url).await?.ask().await?;
    let memory = || processes::memory(served.pid()).context("the gateway's memory is not told");
    let before = memory()?;
    let opening = stream::iter(0..connections).map(|_| Socket::open(&served.websocket_url));
    let sockets: Vec<_> = opening.buffer_unordered(AT_ONCE).try_collect().await?;
    let after = memory()?;
    let asking = stream::iter(sockets).map(async |mut socket: Socket| {
        socket.ask().await?;
        anyhow::Ok(socket)
    });
    let _all_answer: Vec<_> = asking.buffer_unordered(AT_ONCE).try_collect().await?;
    #[expect(clippy::cast_precision_loss, reason = "sizes stay far below 2^52")]
    let each = after.saturating_sub(before) as f64 / connections as f64 / 1024.0;
    line(&what, &format!("{each:.1} KiB of the gateway's memory each; all get an answer then"));
    Ok(())
}
