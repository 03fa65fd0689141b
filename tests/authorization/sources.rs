//! What routes, fields and commands there are, by the published documents and the schema.

use std::{collections::BTreeSet, fs, path::Path};

/// All routes, as `GET /path`: the operations of the published document, which is made of the routers, and the pages, which
/// are no operations. What a page consists of is not named here, because its names change with it; it is the same for all.
pub(super) fn routes() -> BTreeSet<String> {
    let pages = support::PAGES.map(|page| format!("GET {page}"));
    support::operations().into_keys().chain(pages).collect()
}

/// All queries and mutations of the GraphQL schema.
pub(super) fn fields() -> BTreeSet<String> {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions/graphql/schema.graphql");
    let schema = fs::read_to_string(schema).unwrap();
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
    support::commands().collect()
}
