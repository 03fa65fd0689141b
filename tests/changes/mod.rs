//! Changing what was said: edits, deletions, reactions. Each is an entry of the log, and the message is shown as it is
//! now wherever it is read.

mod deletions;
mod edits;
mod reactions;

use serde_json::{Value, json};
use support::{Conversation, Message, TestChat, User, messages_in};
use uuid::Uuid;

/// Holds what every way of reading shows against all messages of a conversation, in every state of what Redis knows.
async fn assert_shown_everywhere(chat: &TestChat, reader: &User, messages: &[Message]) {
    let conversation = messages[0].conversation();
    assert_read(reader, &conversation, messages, "from the stream").await;
    chat.stack.trim_stream(&conversation, 1).await;
    assert_read(reader, &conversation, messages, "from the archive").await;
    chat.stack.evict(&conversation).await;
    assert_read(reader, &conversation, messages, "after an eviction").await;
}

async fn assert_read(reader: &User, conversation: &Conversation, messages: &[Message], when: &str) {
    let (first, last) = (&messages[0], messages.last().unwrap());
    let page = async |query: String| reader.history_page(conversation, &query).await.items;
    assert_eq!(page("?limit=100".to_owned()).await, messages, "{when}");
    assert_eq!(page(format!("?from={}", first.id)).await, messages[1..], "{when}");
    assert_eq!(page(format!("?before={}", last.id)).await, messages[..messages.len() - 1], "{when}");

    let mut connection = reader.connect().await;
    let history = json!({"type": "history", "conversation_id": conversation.id});
    let history = connection.request(history).await;
    assert_eq!(messages_in(&history["messages"]), messages, "{when}");
    for last_seq in [None, Some(0)] {
        let subscribed = connection.subscribe_from(conversation, last_seq).await;
        assert_eq!(messages_in(&subscribed["messages"]), messages, "{when}, resuming from {last_seq:?}");
    }
    connection.close().await;

    let listed = reader.details(conversation).await;
    assert_eq!(Message::read(&listed["last_message"]), *last, "{when}");
}

/// Ids that name no message of a conversation: none at all, a later one, and an entry that is no message.
async fn ids_of_no_message(admin: &User, conversation: &Conversation) -> [String; 2] {
    admin.rename(conversation, &Uuid::new_v4().to_string()).await.expect(200);
    let renamed = admin.details(conversation).await["last_seq"].as_u64().unwrap();
    ["999999-0".to_owned(), format!("{renamed}-0")]
}

fn seq(event: &Value) -> u64 {
    event["seq"].as_u64().unwrap_or_else(|| panic!("an event of the log has a seq: {event}"))
}
