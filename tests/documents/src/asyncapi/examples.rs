//! An example of each frame.

use serde_json::{Value, json};

const ADA: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
const GRACE: &str = "01890a5d-ac96-774b-bcce-b302099a8059";
const CONVERSATION: &str = "01890a5d-ac96-774b-bcce-b302099a805b";

/// Of the message with this key.
pub(super) fn of(key: &str) -> Value {
    let (kind, name) = key.split_once('.').expect("a key says what kind of frame it is");
    let frame = match kind {
        "command" => command(name),
        "answer" => answer(name),
        _ => event(name),
    };
    frame.unwrap_or_else(|| panic!("{key} has no example: write one"))
}

fn command(name: &str) -> Option<Value> {
    let mut frame = match name {
        "subscribe" => json!({ "conversations": { CONVERSATION: 11 }, "channels": { "general": null } }),
        "unsubscribe" => json!({ "conversations": [CONVERSATION] }),
        "history" => json!({ "conversation_id": CONVERSATION, "before": "12-0", "limit": 20 }),
        "message.send" => json!({
            "conversation_id": CONVERSATION,
            "content": "Hello",
            "metadata": { "mood": "fine" },
            "client_id": "3fd2c0ff",
            "reply_to": "11-0",
        }),
        "message.edit" => json!({
            "conversation_id": CONVERSATION,
            "message_id": "12-0",
            "content": "Hello, Grace",
            "client_id": "3fd2c100",
        }),
        "message.delete" | "read" => json!({ "conversation_id": CONVERSATION, "message_id": "12-0" }),
        "message.react" => {
            json!({ "conversation_id": CONVERSATION, "message_id": "12-0", "emoji": "👍", "on": true })
        }
        "typing" => json!({ "conversation_id": CONVERSATION, "active": true }),
        "ping" => json!({}),
        _ => return None,
    };
    frame["type"] = json!(name);
    frame["ref"] = json!("7");
    Some(frame)
}

fn answer(title: &str) -> Option<Value> {
    let mut frame = match title {
        "subscribed" => json!({
            "type": "subscribed",
            "conversations": { CONVERSATION: {
                "messages": [message("Hello"), event("reaction")],
                "through": 13,
                "complete": true,
                "role": "admin",
            } },
            "channels": { "general": CONVERSATION },
            "expires_at": "2026-01-02T05:04:05Z",
        }),
        "unsubscribed" => json!({ "type": "unsubscribed", "conversations": [CONVERSATION] }),
        "history" => json!({
            "type": "history",
            "conversation_id": CONVERSATION,
            "messages": [message("Hello")],
            "complete": false,
        }),
        "ack" => json!({ "type": "ack", "message": message("Hello"), "duplicate": false }),
        "ack.read" => json!({ "type": "ack", "message_id": "12-0" }),
        "pong" => json!({
            "type": "pong",
            "heads": { CONVERSATION: 13 },
            "expires_at": "2026-01-02T05:04:05Z",
            "resync": false,
        }),
        "platform" => {
            return Some(json!({
                "message": "Internal server error",
                "connectionId": "L0SM9cOFvHcCIhw=",
                "requestId": "AntAdOhx8h5Cuc0=",
            }));
        }
        "error" => json!({
            "type": "error",
            "code": "INVALID",
            "message": "The input is invalid.",
            "errors": [{ "field": "conversation_id", "message": "must be a UUID" }],
        }),
        _ => return None,
    };
    frame["ref"] = json!("7");
    Some(frame)
}

fn event(name: &str) -> Option<Value> {
    let mut frame = match name {
        "message" => logged(12, json!({ "message": message("Hello") })),
        "message.updated" => {
            let mut edited = message("Hello, Grace");
            edited["edited_at"] = json!("2026-01-02T03:04:07Z");
            logged(13, json!({ "message": edited }))
        }
        "message.deleted" => {
            let mut deleted = message("");
            deleted["content"] = Value::Null;
            deleted["metadata"] = Value::Null;
            deleted["deleted_at"] = json!("2026-01-02T03:04:07Z");
            logged(13, json!({ "message": deleted }))
        }
        "reaction" => {
            logged(13, json!({ "message_id": "12-0", "user_id": GRACE, "emoji": "👍", "on": true }))
        }
        "participant.added" => logged(13, json!({ "participant": participant("member") })),
        "participant.updated" => logged(13, json!({ "participant": participant("admin") })),
        "participant.removed" => logged(13, json!({ "user_id": GRACE, "by": ADA })),
        "conversation.updated" => {
            logged(13, json!({ "conversation": { "id": CONVERSATION, "name": "Analytical engines" } }))
        }
        "conversation.deleted" => logged(13, json!({})),
        "typing" => json!({ "user_id": GRACE, "user_name": "Grace Hopper", "active": true }),
        "read" => json!({ "user_id": GRACE, "message_id": "12-0" }),
        "presence" => json!({ "user_id": GRACE, "online": false, "last_seen": "2026-01-02T03:04:07Z" }),
        "lag" => json!({ "latest": 13 }),
        "batch" => return Some(json!({ "type": "batch", "frames": [event("message"), event("reaction")] })),
        _ => return None,
    };
    frame["type"] = json!(name);
    frame["conversation_id"] = json!(CONVERSATION);
    Some(frame)
}

/// An event that changed the log.
fn logged(seq: u64, mut fields: Value) -> Value {
    fields["seq"] = json!(seq);
    fields["created_at"] = json!("2026-01-02T03:04:07Z");
    fields
}

fn message(content: &str) -> Value {
    json!({
        "id": "12-0",
        "seq": 12,
        "conversation_id": CONVERSATION,
        "user_id": ADA,
        "user_name": "Ada Lovelace",
        "user_email": "ada@example.com",
        "content": content,
        "metadata": { "mood": "fine" },
        "client_id": "3fd2c0ff",
        "reply_to": "11-0",
        "reactions": [],
        "created_at": "2026-01-02T03:04:06Z",
        "edited_at": null,
        "deleted_at": null,
    })
}

fn participant(role: &str) -> Value {
    json!({
        "user_id": GRACE,
        "user_name": "Grace Hopper",
        "user_email": "grace@example.com",
        "role": role,
        "joined_at": "2026-01-02T03:04:05Z",
    })
}
