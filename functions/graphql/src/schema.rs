//! The schema, and how much may be asked of it.
//!
//! A field costs 1, a list what one of it costs as often as it can hold; what asks a store costs extra. `schema.graphql`,
//! beside the sources, is what clients are made from.

use async_graphql::EmptySubscription;

use crate::mutation::Mutation;
use crate::query::Query;

/// How deep fields may be nested: as deep as the tools of developers ask for the schema.
const MAX_DEPTH: usize = 15;
/// How much a document may cost.
const MAX_COMPLEXITY: usize = 15_000;
/// What a field costs that asks a store, beside what it holds.
pub(crate) const STORED: usize = 500;
/// What a page of messages costs, the largest thing to ask for.
pub(crate) const PAGE_OF_MESSAGES: usize = 1000;

/// The schema.
pub(crate) type Schema = async_graphql::Schema<Query, Mutation, EmptySubscription>;

/// Builds it.
pub(crate) fn build() -> Schema {
    Schema::build(Query, Mutation, EmptySubscription)
        .limit_depth(MAX_DEPTH)
        .limit_complexity(MAX_COMPLEXITY)
        .finish()
}

#[cfg(test)]
mod tests {
    use async_graphql::SDLExportOptions;

    use super::*;

    #[test]
    fn the_file_is_the_schema() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql");
        let sdl = build().sdl_with_options(SDLExportOptions::new().prefer_single_line_descriptions());

        let file = std::fs::read_to_string(path).unwrap_or_default();

        if file != sdl {
            std::fs::write(path, sdl).unwrap();
            panic!("schema.graphql was not the schema; it is now: look at the difference and commit it");
        }
    }
}
