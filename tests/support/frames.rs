//! Frames held against the AsyncAPI document: each that a client receives, and each command that was understood.

use std::{
    collections::{HashMap, HashSet},
    fs,
    sync::LazyLock,
};

use jsonschema::{Draft, Validator};
use serde_json::{Value, json};

use crate::document::documents;

/// What a command is answered when it is not what the document describes.
const NOT_UNDERSTOOD: [&str; 5] =
    ["INVALID_JSON", "INVALID", "INVALID_TYPE", "INVALID_CONTENT", "CONTENT_TOO_LONG"];

static DOCUMENT: LazyLock<Document> = LazyLock::new(|| {
    let text = fs::read_to_string(documents().join("asyncapi.json")).expect("the document is there");
    Document::of(&serde_json::from_str(&text).expect("the document is JSON"))
});

/// The document's messages by their keys.
struct Document {
    messages: HashMap<String, Message>,
    /// The keys of what may answer a command, by the command's key.
    replies: HashMap<String, Vec<String>>,
}

struct Message {
    name: String,
    payload: Validator,
}

impl Document {
    fn of(document: &Value) -> Self {
        let mut schemas = document["components"]["schemas"].clone();
        let parts = parts(&schemas);
        let whole = schemas.as_object_mut().into_iter().flatten().filter(|(name, _)| !parts.contains(*name));
        whole.for_each(|(_, schema)| close(schema));
        let messages = document["components"]["messages"].as_object().expect("the document has messages");
        let message = |(key, message): (&String, &Value)| {
            let mut schema = message["payload"].clone();
            if !key.starts_with("command.") {
                close(&mut schema);
            }
            schema["components"] = json!({ "schemas": schemas });
            let options = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true);
            let payload = options.build(&schema).unwrap_or_else(|err| panic!("{key}: {err}"));
            let name = message["name"].as_str().expect("a message has a name").to_owned();
            (key.clone(), Message { name, payload })
        };
        let operations = document["operations"].as_object().expect("the document has operations");
        let replies = operations.iter().filter_map(|(key, operation)| {
            let messages = operation["reply"]["messages"].as_array()?.iter();
            let keys = messages.filter_map(|message| message["$ref"].as_str()?.rsplit('/').next());
            Some((key.clone(), keys.map(str::to_owned).collect()))
        });
        Self { messages: messages.iter().map(message).collect(), replies: replies.collect() }
    }

    /// Why a frame is none of these messages, by the key of each; nothing when it is one of them.
    fn problems<'a>(&self, keys: impl Iterator<Item = &'a String>, frame: &Value) -> Vec<String> {
        let mut problems = Vec::new();
        for key in keys {
            let mut errors = self.messages[key].payload.iter_errors(frame).peekable();
            if errors.peek().is_none() {
                return Vec::new();
            }
            problems.extend(errors.map(|err| format!("{key}: {}: {err}", err.instance_path())));
        }
        problems
    }
}

/// What the server says holds nothing that is not described; what clients send may.
pub(crate) fn close(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.contains_key("allOf") {
                // Its parts do not know of each other.
                fields.insert("unevaluatedProperties".to_owned(), json!(false));
                return;
            }
            fields.values_mut().for_each(close);
            if fields.get("type").is_some_and(|kind| kind == "object") && fields.contains_key("properties") {
                fields.insert("unevaluatedProperties".to_owned(), json!(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// The names of the schemas that others are put together of.
pub(crate) fn parts(schemas: &Value) -> HashSet<String> {
    let schemas = schemas.as_object().expect("the document has schemas");
    let mut unread: Vec<_> =
        schemas.values().filter_map(|schema| schema["allOf"].as_array()).flatten().collect();
    let mut names = HashSet::new();
    while let Some(part) = unread.pop() {
        if let Some(name) = part["$ref"].as_str().and_then(|to| to.rsplit('/').next())
            && names.insert(name.to_owned())
        {
            unread.extend(schemas.get(name));
        }
        unread.extend(["allOf", "oneOf"].iter().filter_map(|key| part[key].as_array()).flatten());
    }
    names
}

/// The commands that the document describes, by their types.
pub fn commands() -> impl Iterator<Item = String> {
    DOCUMENT.replies.keys().filter_map(|key| key.strip_prefix("command.")).map(str::to_owned)
}

/// Panics unless a frame that was received is one that the document describes.
#[track_caller]
pub fn check_frame(frame: &Value) {
    let document = &*DOCUMENT;
    // Only the platform's own answer has no type.
    let name = frame["type"].as_str().unwrap_or("platform");
    let called = |(key, message): &(&String, &Message)| !key.starts_with("command.") && message.name == name;
    let candidates: Vec<_> = document.messages.iter().filter(called).map(|(key, _)| key).collect();
    assert!(!candidates.is_empty(), "the AsyncAPI document has no such frame: {frame}");
    let problems = document.problems(candidates.into_iter(), frame);
    assert!(problems.is_empty(), "{frame} is not what the AsyncAPI document says: {problems:#?}");
}

/// Panics unless a command that was understood, and what answered it, are what the document describes.
#[track_caller]
pub(crate) fn check_answered(command: &Value, answer: &Value) {
    let refused = answer["code"].as_str().is_some_and(|code| NOT_UNDERSTOOD.contains(&code));
    if answer["type"] == "error" && refused {
        return;
    }
    let document = &*DOCUMENT;
    let key = format!("command.{}", command["type"].as_str().unwrap_or_default());
    let replies = document.replies.get(&key);
    let replies = replies.unwrap_or_else(|| panic!("the AsyncAPI document has no such command: {command}"));
    let problems = document.problems([&key].into_iter(), command);
    assert!(problems.is_empty(), "{command} was understood, but is not as described: {problems:#?}");
    let problems = document.problems(replies.iter(), answer);
    assert!(problems.is_empty(), "{answer} does not answer {command}: {problems:#?}");
}
