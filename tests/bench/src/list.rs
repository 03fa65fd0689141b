//! Listing conversations, each with its last message, participants and how much is unread.

use std::time::Duration;

use anyhow::{Result, ensure};
use support::TestChat;

use crate::{heading, http, line, many::Many, rate, socket, spread};

const CONNECTIONS: usize = 16;
/// Messages in each conversation, all of them unread.
const MESSAGES: usize = 50;
/// As many as a page can have.
const MOST: usize = 100;

/// Measures and prints.
pub(crate) async fn measure(chat: &TestChat, lasting: Duration, conversations: usize) -> Result<()> {
    ensure!(conversations <= MOST, "a page has at most {MOST} conversations");
    heading(&format!(
        "List of {conversations} conversations over HTTP, {MESSAGES} messages and 5 participants in each, {CONNECTIONS} connections"
    ));
    let many = Many::start(chat, conversations).await;
    let mut writer = socket::connect(&chat.stack.websocket_url, &many.writer, None).await?;
    many.write(MESSAGES, &mut writer).await?;
    let listed = many.reader.get("/api/v1/conversations?limit=100").await.expect(200);
    let items = listed["items"].as_array().map_or(&[][..], Vec::as_slice);
    let whole =
        items.iter().filter(|item| item["unread_count"] == MESSAGES && item["last_message"].is_object());
    ensure!(whole.count() == conversations, "the list is not what was written");

    let path = "/api/v1/conversations?limit=100";
    let unread = format!("\"unread_count\":{MESSAGES},");
    let (latencies, took) = http::read(chat, &many.reader, path, CONNECTIONS, lasting, move |body| {
        let listed = body.matches(&unread).count();
        ensure!(listed == conversations, "the list has {listed} of {conversations} conversations");
        Ok(())
    })
    .await?;
    line("requests", &format!("{:>8} (aim 600/s), {}", rate(latencies.len(), took), spread(&latencies)));
    Ok(())
}
