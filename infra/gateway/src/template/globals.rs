//! `Globals`, and what a resource has of them (SAM Developer Guide, "Globals section of the AWS SAM template").

use anyhow::{Result, bail};
use serde_yaml_ng::Value;

use super::intrinsics::{long_form, mapping};
use super::loader::{Loader, PROPERTIES, hint};

pub(super) const GLOBALS: &str = "Globals";

impl Loader<'_> {
    /// A resource's properties with those that `Globals` brings; refuses what is neither used nor known to mean
    /// nothing here, with the names to leave it out by.
    pub(super) fn checked_properties(
        &self,
        id: &str,
        resource: &Value,
        section: &str,
        used: &[&str],
        without_local_meaning: &[&str],
    ) -> Result<Value> {
        let properties = self.properties(resource, section);
        if properties.is_null() {
            return Ok(properties);
        }
        for key in mapping(Some(&properties), PROPERTIES)?.keys() {
            let key = key.as_str().unwrap_or_default();
            if used.contains(&key) || without_local_meaning.contains(&key) {
                continue;
            }
            let mut names = Vec::new();
            if resource.get(PROPERTIES).is_some_and(|own| own.get(key).is_some()) {
                names.push(format!("{id}.{key}"));
            }
            if self.globals.get(section).is_some_and(|globals| globals.get(key).is_some()) {
                names.push(format!("{GLOBALS}.{section}.{key}"));
            }
            bail!(
                "{PROPERTIES}.{key} is not emulated{}; leave it out by --leave-out {}",
                hint(key),
                names.join(" ")
            );
        }
        Ok(properties)
    }

    /// A resource's properties with those that `Globals` brings.
    pub(super) fn properties(&self, resource: &Value, section: &str) -> Value {
        let own = resource.get(PROPERTIES).cloned().unwrap_or_default();
        match self.globals.get(section) {
            Some(globals) => merge(globals.clone(), own),
            None => own,
        }
    }
}

/// Maps are merged, lists follow each other, and of two other values a resource's own counts.
fn merge(globals: Value, own: Value) -> Value {
    match (globals, own) {
        (Value::Mapping(globals), Value::Mapping(own))
            if long_form(&globals).is_some() || long_form(&own).is_some() =>
        {
            Value::Mapping(own)
        }
        (Value::Mapping(mut merged), Value::Mapping(own)) => {
            for (key, value) in own {
                let value = match merged.remove(&key) {
                    Some(global) => merge(global, value),
                    None => value,
                };
                merged.insert(key, value);
            }
            Value::Mapping(merged)
        }
        (Value::Sequence(mut merged), Value::Sequence(own)) => {
            merged.extend(own);
            Value::Sequence(merged)
        }
        (globals, Value::Null) => globals,
        (_, own) => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(globals: &str, own: &str) -> Value {
        let value = |text| serde_yaml_ng::from_str(text).unwrap();
        merge(value(globals), value(own))
    }

    #[test]
    fn maps_are_merged_lists_follow_each_other_and_else_the_resources_own_counts() {
        for (globals, own, expected) in [
            ("{a: 1, b: {c: 2}}", "{b: {d: 3}}", "{a: 1, b: {c: 2, d: 3}}"),
            ("{a: 1}", "{a: 2}", "{a: 2}"),
            ("[1, 2]", "[2, 3]", "[1, 2, 2, 3]"),
            ("{a: [1]}", "{a: [2]}", "{a: [1, 2]}"),
            ("[1]", "!Ref Own", "!Ref Own"),
            ("{a: {Ref: Global}}", "{a: {'Fn::Sub': own}}", "{a: {'Fn::Sub': own}}"),
            ("{a: {Ref: Global}}", "{a: {b: 1}}", "{a: {b: 1}}"),
            ("{a: {b: 1}}", "{a: {Ref: Own}}", "{a: {Ref: Own}}"),
            ("{a: 1}", "~", "{a: 1}"),
        ] {
            assert_eq!(merged(globals, own), serde_yaml_ng::from_str::<Value>(expected).unwrap(), "{own}");
        }
    }
}
