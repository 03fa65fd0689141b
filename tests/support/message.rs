//! A message as clients see it.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A message with every field of the contract.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Message {
    /// Its stream entry id, `<seq>-0`.
    pub id: String,
    /// Its place in the conversation's log.
    pub seq: u64,
    /// Where it was said.
    pub conversation_id: String,
    /// Who said it.
    pub user_id: Option<String>,
    /// The sender's name.
    pub user_name: String,
    /// The sender's e-mail.
    pub user_email: Option<String>,
    /// What was said; empty in a tombstone.
    #[serde(deserialize_with = "text_or_nothing")]
    pub content: String,
    /// What the client attached.
    pub metadata: Value,
    /// The sender's own name for it.
    pub client_id: Option<String>,
    /// The message it answers.
    pub reply_to: Option<String>,
    /// Who reacted how.
    pub reactions: Vec<Value>,
    /// When it was committed.
    pub created_at: String,
    /// When it was last changed.
    pub edited_at: Option<String>,
    /// When it was deleted.
    pub deleted_at: Option<String>,
}

impl Message {
    /// Reads a message, of which every field must be there, null or not.
    #[track_caller]
    pub fn read(json: &Value) -> Self {
        const FIELDS: [&str; 14] = [
            "id",
            "seq",
            "conversation_id",
            "user_id",
            "user_name",
            "user_email",
            "content",
            "metadata",
            "client_id",
            "reply_to",
            "reactions",
            "created_at",
            "edited_at",
            "deleted_at",
        ];
        for field in FIELDS {
            assert!(json.get(field).is_some(), "a message has {field}: {json}");
        }
        let message: Self =
            serde_json::from_value(json.clone()).unwrap_or_else(|err| panic!("{err}: {json}"));
        assert_eq!(message.id, format!("{}-0", message.seq), "the id is the sequence number's: {json}");
        message
    }
}

/// A page of a conversation's history.
#[derive(Debug)]
pub struct Page {
    /// The messages, in their order.
    pub items: Vec<Message>,
    /// The id to pass on for the page after, if there is one.
    pub next: Option<String>,
}

/// The messages of a `subscribed` or `history` answer's list, in which other entries stand as their events.
#[track_caller]
pub fn messages_in(entries: &Value) -> Vec<Message> {
    let entries = entries.as_array().unwrap_or_else(|| panic!("a list of entries: {entries}"));
    entries.iter().filter(|entry| entry.get("type").is_none()).map(Message::read).collect()
}

fn text_or_nothing<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
