//! What the AsyncAPI document must be, beside what the stories hold it to.

use std::collections::BTreeSet;
use std::fs;

use jsonschema::{Draft, Validator};
use serde_json::{Value, json};
use shared::protocol::{COMMANDS, Command};

use super::document;

#[test]
fn the_written_document_is_what_the_code_says() {
    let path = crate::folder().join("asyncapi.json");
    let written = fs::read_to_string(&path).unwrap_or_default();

    assert!(written == crate::written(&document()), "{} is not up to date: `make documents`", path.display());
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let mut unread = vec![&document];
    let mut references = 0;
    while let Some(value) = unread.pop() {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(to)) = fields.get("$ref") {
                    let pointer = to.strip_prefix('#').expect("references stay in the document");
                    assert!(document.pointer(pointer).is_some(), "{to} leads nowhere");
                    references += 1;
                }
                unread.extend(fields.values());
            }
            Value::Array(items) => unread.extend(items),
            _ => {}
        }
    }
    assert!(references > 50, "only {references} references were found");
}

#[test]
fn every_frame_has_an_example_that_is_valid_and_of_no_other_type() {
    let document = document();
    for (key, message) in document["components"]["messages"].as_object().expect("there are messages") {
        for draft in [Draft::Draft7, Draft::Draft202012] {
            let payload = payload(&document, key, draft);
            let example = &message["examples"][0]["payload"];
            let problems: Vec<_> =
                payload.iter_errors(example).map(|err| format!("{}: {err}", err.instance_path())).collect();
            assert!(problems.is_empty(), "{key} by {draft:?}: {problems:?}");

            let mut other = example.clone();
            other["type"] = json!("another");
            assert!(!payload.is_valid(&other), "{key} by {draft:?} is of any type");
        }
        for name in message["payload"]["required"].as_array().expect("a type is required") {
            let mut less = message["examples"][0]["payload"].clone();
            less.as_object_mut().expect("a frame is an object").remove(name.as_str().expect("a name"));
            assert!(!payload(&document, key, Draft::Draft7).is_valid(&less), "{key} is valid without {name}");
        }
    }
}

#[test]
fn every_command_is_described_and_its_example_is_understood() {
    let document = document();
    for command in COMMANDS {
        let message = &document["components"]["messages"][format!("command.{}", command.name)];
        let example = message["examples"][0]["payload"].clone();
        let understood = Command::parse(command.name, example);
        assert!(understood.is_ok(), "{}: {understood:?}", command.name);

        let replies = &document["operations"][format!("command.{}", command.name)]["reply"]["messages"];
        let count = if command.answer.is_some() { 3 } else { 2 };
        assert_eq!(replies.as_array().map(Vec::len), Some(count), "{}: {replies}", command.name);
    }
}

#[test]
fn every_message_is_one_of_an_operation() {
    let document = document();
    let mut unread: Vec<_> = document["operations"].as_object().expect("operations").values().collect();
    let mut named = BTreeSet::new();
    while let Some(value) = unread.pop() {
        match value {
            Value::Object(fields) => unread.extend(fields.values()),
            Value::Array(items) => unread.extend(items),
            Value::String(text) => {
                named.extend(text.strip_prefix("#/channels/connection/messages/").map(str::to_owned));
            }
            _ => {}
        }
    }
    let messages = document["components"]["messages"].as_object().expect("messages");
    assert_eq!(named, messages.keys().cloned().collect());
}

fn payload(document: &Value, key: &str, draft: Draft) -> Validator {
    let mut schema = document["components"]["messages"][key]["payload"].clone();
    schema["components"] = json!({ "schemas": document["components"]["schemas"] });
    let options = jsonschema::options().with_draft(draft).should_validate_formats(true);
    options.build(&schema).unwrap_or_else(|err| panic!("{key}: {err}"))
}
