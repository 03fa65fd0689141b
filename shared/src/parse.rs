//! Bytes to a typed value, or an error that names the field: one parser for HTTP bodies, queries and frames.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Error, Result};

/// Parses JSON.
pub fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let value: Value = serde_json::from_slice(bytes).map_err(|_| Error::Malformed)?;
    typed(value)
}

/// Turns JSON that was parsed already into a typed value.
pub fn typed<T: DeserializeOwned>(value: Value) -> Result<T> {
    if !value.is_object() {
        return Err(Error::invalid(".", "must be a JSON object"));
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let problem = error.into_inner().to_string();
        named(path, &problem)
    })
}

/// serde reports a missing field at its parent's path, with the field's name inside the message.
fn named(path: String, problem: &str) -> Error {
    let Some(field) = problem.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) else {
        return Error::invalid(path, problem.to_owned());
    };
    let field = if path == "." { field.to_owned() } else { format!("{path}.{field}") };
    Error::invalid(field, "is required")
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Outer {
        #[expect(dead_code, reason = "only its refusal is of interest")]
        inner: Inner,
    }

    #[derive(Debug, Deserialize)]
    struct Inner {
        #[expect(dead_code, reason = "only its refusal is of interest")]
        count: u8,
    }

    fn refusal(text: &str) -> (String, String) {
        let Err(Error::Invalid(fields)) = json::<Outer>(text.as_bytes()) else {
            panic!("{text} was not refused")
        };
        (fields[0].field.clone(), fields[0].message.clone())
    }

    #[test]
    fn a_missing_or_mistyped_field_is_named_by_its_path() {
        assert_eq!(refusal("{}"), ("inner".to_owned(), "is required".to_owned()));
        assert_eq!(refusal(r#"{"inner": {}}"#), ("inner.count".to_owned(), "is required".to_owned()));
        assert_eq!(refusal(r#"{"inner": {"count": "x"}}"#).0, "inner.count");
        assert_eq!(refusal("[]"), (".".to_owned(), "must be a JSON object".to_owned()));
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        assert!(matches!(json::<Outer>(b"{"), Err(Error::Malformed)));
    }
}
