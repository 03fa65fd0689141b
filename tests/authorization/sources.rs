//! What routes, fields and commands there are, by the sources of the routers, the schema and the parser.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];
/// What would add routes that are not seen here.
const NOT_UNDERSTOOD: [&str; 5] =
    [".nest(", ".nest_service(", ".route_service(", ".fallback(", "MethodRouter"];

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// All routes of the functions, as `GET /path`.
pub(super) fn routes() -> BTreeSet<String> {
    let mut routes = BTreeSet::new();
    let mut folders = vec![project().join("functions")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                for route in routes_in(&fs::read_to_string(&path).unwrap()) {
                    assert!(routes.insert(route.clone()), "{route} stands twice");
                }
            }
        }
    }
    assert!(!routes.is_empty(), "the functions have routes");
    routes
}

/// The routes of one source. Whatever of them is not understood fails.
fn routes_in(source: &str) -> Vec<String> {
    let lines = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let source = lines.collect::<Vec<_>>().join("\n");
    for text in NOT_UNDERSTOOD {
        assert!(!source.contains(text), "routes by {text} are not understood");
    }
    let mut routes = Vec::new();
    for call in source.split(".route(").skip(1) {
        let shown: String = call.chars().take(80).collect();
        let (path, methods) = arguments(call).unwrap_or_else(|| panic!("not understood: .route({shown}"));
        routes.extend(methods.into_iter().map(|method| format!("{} {path}", method.to_uppercase())));
    }
    routes
}

/// The path and the methods of a call of `route`, from behind its bracket.
fn arguments(call: &str) -> Option<(&str, Vec<String>)> {
    let (path, rest) = call.trim_start().strip_prefix('"')?.split_once('"')?;
    let mut rest = rest.trim_start().strip_prefix(',')?.chars();
    // The second argument without what stands in its brackets: `get().post()`.
    let (mut outline, mut depth, mut in_text) = (String::new(), 0_u32, false);
    loop {
        match rest.next()? {
            '\\' if in_text => drop(rest.next()),
            '"' => in_text = !in_text,
            _ if in_text => {}
            '(' => {
                if depth == 0 {
                    outline.push('(');
                }
                depth += 1;
            }
            ')' if depth == 0 => break,
            ')' => {
                depth -= 1;
                if depth == 0 {
                    outline.push(')');
                }
            }
            character if depth == 0 && !character.is_whitespace() => outline.push(character),
            _ => {}
        }
    }
    let methods = outline.trim_end_matches(',').split('.').map(|handler| {
        let method = handler.strip_suffix("()")?;
        METHODS.contains(&method).then(|| method.to_owned())
    });
    Some((path, methods.collect::<Option<_>>()?))
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
    let source = fs::read_to_string(project().join("shared/src/protocol.rs")).unwrap();
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

#[test]
fn routes_are_read_however_they_are_formatted_and_what_is_not_understood_fails() {
    let source = r#"
        // .route("/comment", get(x))
        Router::new().route("/a", get(list).post(async || start(")").await))
            .route(
                "/a/{id}",
                patch(rename).delete(delete),
            )
    "#;
    assert_eq!(routes_in(source), ["GET /a", "POST /a", "PATCH /a/{id}", "DELETE /a/{id}"]);
    let not_understood =
        [".route(PATH, get(x))", r#".route("/a", any(x))"#, r#".route("/a", handlers)"#, r#".nest("/a", b)"#];
    for source in not_understood {
        assert!(std::panic::catch_unwind(|| routes_in(source)).is_err(), "{source}");
    }
}
