//! Somebody with many conversations, for what is read of all of them at once.

use anyhow::Result;
use serde_json::json;
use support::{Conversation, TestChat, User};

use crate::socket::{Receiver, Sender};

/// Sends under way.
const WINDOW: usize = 16;

/// Somebody, somebody else who writes to them, and the groups in which both are, with three more.
pub(crate) struct Many {
    pub(crate) reader: User,
    pub(crate) writer: User,
    pub(crate) conversations: Vec<Conversation>,
}

impl Many {
    pub(crate) async fn start(chat: &TestChat, count: usize) -> Self {
        let [reader, writer, a, b, c] = chat.users(["reader", "writer", "a", "b", "c"]).await;
        let others = json!({"participant_ids": [&writer.id, &a.id, &b.id, &c.id]});
        let mut conversations = Vec::with_capacity(count);
        for _ in 0..count {
            let started = reader.post("/api/v1/conversations", others.clone()).await;
            conversations.push(Conversation::read(&started.expect(201)));
        }
        Self { reader, writer, conversations }
    }

    /// Writes so many messages to each conversation.
    pub(crate) async fn write(&self, each: usize, (sender, acks): &mut (Sender, Receiver)) -> Result<()> {
        let total = each * self.conversations.len();
        let (mut sent, mut acked) = (0, 0);
        while acked < total {
            while sent < total && sent - acked < WINDOW {
                // One conversation after the other, so that none waits for the one before it.
                sender.send(&self.conversations[sent % self.conversations.len()], sent).await?;
                sent += 1;
            }
            acked += acks.next_acks().await?.1.len();
        }
        Ok(())
    }
}
