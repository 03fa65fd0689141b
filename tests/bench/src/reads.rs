//! Reading a page of history over kept connections.

use std::time::Duration;

use anyhow::{Result, ensure};
use support::TestChat;

use crate::{heading, http, line, rate, socket, spread};

const CONNECTIONS: usize = 8;
const PAGE: usize = 50;

/// Measures and prints.
pub(crate) async fn measure(chat: &TestChat, lasting: Duration) -> Result<()> {
    heading("History of 50 messages over HTTP, 8 connections");
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    let (mut sender, mut acks) = socket::open(&chat.stack.websocket_url, &alice, &conversation).await?;
    for number in 0..PAGE {
        sender.send(&conversation, number).await?;
        acks.next_acks().await?;
    }
    let path = conversation.path("/messages");
    let (latencies, took) = http::read(chat, &alice, &path, CONNECTIONS, lasting, |body| {
        let read = socket::numbers(body).len();
        ensure!(read == PAGE, "a page has {read} messages");
        Ok(())
    })
    .await?;
    line("requests", &format!("{:>8}, {}", rate(latencies.len(), took), spread(&latencies)));
    Ok(())
}
