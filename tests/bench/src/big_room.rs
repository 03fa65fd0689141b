//! One conversation with as many connected members as one may have.

use std::time::{Duration, Instant};

use anyhow::Result;
use support::TestChat;

use crate::{
    heading, line,
    meeting::{Meeting, Plan, Total},
    rate, spread,
};

/// How many messages are sent at once, each by another member.
const BURST: usize = 20;

/// Measures and prints.
pub(crate) async fn measure(chat: &TestChat, lasting: Duration, members: usize) -> Result<()> {
    heading(&format!(
        "One conversation, {members} connected members; the next is sent when all have the one before"
    ));
    let mut meeting = Meeting::convene(chat, Plan::all(members)).await?;
    for (what, size, aim, most_frames) in
        [("one by one", 1, "10,000/s", ""), ("in bursts of 20", BURST, "50,000/s", " (aim 0.2)")]
    {
        let (took, mut to_last, total) = rounds(&mut meeting, lasting, size).await?;
        to_last.sort_unstable();
        line(
            what,
            &format!("{:>8} deliveries (aim {aim}), {}", rate(total.deliveries(), took), total.account()),
        );
        line("", &format!("from the send to the last receipt {}", spread(&to_last)));
        line("", &format!("{:.2} frames per delivery{most_frames}", total.frames_per_delivery()));
    }
    meeting.end(chat).await
}

/// Bursts one after another: how long all of them took, how long each took to reach the last member, what was heard.
async fn rounds(
    meeting: &mut Meeting,
    lasting: Duration,
    size: usize,
) -> Result<(Duration, Vec<Duration>, Total)> {
    let (start, mut end, mut to_last) = (Instant::now(), Instant::now(), Vec::new());
    let mut next = 0;
    while start.elapsed() < lasting {
        let sent_at = Instant::now();
        for _ in 0..size.min(meeting.size()) {
            meeting.say(next % meeting.size())?;
            next += 1;
        }
        // A burst that is not whole when it is quiet has lost something: that is counted when all have settled.
        if let Some(at) = meeting.until_whole(meeting.sent()).await? {
            to_last.push(at - sent_at);
        }
        end = Instant::now();
    }
    let total = meeting.settle(0..meeting.size()).await?;
    Ok((end - start, to_last, total))
}
