//! The published documents, made of the code's types.

pub mod asyncapi;
pub mod openapi;

use std::path::{Path, PathBuf};

/// Where the documents stand that the functions serve.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../functions/web/documents")
}

/// A document as it is written: indented, its keys in order.
pub fn written(document: &serde_json::Value) -> String {
    format!("{document:#}\n")
}

#[cfg(test)]
mod tests;
