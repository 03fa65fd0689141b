//! Many who write into one conversation as fast as they are answered.

use std::time::{Duration, Instant};

use anyhow::Result;
use support::TestChat;

use crate::{
    heading,
    ledger::Told,
    line,
    meeting::{Meeting, Plan},
    rate,
};

/// Measures and prints.
pub(crate) async fn measure(
    chat: &TestChat,
    lasting: Duration,
    senders: &[usize],
    window: usize,
) -> Result<()> {
    heading(&format!(
        "One conversation, many writers, each with {window} sends under way (aim 4,000/s acked)"
    ));
    for &count in senders {
        let unheard = Plan { members: count + 1, listeners: 1, slow: 0 };
        run(chat, lasting, count, window, unheard, &format!("{count} writers, one other member listens"))
            .await?;
        run(chat, lasting, count, window, Plan::all(count), &format!("{count} writers, all of them listen"))
            .await?;
    }
    Ok(())
}

async fn run(
    chat: &TestChat,
    lasting: Duration,
    senders: usize,
    window: usize,
    plan: Plan,
    what: &str,
) -> Result<()> {
    let mut meeting = Meeting::convene(chat, plan).await?;
    let before = meeting.acked;
    let start = Instant::now();
    for by in (0..senders).cycle().take(senders * window) {
        meeting.say(by)?;
    }
    while start.elapsed() < lasting {
        if let Some(Told::Acked { by }) = meeting.next(start + lasting).await? {
            meeting.say(by)?;
        }
    }
    // What is acked in this time counts; what is under way does not.
    let (acked, took) = (meeting.acked - before, start.elapsed());
    let total = meeting.settle(plan.members - plan.listeners..plan.members).await?;
    line(what, &format!("{:>8} acked; receipt {}; {}", rate(acked, took), total.receipt(), total.account()));
    meeting.end(chat).await
}
