//! Coming back to many conversations, in each of which something was missed.

use std::{
    collections::{BTreeMap, HashSet},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use support::TestChat;

use crate::{
    heading, line,
    many::Many,
    rate,
    socket::{self, Receiver, Sender},
    spread,
};

/// Messages missed in each conversation.
const MISSED: usize = 20;

/// What it took to bring everything.
#[derive(Default)]
struct Resumed {
    requests: Vec<Duration>,
    bytes: usize,
    messages: HashSet<String>,
}

/// Measures and prints.
pub(crate) async fn measure(chat: &TestChat, lasting: Duration, conversations: usize) -> Result<()> {
    heading(&format!(
        "One connection subscribes again to {conversations} conversations, {MISSED} messages missed in each"
    ));
    let many = Many::start(chat, conversations).await;
    let url = &chat.stack.websocket_url;
    let last = positions(&mut socket::connect(url, &many.reader, None).await?, &many).await?;
    many.write(MISSED, &mut socket::connect(url, &many.writer, None).await?).await?;

    let mut connection = socket::connect(url, &many.reader, None).await?;
    let (mut requests, mut resumes, mut bytes) = (Vec::new(), Vec::new(), 0);
    let start = Instant::now();
    while start.elapsed() < lasting {
        let began = Instant::now();
        let whole = resume(&mut connection, last.clone()).await?;
        resumes.push(began.elapsed());
        let (brought, missed) = (whole.messages.len(), MISSED * conversations);
        ensure!(brought == missed, "{brought} of {missed} messages were brought");
        requests.extend(whole.requests);
        bytes = whole.bytes;
    }
    let took = start.elapsed();
    let (asked, done) = (requests.len(), resumes.len());
    requests.sort_unstable();
    resumes.sort_unstable();
    line("requests", &format!("{:>8}, {}", rate(asked, took), spread(&requests)));
    line(
        "until all is complete",
        &format!(
            "{:>8}, {}; {} requests, {} KB",
            rate(done, took),
            spread(&resumes),
            asked / done,
            bytes / 1000
        ),
    );
    Ok(())
}

/// How far each conversation goes now.
async fn positions(connection: &mut (Sender, Receiver), many: &Many) -> Result<BTreeMap<String, u64>> {
    let all: BTreeMap<_, Option<u64>> = many.conversations.iter().map(|one| (&one.id, None)).collect();
    let (_, answer) = subscribe(connection, json!(all)).await?;
    let through = |(id, of_it): (&String, &Value)| Some((id.clone(), of_it["through"].as_u64()?));
    let positions: BTreeMap<_, _> = answer.as_object().into_iter().flatten().filter_map(through).collect();
    ensure!(positions.len() == many.conversations.len(), "not all conversations were answered");
    Ok(positions)
}

/// Subscribes, and again from where an answer was full, until all is complete.
async fn resume(connection: &mut (Sender, Receiver), mut last: BTreeMap<String, u64>) -> Result<Resumed> {
    let mut resumed = Resumed::default();
    while !last.is_empty() {
        let asked = Instant::now();
        let (bytes, answer) = subscribe(connection, json!(last)).await?;
        resumed.requests.push(asked.elapsed());
        resumed.bytes += bytes;
        for (id, of_it) in answer.as_object().into_iter().flatten() {
            let messages = of_it["messages"].as_array().into_iter().flatten();
            resumed.messages.extend(messages.map(|message| format!("{id} {}", message["seq"])));
            if of_it["complete"] == true {
                last.remove(id);
            } else {
                last.insert(id.clone(), of_it["through"].as_u64().context("it tells how far it goes")?);
            }
        }
    }
    Ok(resumed)
}

/// The length of the answer, and what it says of each conversation.
async fn subscribe((sender, receiver): &mut (Sender, Receiver), last: Value) -> Result<(usize, Value)> {
    sender.send_text(json!({"type": "subscribe", "conversations": last}).to_string()).await?;
    let frame = receiver.next_frame().await?;
    let mut answer: Value = serde_json::from_str(&frame)?;
    ensure!(answer["type"] == "subscribed", "subscribing was answered with {frame}");
    Ok((frame.len(), answer["conversations"].take()))
}
