//! Every answer that a story gets is held against the published document: its status must be documented for the
//! operation, its body valid, its headers there. So the stories check the document as they go.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::Answer;
use crate::frames::{close, parts};

/// The folder of the published documents.
pub(crate) fn documents() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions/web/documents")
}

/// Pages and what is known by its name beside them. They are no operations of the API: people open them, not programs.
pub const PAGES: [&str; 4] = ["/", "/admin", "/docs", "/client.js"];

/// All operations of the published document, as `GET /path`, with what the document says of them.
pub fn operations() -> HashMap<String, Value> {
    let text = fs::read_to_string(documents().join("openapi.json")).expect("the document is there");
    let document: Value = serde_json::from_str(&text).expect("the document is JSON");
    let items = document["paths"].as_object().expect("the document has paths");
    let of_item = |(path, item): (&String, &Value)| {
        let operations = item.as_object().into_iter().flatten();
        let named = operations.map(|(method, it)| (format!("{} {path}", method.to_uppercase()), it.clone()));
        named.collect::<Vec<_>>()
    };
    items.iter().flat_map(of_item).collect()
}

static DOCUMENT: LazyLock<Document> = LazyLock::new(Document::read);

/// Panics if the document does not allow this answer.
#[track_caller]
pub(crate) fn hold(answer: &Answer) {
    let (method, path) = answer.request.split_once(' ').expect("a request is a method and a path");
    let of_function = answer.header("x-request-id").is_some();
    let Some((name, operation)) = DOCUMENT.operation(method, path) else {
        // What no operation is for: pages, preflights, and paths that do not exist.
        assert!(
            !of_function || PAGES.contains(&path) || matches!(answer.status, 404 | 429 | 500 | 503),
            "{}: {} to what is no documented operation",
            answer.request,
            answer.status
        );
        return;
    };
    let wrong =
        |what: String| panic!("{name} answered {}, which is not as documented: {what}", answer.status);
    if !of_function {
        // The platform's own answer: no function was asked, or it has failed.
        if answer.status < 400 || !answer.body["message"].is_string() {
            wrong(format!("neither a function's nor the platform's: {}", answer.body));
        }
        return;
    }
    let Some(expected) = operation.get(&answer.status.to_string()) else {
        return wrong(format!("the statuses are {:?}; {}", operation.keys(), answer.body));
    };
    for header in &expected.headers {
        if answer.header(header).is_none() {
            wrong(format!("there is no {header}"));
        }
    }
    let content_type = answer.header("content-type").unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    match expected.content.get(media_type) {
        None if expected.content.is_empty() && answer.body.is_null() => {}
        None => wrong(format!("the content is {content_type:?}: {}", answer.body)),
        Some(validator) => {
            let errors = validator.iter_errors(&answer.body);
            let errors: Vec<_> = errors.map(|error| format!("{} {error}", error.instance_path())).collect();
            if !errors.is_empty() {
                wrong(format!("{}: {}", errors.join("; "), answer.body));
            }
        }
    }
}

/// What the document allows: of each operation, by status.
struct Document(HashMap<String, HashMap<String, Expected>>);

/// An answer of a function as the document has it.
struct Expected {
    headers: Vec<String>,
    content: HashMap<String, Validator>,
}

impl Document {
    fn read() -> Self {
        let text = fs::read_to_string(documents().join("openapi.json")).expect("the document is there");
        let document: Value = serde_json::from_str(&text).expect("the document is JSON");
        let schemas = closed(&document["components"]["schemas"]);
        let expected = |response: &Value| {
            let reference = response.get("$ref").and_then(Value::as_str);
            let response = reference.map_or(response, |reference| at(&document, reference));
            let headers = response["headers"].as_object().into_iter().flatten();
            let content = response["content"].as_object().into_iter().flatten();
            Expected {
                headers: headers.map(|(name, _)| name.clone()).collect(),
                content: content
                    .map(|(kind, content)| (kind.clone(), validator(&content["schema"], &schemas)))
                    .collect(),
            }
        };
        let of_operation = |(name, operation): (String, Value)| {
            let responses = operation["responses"].as_object().into_iter().flatten();
            (name, responses.map(|(status, response)| (status.clone(), expected(response))).collect())
        };
        Self(operations().into_iter().map(of_operation).collect())
    }

    /// The operation of a request; where several fit, the one with the fewest parameters.
    fn operation(&self, method: &str, path: &str) -> Option<(&String, &HashMap<String, Expected>)> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let fits = |name: &str| {
            let Some((of_method, template)) = name.split_once(' ') else { return false };
            let (parts, of_template) = (path.split('/'), template.split('/'));
            of_method == method
                && parts.clone().count() == of_template.clone().count()
                && parts
                    .zip(of_template)
                    .all(|(part, of)| part == of || of.starts_with('{') && !part.is_empty())
        };
        let fitting = self.0.iter().filter(|(name, _)| fits(name));
        fitting.min_by_key(|(name, _)| name.matches('{').count())
    }
}

fn at<'a>(document: &'a Value, reference: &str) -> &'a Value {
    let found = reference.strip_prefix('#').and_then(|pointer| document.pointer(pointer));
    found.unwrap_or_else(|| panic!("the document has no {reference}"))
}

/// The schemas of answers, which hold nothing that is not described.
fn closed(schemas: &Value) -> Value {
    let mut schemas = schemas.clone();
    let parts = parts(&schemas);
    let whole = schemas.as_object_mut().into_iter().flatten().filter(|(name, _)| !parts.contains(*name));
    whole.for_each(|(_, schema)| close(schema));
    schemas
}

/// Of an answer, by its schema and those that it refers to.
fn validator(schema: &Value, schemas: &Value) -> Validator {
    let mut schema = schema.clone();
    close(&mut schema);
    schema["components"] = json!({ "schemas": schemas });
    let options = jsonschema::draft202012::options().should_validate_formats(true);
    options.build(&schema).unwrap_or_else(|error| panic!("the document has a schema that is none: {error}"))
}
