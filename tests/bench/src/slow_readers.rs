//! Members who stop reading, and what the others notice of it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use support::TestChat;
use tokio::time::interval;

use crate::{
    heading, line,
    meeting::{Meeting, Plan, Total},
    milliseconds, percentile,
};

/// One in so many stops.
const SLOW_SHARE: usize = 10;
/// Messages by which everything between the gateway and somebody who does not read is full: 2 MB and more.
const FILLING: usize = 256;
/// The longest that a message may be, in letters of four bytes.
const LONG: usize = 1900;
/// Long messages under way.
const WINDOW: usize = 4;

/// Measures and prints.
pub(crate) async fn measure(
    chat: &TestChat,
    lasting: Duration,
    members: usize,
    per_second: u32,
) -> Result<()> {
    let slow = (members / SLOW_SHARE).max(1);
    let others = members.saturating_sub(slow);
    ensure!(others >= 2, "{members} members are too few");
    heading(&format!("One conversation, {members} connected, {per_second} messages/s, {slow} stop reading"));
    let mut meeting = Meeting::convene(chat, Plan { slow, ..Plan::all(members) }).await?;
    // Both times after the same long messages, which all read the first time and the slow ones leave the second time.
    fill(&mut meeting, members).await?;
    let undisturbed = talk(&mut meeting, lasting, others, per_second).await?;
    // What the slow ones heard while they still read is not part of what they have to catch up with.
    meeting.settle(others..members).await?;

    (others..members).for_each(|place| meeting.stop_reading(place));
    fill(&mut meeting, others).await?;
    let disturbed = talk(&mut meeting, lasting, others, per_second).await?;
    let p99 = |total: &Total| percentile(&total.latencies, 0.99);
    let (before, after) = (p99(&undisturbed), p99(&disturbed));
    line(
        &format!("the {others} others while all read"),
        &format!("receipt {}; {}", undisturbed.receipt(), undisturbed.account()),
    );
    line(
        &format!("the {others} others while {slow} do not"),
        &format!("receipt {}; {}", disturbed.receipt(), disturbed.account()),
    );
    line(
        "p99 of the others, by what it was",
        &format!("{:.2} (aim at most 1.3)", after.as_secs_f64() / before.as_secs_f64()),
    );

    let start = Instant::now();
    (others..members).for_each(|place| meeting.read_again(place));
    let caught_up = meeting.catch_up(others..members).await?;
    // Without this they would have been as quick as the others, and nothing would have been measured.
    ensure!(caught_up.fetched > 0, "those who did not read were pushed everything all the same");
    line(
        &format!("the {slow} read again"),
        &format!("up to date after {}; {}", milliseconds(start.elapsed()), caught_up.account()),
    );
    meeting.end(chat).await
}

/// Long messages until whoever does not read takes no more; what these others heard of them is not measured.
async fn fill(meeting: &mut Meeting, others: usize) -> Result<()> {
    let more = Arc::from("\u{1F4D6}".repeat(LONG));
    let mut under_way = 0;
    for _ in 0..FILLING {
        meeting.say_with(0, &more)?;
        under_way += 1;
        if under_way == WINDOW {
            meeting.until_acked().await?;
            under_way = 0;
        }
    }
    meeting.settle(0..others).await?;
    Ok(())
}

/// One member writes steadily; what the first so many heard.
async fn talk(meeting: &mut Meeting, lasting: Duration, others: usize, per_second: u32) -> Result<Total> {
    let start = Instant::now();
    let mut ticks = interval(Duration::from_secs(1) / per_second.max(1));
    while start.elapsed() < lasting {
        tokio::select! {
            _ = ticks.tick() => drop(meeting.say(0)?),
            told = meeting.next(start + lasting) => drop(told?),
        }
    }
    meeting.settle(0..others).await
}
