//! What routes and commands there are, by the published documents.

use std::collections::BTreeSet;

use serde_json::Value;

/// All routes, as `GET /path`: the operations of the published document, which is made of the routers.
pub(super) fn routes() -> BTreeSet<String> {
    support::operations().into_keys().collect()
}

/// Those that have no caller, or ask for one by field and not by route.
pub(super) fn open_routes() -> BTreeSet<String> {
    let is_open =
        |operation: &Value| ["operations", "graphql"].iter().any(|tag| operation["tags"][0] == *tag);
    let operations = support::operations().into_iter();
    operations.filter(|(_, operation)| is_open(operation)).map(|(name, _)| name).collect()
}

/// All commands that clients may send.
pub(super) fn commands() -> BTreeSet<String> {
    support::commands().collect()
}
