//! One conversation in which everybody writes.

use std::time::{Duration, Instant};

use anyhow::Result;
use support::TestChat;
use tokio::time::interval;

use crate::{
    heading, line,
    meeting::{Meeting, Plan},
    rate,
};

/// Measures and prints.
pub(crate) async fn measure(chat: &TestChat, lasting: Duration, members: usize, rates: &[u32]) -> Result<()> {
    heading(&format!(
        "One conversation, {members} connected members, all of whom write (from the send to each receipt)"
    ));
    let mut meeting = Meeting::convene(chat, Plan::all(members)).await?;
    for &per_second in rates {
        let before = meeting.acked;
        let start = Instant::now();
        // A tick that comes late is made up for: the load does not depend on how it is taken.
        let mut ticks = interval(Duration::from_secs(1) / per_second.max(1));
        let mut next = 0;
        while start.elapsed() < lasting {
            let until = start + lasting;
            tokio::select! {
                _ = ticks.tick() => {
                    meeting.say(next % members)?;
                    next += 1;
                }
                told = meeting.next(until) => drop(told?),
            }
        }
        meeting.until_acked().await?;
        let (acked, took) = (meeting.acked - before, start.elapsed());
        let total = meeting.settle(0..members).await?;
        line(
            &format!("{per_second} messages/s"),
            &format!("{:>8} acked; receipt {}; {}", rate(acked, took), total.receipt(), total.account()),
        );
    }
    meeting.end(chat).await
}
