//! What routes, fields and commands there are, by the published document, the schema and the source of the parser.

use std::{collections::BTreeSet, fs, path::Path};

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

/// All queries and mutations of the GraphQL schema.
pub(super) fn fields() -> BTreeSet<String> {
    let schema = fs::read_to_string(project().join("functions/graphql/schema.graphql")).unwrap();
    let mut fields = BTreeSet::new();
    for root in ["Query", "Mutation"] {
        let (_, rest) = schema.split_once(&format!("type {root} {{\n")).unwrap();
        let (root, _) = rest.split_once("\n}").unwrap();
        // Arguments are indented further, descriptions quoted.
        let lines = root.lines().filter_map(|line| line.strip_prefix('\t'));
        let named = lines.filter(|line| line.starts_with(|character: char| character.is_ascii_lowercase()));
        fields.extend(named.map(|line| line.split(['(', ':']).next().unwrap_or_default().to_owned()));
    }
    fields
}

/// All commands that clients may send.
pub(super) fn commands() -> BTreeSet<String> {
    let protocol = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/src/protocol.rs");
    let source = fs::read_to_string(protocol).unwrap();
    let between = |start: &str, end: &str| {
        let (_, rest) = source.split_once(start).unwrap_or_else(|| panic!("protocol.rs has {start}"));
        rest.split_once(end).unwrap_or_else(|| panic!("{start} has an end")).0.to_owned()
    };
    let arms = between("pub fn parse(name: &str", "_ => ");
    let commands: BTreeSet<_> = arms
        .lines()
        .filter_map(|line| Some(line.trim().strip_prefix('"')?.split_once("\" =>")?.0.to_owned()))
        .collect();
    let variants = between("pub enum Command {", "\n}");
    let variants = variants.lines().filter(|line| line.trim_start().starts_with(char::is_uppercase));
    assert_eq!(commands.len(), variants.count(), "each command has a name: {commands:?}");
    commands
}
