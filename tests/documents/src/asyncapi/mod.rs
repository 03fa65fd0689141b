//! The AsyncAPI document: every frame, by the type that it is read from or written as. As AsyncAPI has it, the server
//! speaks: it receives commands and sends answers and events.

mod examples;
mod payloads;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use shared::protocol::{self, COMMANDS};

use self::payloads::{Schemas, alternatives};

/// The one channel: there is one kind of connection.
const CHANNEL: &str = "connection";
/// The key of the one answer that every command may get from a function,
const ERROR: &str = "answer.error";
/// and of what the platform answers in place of one.
const PLATFORM: &str = "answer.platform";

const DESCRIPTION: &str = "\
The WebSocket of the chat. This document speaks for the server: it receives commands and sends their answers, and \
events that nobody asked for. `/openapi.json` describes the HTTP API.

Frames are JSON objects with a `type`, text only; those of clients at most 32 KiB. A command may carry a `ref`, which \
its answer repeats. Commands that are sent without waiting may be handled in any order. Unknown fields are ignored; \
more fields and more types of events may come.

Every event that changes the log of a conversation takes the next `seq`. Keep the last one of each conversation: apply \
`last + 1`, drop what is not above `last`, and `subscribe` from `last` when one is skipped or when a head in `pong` \
differs.

The connection is refused with 401 without good credentials, 403 from a foreign origin or of a disabled account, 404 when a \
conversation that is named is not the caller's, and 500 or 503 like any request. It is closed with 1000 after signing out and when the same person opens a 21st one, 1001 \
after 10 minutes of silence or 2 hours, 1003 for a binary frame, 1009 for one too large.";

/// The document.
pub fn document() -> Value {
    let mut schemas = Schemas::new();
    let mut messages = BTreeMap::new();
    let mut operations = Map::new();

    let sent = protocol::sent();
    let answers = alternatives(&mut schemas, sent.answers);
    for (title, payload) in answers.into_iter().chain(alternatives(&mut schemas, sent.error)) {
        messages.insert(format!("answer.{title}"), message(&format!("answer.{title}"), &payload));
    }
    messages.insert(PLATFORM.to_owned(), of_platform());
    for command in COMMANDS {
        let key = format!("command.{}", command.name);
        let payload = payloads::command(&mut schemas, command.name, (command.fields)());
        let answer = command.answer.map(|title| format!("answer.{title}"));
        let replies = answer.iter().map(String::as_str).chain([ERROR, PLATFORM]);
        let operation = json!({
            "action": "receive",
            "channel": { "$ref": format!("#/channels/{CHANNEL}") },
            "summary": payload["description"],
            "messages": [in_channel(&key)],
            "reply": {
                "channel": { "$ref": format!("#/channels/{CHANNEL}") },
                "messages": replies.map(in_channel).collect::<Vec<_>>(),
            },
        });
        operations.insert(key.clone(), operation);
        messages.insert(key.clone(), message(&key, &payload));
    }
    for event in sent.events {
        for (title, payload) in alternatives(&mut schemas, event) {
            let key = format!("event.{title}");
            let operation = json!({
                "action": "send",
                "channel": { "$ref": format!("#/channels/{CHANNEL}") },
                "summary": payload["description"],
                "messages": [in_channel(&key)],
            });
            operations.insert(key.clone(), operation);
            messages.insert(key.clone(), message(&key, &payload));
        }
    }

    let channel: Map<_, _> = messages
        .keys()
        .map(|key| (key.clone(), json!({ "$ref": format!("#/components/messages/{key}") })))
        .collect();
    let document = json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Chat",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": { "name": "MIT" },
        },
        "defaultContentType": "application/json",
        "servers": servers(),
        "channels": { CHANNEL: {
            "address": "/ws",
            "description": "A connection of one person.",
            "messages": channel,
            "bindings": { "ws": handshake() },
        } },
        "operations": operations,
        "components": {
            "messages": messages,
            "schemas": schemas,
            "securitySchemes": security_schemes(),
        },
    });
    payloads::without_unused_schemas(document)
}

/// A message, whose key begins with what kind of frame it is.
fn message(key: &str, payload: &Value) -> Value {
    let mut message = json!({
        "name": payload["properties"]["type"]["enum"][0],
        "title": payload["title"],
        "summary": payload["description"],
        "examples": [{ "payload": examples::of(key) }],
        "payload": payload,
    });
    if !key.starts_with("event.") {
        message["correlationId"] = json!({ "location": "$message.payload#/ref" });
    }
    message
}

/// The one frame without a type, which no function writes (API Gateway Developer Guide, "Set up a WebSocket API integration
/// response").
fn of_platform() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    json!({
        "name": "platform",
        "title": "platform",
        "summary": "The platform failed or was too busy; what became of the command is open, so send it again with the same `client_id`.",
        "examples": [{ "payload": examples::of(PLATFORM) }],
        "payload": {
            "type": "object",
            "properties": {
                "message": text("Why, in a few words."),
                "connectionId": text("The connection."),
                "requestId": text("The request, also in the log."),
            },
            "required": ["message", "connectionId", "requestId"],
            "not": { "required": ["type"] },
        },
    })
}

fn in_channel(key: &str) -> Value {
    json!({ "$ref": format!("#/channels/{CHANNEL}/messages/{key}") })
}

fn servers() -> Value {
    let security = ["ticket", "bearer", "subprotocol", "token"]
        .map(|name| json!({ "$ref": format!("#/components/securitySchemes/{name}") }));
    json!({
        "aws": {
            "host": "{api}.execute-api.{region}.amazonaws.com",
            "protocol": "wss",
            "description": "On AWS, unless it has a domain of its own: `url` of a ticket says where to connect.",
            "variables": {
                "api": { "description": "The id of the WebSocket API." },
                "region": { "description": "Where it is deployed.", "examples": ["eu-central-1"] },
            },
            "security": security,
        },
        "local": {
            "host": "localhost:8080",
            "protocol": "ws",
            "description": "On the developer's machine.",
            "security": security,
        },
    })
}

/// How a client says who it is, in the order in which the server looks.
fn security_schemes() -> Value {
    json!({
        "ticket": {
            "type": "httpApiKey", "in": "query", "name": "ticket",
            "description": "A ticket of `POST /api/v1/auth/ws-ticket`, for one connection within 60 s.",
        },
        "bearer": {
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "An access token in the `Authorization` header.",
        },
        "subprotocol": {
            "type": "httpApiKey", "in": "header", "name": "Sec-WebSocket-Protocol",
            "description": "`bearer, <access token>`, as browsers can; the server chooses `bearer`.",
        },
        "token": {
            "type": "httpApiKey", "in": "query", "name": "token",
            "description": "An access token in the address, where nothing else is possible.",
        },
    })
}

/// What the handshake may carry.
fn handshake() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    json!({
        "method": "GET",
        "query": {
            "type": "object",
            "properties": {
                "ticket": text("A ticket."),
                "token": text("An access token."),
                "conversation_id": {
                    "type": "string",
                    "format": "uuid",
                    "description": "A conversation to subscribe to at once; may be repeated.",
                },
                "channel": text("The name of a channel to subscribe to at once; may be repeated."),
            },
        },
        "headers": {
            "type": "object",
            "properties": {
                "Authorization": text("`Bearer <access token>`"),
                "Sec-WebSocket-Protocol": text("`bearer, <access token>`"),
                "Origin": text("Where the page is from that connects; refused when it is not one that is allowed."),
            },
        },
        "bindingVersion": "0.1.0",
    })
}
