//! The suite itself: every case names where it is known from.

use std::fs;

/// The name of each case with the comment above it.
fn cases() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance");
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rs") || path.ends_with("citations.rs") {
            continue;
        }
        let (mut comment, mut is_case) = (String::new(), false);
        for line in fs::read_to_string(&path).unwrap().lines() {
            if let Some(text) = line.strip_prefix("/// ") {
                comment.push_str(text);
                comment.push('\n');
            } else if line.starts_with("#[tokio::test") || line == "#[test]" {
                is_case = true;
            } else if !line.starts_with("#[") {
                if let (true, Some((_, rest))) = (is_case, line.split_once("fn ")) {
                    found.push((rest.split('(').next().unwrap().to_owned(), comment.clone()));
                }
                comment.clear();
                is_case = false;
            }
        }
    }
    found
}

/// Whether a comment names a source by itself, and not by that of another case.
fn is_cited(comment: &str) -> bool {
    comment.split_once("Source: ").is_some_and(|(_, source)| !source.starts_with("the same"))
}

#[test]
fn every_case_cites_its_source() {
    let cases = cases();

    let silent: Vec<_> =
        cases.iter().filter(|(_, comment)| !is_cited(comment)).map(|(name, _)| name).collect();

    assert!(cases.len() >= 60, "{} cases", cases.len());
    assert!(silent.is_empty(), "without a source: {silent:?}");
}
