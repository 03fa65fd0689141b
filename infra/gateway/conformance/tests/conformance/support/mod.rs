//! The target, and the clients that ask it.

pub(crate) mod curl;
mod issuer;
pub(crate) mod python;
pub(crate) mod sdk;
mod settings;
pub(crate) mod shape;
pub(crate) mod socket;
mod target;

use std::time::Duration;

use serde_json::{Value, json};

pub(crate) use target::{Target, host, stage};

/// How long something may take that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A proxy response as a function returns it, for the order `return`.
pub(crate) fn returning(value: &Value) -> Value {
    json!({ "do": "return", "value": value })
}

/// Words that no other case of no other run says.
pub(crate) fn unique() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    format!("{now:x}x{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// The value at a path like `requestContext.identity`, which must be there.
#[track_caller]
pub(crate) fn at<'a>(event: &'a Value, path: &str) -> &'a Value {
    let found = path.split('.').try_fold(event, |value, key| value.get(key));
    found.unwrap_or_else(|| panic!("no {path} in {event}"))
}

/// The text at a path.
#[track_caller]
pub(crate) fn text<'a>(event: &'a Value, path: &str) -> &'a str {
    at(event, path).as_str().unwrap_or_else(|| panic!("{path} is no text in {event}"))
}
