//! One conversation with a hundred connected participants, all of whom receive what one writes.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures_util::future;
use serde_json::json;
use support::{Conversation, TestChat};
use tokio::{sync::watch, task::JoinSet, time::timeout};

use crate::{heading, line, rate, socket};

const RECEIVERS: usize = 100;
const WINDOW: usize = 16;

/// Measures and prints.
pub(crate) async fn measure(chat: &TestChat, lasting: Duration) -> Result<()> {
    heading("One conversation, 100 connected receivers, one writes with window 16");
    let owner = chat.user("owner").await;
    let mut users = Vec::with_capacity(RECEIVERS);
    for _ in 0..RECEIVERS / 10 {
        users.extend(chat.users(["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]).await);
    }
    let ids: Vec<_> = users.iter().map(|user| &user.id).collect();
    let conversation = Conversation::read(
        &owner.post("/api/v1/conversations", json!({"participant_ids": ids})).await.expect(201),
    );
    let url = &chat.stack.websocket_url;
    let (mut sender, mut acks) = socket::open(url, &owner, &conversation).await?;
    let opened =
        future::try_join_all(users.iter().map(|user| socket::open(url, user, &conversation))).await?;
    let (total, watched) = watch::channel(None);

    let mut receiving = JoinSet::new();
    for (quiet, mut receiver) in opened {
        let mut total = watched.clone();
        receiving.spawn(async move {
            let _quiet = quiet;
            let (mut seen, mut arrived, mut last) = (Vec::new(), 0, Instant::now());
            loop {
                let numbers = tokio::select! {
                    biased;
                    numbers = timeout(Duration::from_secs(10), receiver.next_numbers()) => numbers.ok().transpose()?,
                    _ = total.changed() => Some(Vec::new()),
                };
                for number in numbers.iter().flatten().copied() {
                    if seen.len() <= number {
                        seen.resize(number + 1, false);
                    }
                    arrived += usize::from(!std::mem::replace(&mut seen[number], true));
                    last = Instant::now();
                }
                let expected: Option<usize> = *total.borrow();
                if expected.is_some_and(|expected| arrived >= expected) || numbers.is_none() {
                    return anyhow::Ok((arrived, last));
                }
            }
        });
    }

    let start = Instant::now();
    let (mut sent, mut acked) = (0, 0);
    while start.elapsed() < lasting || acked < sent {
        while sent - acked < WINDOW && start.elapsed() < lasting {
            sender.send(&conversation, sent).await?;
            sent += 1;
        }
        acked +=
            timeout(Duration::from_secs(10), acks.next_acks()).await.context("no ack for 10 s")??.1.len();
    }
    total.send_replace(Some(sent));
    let (mut deliveries, mut end, mut missing) = (0, start, 0);
    while let Some(outcome) = receiving.join_next().await {
        let (arrived, last) = outcome??;
        deliveries += arrived;
        missing += sent - arrived;
        end = end.max(last);
    }
    ensure!(deliveries > 0, "nothing was delivered");
    let took = end - start;
    line("messages", &format!("{:>8} acked", rate(acked, took)));
    line(
        "deliveries",
        &format!(
            "{:>8}, {deliveries} in {:.1} s, {missing} missing",
            rate(deliveries, took),
            took.as_secs_f64()
        ),
    );
    Ok(())
}
