//! The suite itself: every case names where it is known from.

use std::fs;

/// The sources of the suite but this one.
fn sources() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let sources = paths.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let others = sources.filter(|path| !path.ends_with("citations.rs"));
    others.map(|path| fs::read_to_string(path).unwrap()).collect()
}

/// The name of each case with the comment above it.
fn cases(sources: &[String]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for source in sources {
        let (mut comment, mut is_case) = (String::new(), false);
        for line in source.lines() {
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
    let sources = sources();
    let cases = cases(&sources);
    let marks = |mark: &str| sources.iter().map(|source| source.matches(mark).count()).sum::<usize>();

    let silent: Vec<_> =
        cases.iter().filter(|(_, comment)| !is_cited(comment)).map(|(name, _)| name).collect();

    assert!(!cases.is_empty());
    assert_eq!(cases.len(), marks("#[test]") + marks("#[tokio::test"), "a case is not found");
    assert!(silent.is_empty(), "without a source: {silent:?}");
}
