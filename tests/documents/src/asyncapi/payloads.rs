//! Schemas of types as the payloads of messages: one of several alternatives each, with the fields of all in one object.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use shared::protocol::Described;

const COMPONENT: &str = "#/components/schemas/";

/// Schemas by name.
pub(super) type Schemas = BTreeMap<String, Value>;

/// The alternatives that a frame is one of, by their titles.
pub(super) fn alternatives(schemas: &mut Schemas, described: Described) -> Vec<(String, Value)> {
    let schema = taken(schemas, described);
    let alternatives = expanded(schemas, &schema);
    let titled = alternatives.into_iter().map(|payload| {
        let title = payload["title"].as_str().unwrap_or_else(|| panic!("a frame without a title: {payload}"));
        (title.to_owned(), payload)
    });
    titled.collect()
}

/// A command: its own fields, and what every command has.
pub(super) fn command(schemas: &mut Schemas, name: &str, described: Described) -> Value {
    let mut fields = taken(schemas, described);
    fields["title"] = json!(name);
    let every = json!({
        "type": "object",
        "properties": {
            "type": { "type": "string", "enum": [name] },
            "ref": { "type": ["string", "null"], "description": "Any text; the answer repeats it." },
        },
        "required": ["type"],
    });
    merged(&[every, fields])
}

/// A document without schemas that nothing in it refers to.
pub(super) fn without_unused_schemas(mut document: Value) -> Value {
    let mut used = BTreeSet::new();
    let mut unread = vec![&document["channels"], &document["components"]["messages"]];
    while let Some(value) = unread.pop() {
        match value {
            Value::Object(fields) => {
                let name =
                    fields.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix(COMPONENT));
                if let Some(name) = name
                    && used.insert(name.to_owned())
                {
                    unread.push(&document["components"]["schemas"][name]);
                }
                unread.extend(fields.values());
            }
            Value::Array(items) => unread.extend(items),
            _ => {}
        }
    }
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        schemas.retain(|name, _| used.contains(name));
    }
    document
}

/// A type's own schema; those it refers to are put with the others.
fn taken(schemas: &mut Schemas, (own, others): Described) -> Value {
    let plain =
        |schema| serde_json::to_value(schema).expect("a schema is plain data, which always serialises");
    for (name, schema) in others {
        let schema = plain(schema);
        let before = schemas.insert(name.clone(), schema.clone());
        assert!(before.is_none_or(|before| before == schema), "two types are called {name}");
    }
    plain(own)
}

/// What a schema may be, each alternative as one object.
fn expanded(schemas: &Schemas, schema: &Value) -> Vec<Value> {
    if let Some(name) = schema["$ref"].as_str().and_then(|to| to.strip_prefix(COMPONENT)) {
        return expanded(schemas, &schemas[name]);
    }
    if let Some(alternatives) = schema["oneOf"].as_array() {
        return alternatives.iter().flat_map(|one| titled(expanded(schemas, one), one)).collect();
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let none = vec![json!({})];
        return parts.iter().fold(none, |all, part| {
            let part = expanded(schemas, part);
            all.iter()
                .flat_map(|one| part.iter().map(move |other| merged(&[one.clone(), other.clone()])))
                .collect()
        });
    }
    vec![schema.clone()]
}

/// The title and the description of an alternative go before those of its parts.
fn titled(mut expanded: Vec<Value>, by: &Value) -> Vec<Value> {
    for one in &mut expanded {
        for key in ["title", "description"] {
            if let Some(value) = by.get(key) {
                one[key] = value.clone();
            }
        }
    }
    expanded
}

/// One object with the fields of all; the first title and the first description stay.
fn merged(objects: &[Value]) -> Value {
    let mut all = json!({ "type": "object", "properties": {}, "required": [] });
    for object in objects {
        for (key, value) in object.as_object().expect("a schema is an object") {
            match (key.as_str(), value) {
                ("type", kind) => assert_eq!(kind, "object", "a frame is an object"),
                ("properties", Value::Object(properties)) => {
                    for (name, property) in properties {
                        let before = all["properties"].get(name);
                        assert!(before.is_none(), "two fields are called {name}");
                        all["properties"][name] = property.clone();
                    }
                }
                ("required", Value::Array(names)) => {
                    all["required"].as_array_mut().expect("it was made above").extend(names.iter().cloned());
                }
                ("title" | "description", value) => {
                    if all.get(key).is_none() {
                        all[key] = value.clone();
                    }
                }
                (other, _) => panic!("a frame's schema has {other}, which is not understood"),
            }
        }
    }
    all
}
