//! The shape of an event: the JSON type at each of its paths.

use std::collections::BTreeMap;

use serde_json::Value;

/// The types of all values that are no objects, by their paths; below the given paths the keys are data, not shape.
pub(crate) fn shape(event: &Value, maps: &[&str]) -> BTreeMap<String, &'static str> {
    let mut found = BTreeMap::new();
    walk(String::new(), event, maps, &mut found);
    found
}

fn walk(path: String, value: &Value, maps: &[&str], found: &mut BTreeMap<String, &'static str>) {
    let kind = match value {
        Value::Object(fields) if !maps.contains(&path.as_str()) => {
            for (key, value) in fields {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                walk(path, value, maps, found);
            }
            return;
        }
        Value::Object(_) => "map",
        Value::Null => "null",
        Value::Bool(_) => "truth",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
    };
    found.insert(path, kind);
}
