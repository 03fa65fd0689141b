//! How much a document may ask for, checked before and after it is parsed and before the library walks through it: the
//! library's own parser and rules recurse as deep as a document does, and expand fragments wherever they are used.
//!
//! What is left for the library to limit is in [`crate::schema`]: the depth of fields, and their complexity.

use std::collections::HashMap;

use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use async_graphql::parser::{self, parse_query};
use async_graphql::{Positioned, ServerError};

use crate::errors::{invalid, refusal};

/// How deep brackets may be nested: metadata as deep as it may be, in a document as deep as it may be.
const MAX_BRACKETS: usize = 64;
/// How deep selections may be nested, fragments counted where they are used.
const MAX_NESTING: usize = 32;
/// How many fields and fragments there may be, what is in a fragment counted each time it is used.
const MAX_FIELDS: usize = 1000;
/// The same of all operations and fragments together: rules go through each of them.
const MAX_WALKED: usize = 5000;
/// How often variables may be used: each use is a copy of the value.
const MAX_VARIABLES: usize = 500;

/// Whether the schema may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Introspection {
    Allowed,
    Refused,
}

/// Parses a document, if it is within bounds.
pub(crate) fn read(text: &str, introspection: Introspection) -> Result<ExecutableDocument, ServerError> {
    let marks =
        Marks::of(text).ok_or_else(|| malformed("The document is not GraphQL: a string has no end."))?;
    if marks.depth > MAX_BRACKETS {
        return Err(too_deep());
    }
    if marks.variables > MAX_VARIABLES {
        return Err(invalid("The document uses variables more than 500 times."));
    }
    let document = parse_query(text).map_err(|error| {
        let message = match &error {
            // The library's sentence repeats the whole line.
            parser::Error::Syntax { .. } => "The document is not GraphQL.".to_owned(),
            other => format!("The document is not GraphQL: {other}."),
        };
        refusal("malformed", message, error.positions())
    })?;
    let mut count = Count { document: &document, introspection, fragments: HashMap::new() };
    let (mut fields, mut walked) = (0_usize, 0_usize);
    for (_, operation) in document.operations.iter() {
        fields = fields.saturating_add(count.size(&operation.node.selection_set, 0)?.fields);
    }
    // Also those that nobody uses: rules follow them, too.
    for fragment in document.fragments.values() {
        walked = walked.saturating_add(count.size(&fragment.node.selection_set, 0)?.fields);
    }
    if fields > MAX_FIELDS || fields.saturating_add(walked) > MAX_WALKED {
        let message =
            "The document has more than 1000 fields and fragments, counted each time they are used.";
        return Err(invalid(message));
    }
    Ok(document)
}

fn malformed(message: &str) -> ServerError {
    refusal("malformed", message, None)
}

fn too_deep() -> ServerError {
    invalid("The document is nested too deep.")
}

/// What can be told of a document before it is parsed.
#[derive(Default)]
struct Marks {
    depth: usize,
    variables: usize,
}

impl Marks {
    /// `None`: a block string has no end.
    fn of(text: &str) -> Option<Self> {
        let (mut marks, mut depth, mut rest) = (Self::default(), 0_usize, text);
        while let Some(character) = rest.chars().next() {
            let mut step = character.len_utf8();
            match character {
                '{' | '[' | '(' => depth += 1,
                '}' | ']' | ')' => depth = depth.saturating_sub(1),
                '$' => marks.variables += 1,
                '#' => step = rest.find(['\n', '\r']).unwrap_or(rest.len()),
                '"' => step = string(rest)?,
                _ => {}
            }
            marks.depth = marks.depth.max(depth);
            rest = &rest[step..];
        }
        Some(marks)
    }
}

/// How long the string is that a text begins with, if it has an end where it needs one.
fn string(text: &str) -> Option<usize> {
    if text.starts_with("\"\"\"") {
        let mut at = 3;
        while let Some(end) = text[at..].find("\"\"\"") {
            let escaped = text[..at + end].ends_with('\\');
            at += end + 3;
            if !escaped {
                return Some(at);
            }
        }
        return None;
    }
    let mut escaped = true;
    for (at, character) in text.char_indices() {
        match character {
            '\n' | '\r' => return Some(at),
            '"' if !escaped => return Some(at + 1),
            _ => escaped = !escaped && character == '\\',
        }
    }
    Some(text.len())
}

struct Count<'a> {
    document: &'a ExecutableDocument,
    introspection: Introspection,
    /// Those that are counted.
    fragments: HashMap<&'a str, Size>,
}

/// How large a selection is.
#[derive(Clone, Copy, Default)]
struct Size {
    fields: usize,
    depth: usize,
}

impl<'a> Count<'a> {
    /// Of a selection that is nested in so many others.
    fn size(&mut self, set: &'a Positioned<SelectionSet>, nested: usize) -> Result<Size, ServerError> {
        let mut size = Size::default();
        // Fragments in a circle end here, too.
        let inner = Some(nested + 1).filter(|inner| *inner <= MAX_NESTING).ok_or_else(too_deep)?;
        for selection in &set.node.items {
            let within = match &selection.node {
                Selection::Field(field) => {
                    let asks_for_schema = matches!(field.node.name.node.as_str(), "__schema" | "__type");
                    if asks_for_schema && self.introspection == Introspection::Refused {
                        let message = "The schema cannot be asked for here; schema.graphql has it.";
                        return Err(refusal("forbidden", message, [field.pos]));
                    }
                    self.size(&field.node.selection_set, inner)?
                }
                Selection::InlineFragment(fragment) => self.size(&fragment.node.selection_set, inner)?,
                Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node, inner)?,
            };
            size.fields = size.fields.saturating_add(within.fields).saturating_add(1);
            size.depth = size.depth.max(within.depth + 1);
        }
        Ok(size)
    }

    /// Each is looked through once, however often it is used.
    fn fragment(&mut self, name: &'a str, nested: usize) -> Result<Size, ServerError> {
        let fragment = self.document.fragments.get(name);
        let fragment =
            fragment.ok_or_else(|| invalid("The document uses a fragment that it does not have."))?;
        let size = match self.fragments.get(name) {
            Some(size) => *size,
            None => self.size(&fragment.node.selection_set, nested)?,
        };
        self.fragments.insert(name, size);
        if nested + size.depth > MAX_NESTING { Err(too_deep()) } else { Ok(size) }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use async_graphql::Value;

    use super::*;

    fn refused(text: &str, introspection: Introspection) -> (String, String) {
        let refusal = read(text, introspection).expect_err(text);
        let code = refusal.extensions.and_then(|extensions| extensions.get("code").cloned());
        let Some(Value::String(code)) = code else { panic!("{text} is refused with a code") };
        (code, refusal.message)
    }

    #[track_caller]
    fn assert_refused(text: &str, code: &str, part: &str) {
        let (actual, message) = refused(text, Introspection::Allowed);
        assert!(actual == code && message.contains(part), "{actual}: {message}");
    }

    #[test]
    fn a_document_is_read_whatever_its_strings_and_comments_hold() {
        let brackets = "[".repeat(100);
        for text in [
            "{ me { id } }".to_owned(),
            format!("{{ me(a: \"{brackets}\\\"{brackets}\") {{ id }} }}"),
            format!("{{ me(a: \"\"\"{brackets}\n\\\"\"\"{brackets}\"\"\") {{ id }} }}"),
            format!("{{ me {{ id }} }} # {brackets} \" $"),
        ] {
            assert!(read(&text, Introspection::Refused).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_no_graphql_is_malformed_and_not_repeated() {
        let (code, message) = refused("{ me { secret ", Introspection::Allowed);

        assert_eq!(code, "malformed");
        assert!(!message.contains("secret"), "{message}");
        for text in [
            "",
            "query",
            "fragment a on B { c }",
            "{ a } { b }",
            "{ a(b: \"\"\"c) }",
            "{ a(b: [\"\"\"x\" [[[",
            "\u{0}",
        ] {
            assert_refused(text, "malformed", "not GraphQL");
        }
    }

    #[test]
    fn whatever_is_nested_deep_is_refused_before_anything_follows_it() {
        let deep = 10_000;
        for text in [
            "{a".repeat(deep),
            format!("{}{}", "{a".repeat(deep), "}".repeat(deep)),
            format!("{{ a(b: {}) }}", "[".repeat(deep)),
            format!("{{ a(b: {}) }}", "{c:".repeat(deep)),
            format!("query($v: {}) {{ a }}", "[".repeat(deep)),
            format!("query($v: A = {}) {{ a }}", "[".repeat(deep)),
            "{...".repeat(deep),
            format!("# comment\r{{ a(b: {}", "[".repeat(deep)),
        ] {
            assert_refused(&text, "invalid", "too deep");
        }
    }

    #[test]
    fn fragments_count_where_they_are_used() {
        let mut chain = "{ ...f0 }".to_owned();
        let mut doubling = chain.clone();
        for number in 0..40 {
            let next = number + 1;
            write!(chain, "fragment f{number} on A {{ a ...f{next} }}").unwrap();
            write!(doubling, "fragment f{number} on A {{ ...f{next} ...f{next} }}").unwrap();
        }
        let end = "fragment f40 on A { a }";
        (chain, doubling) = (chain + end, doubling + end);
        let short = doubling.replace("...f20 ...f20", "a");
        // Of no field at all, and exactly as deep as may be.
        let empty = doubling.replace("...f31 ...f31", "...f99");
        let known = doubling.replace("...f29 ...f29", "... on A { __typename }");
        let mut unused = String::new();
        for number in 0..600 {
            write!(unused, "fragment g{number} on A {{ {} }}", "a ".repeat(10)).unwrap();
        }
        let wide = format!("{{ {} }}", "a ".repeat(1001));

        assert_refused(&chain, "invalid", "too deep");
        assert_refused(&doubling, "invalid", "too deep");
        assert_refused(&short, "invalid", "1000 fields");
        assert_refused(&wide, "invalid", "1000 fields");
        assert_refused(&empty, "invalid", "does not have");
        assert_refused(&known, "invalid", "1000 fields");
        assert_refused(&format!("{{ a }} {unused}"), "invalid", "1000 fields");
        assert_refused("{ ...a } fragment a on A { ...b } fragment b on A { ...a }", "invalid", "too deep");
        assert_refused("{ b } fragment a on A { ...a }", "invalid", "too deep");
    }

    #[test]
    fn fragments_that_are_shallow_by_themselves_are_not_when_put_together() {
        let nested = |inner: &str| format!("{}{inner}{}", "a {".repeat(20), "}".repeat(20));
        let one = format!("{{ a }} fragment x on A {{ {} }}", nested("b"));
        let both = format!("{one} fragment y on A {{ {} }}", nested("...x"));

        assert!(read(&one, Introspection::Refused).is_ok());
        assert_refused(&both, "invalid", "too deep");
    }

    #[test]
    fn a_variable_is_not_copied_without_end() {
        assert_refused(&format!("{{ a(b: [{}]) }}", "$v ".repeat(501)), "invalid", "variables");
    }

    #[test]
    fn the_schema_is_not_told_by_any_way_round() {
        for text in [
            "{ __schema { queryType { name } } }",
            "{ alias: __type(name: \"User\") { name } }",
            "{ ... on Query { __schema { queryType { name } } } }",
            "{ ...f } fragment f on Query { __schema { queryType { name } } }",
            "query a { me { id } } query b { __schema { queryType { name } } }",
            "{ __schema @skip(if: true) { queryType { name } } me { id } }",
        ] {
            assert_eq!(refused(text, Introspection::Refused).0, "forbidden", "{text}");
            assert!(read(text, Introspection::Allowed).is_ok(), "{text}");
        }
        assert!(read("{ __typename }", Introspection::Refused).is_ok());
    }
}
