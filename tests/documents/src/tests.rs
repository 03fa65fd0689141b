use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use serde_yaml_ng::Value as Yaml;

use super::*;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

#[test]
fn the_document_that_is_served_is_the_one_of_the_code() {
    let served = fs::read_to_string(folder().join("openapi.json")).expect("the document");

    assert!(
        served == written(&openapi::document()),
        "openapi.json is not what the code says: run make documents"
    );
}

/// All operations, as `get /path`.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let items = document["paths"].as_object().expect("paths");
    let of_item = |(path, item): (&String, &'_ Value)| {
        let item: Vec<_> = METHODS
            .iter()
            .filter(|method| item.get(**method).is_some())
            .map(|method| (*method).to_owned())
            .collect();
        item.into_iter().map(|method| (method, path.clone())).collect::<Vec<_>>()
    };
    let named: Vec<_> = items.iter().flat_map(of_item).collect();
    named
        .into_iter()
        .map(|(method, path)| {
            let operation = &document["paths"][&path][&method];
            (method, path, operation)
        })
        .collect()
}

#[test]
fn each_operation_says_what_it_is_for_and_each_answer_too() {
    let document = openapi::document();
    let tags: BTreeSet<_> = document["tags"]
        .as_array()
        .expect("tags")
        .iter()
        .map(|tag| &tag["name"])
        .collect::<Vec<_>>()
        .into_iter()
        .filter_map(Value::as_str)
        .collect();

    for (method, path, operation) in operations(&document) {
        let of = format!("{method} {path}");
        assert!(operation["summary"].as_str().is_some_and(|text| text.ends_with('.')), "{of} has a summary");
        assert!(
            operation["tags"]
                .as_array()
                .is_some_and(|of| of.len() == 1 && of[0].as_str().is_some_and(|tag| tags.contains(tag))),
            "{of} has a tag"
        );
        for (status, answer) in operation["responses"].as_object().expect("responses") {
            let described = answer.get("$ref").or(answer.get("description"));
            assert!(
                described.and_then(Value::as_str).is_some_and(|text| !text.is_empty()),
                "{of}: {status} is described"
            );
        }
        let named: BTreeSet<_> =
            path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let described: BTreeSet<_> = parameters
            .filter(|parameter| parameter["in"] == "path")
            .filter_map(|parameter| parameter["name"].as_str())
            .collect();
        assert_eq!(named, described, "{of}: its parameters");
    }
}

#[test]
fn nothing_is_referred_to_that_is_not_there_and_nothing_is_there_in_vain() {
    let document = openapi::document();
    let mut referred = BTreeSet::new();
    walk(&document, &mut |value| {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            referred.insert(reference.strip_prefix('#').expect("a reference within the document").to_owned());
        }
    });

    for reference in &referred {
        assert!(document.pointer(reference).is_some(), "{reference} is not there");
    }
    for part in ["schemas", "responses"] {
        for name in document["components"][part].as_object().expect("components").keys() {
            assert!(referred.contains(&format!("/components/{part}/{name}")), "{part}/{name} is in vain");
        }
    }
}

#[test]
fn every_example_is_valid_by_its_schema() {
    let document = openapi::document();
    let mut tried = 0;
    walk(&document, &mut |schema| {
        for example in schema.get("examples").and_then(Value::as_array).into_iter().flatten() {
            let mut alone = schema.clone();
            alone["components"] = document["components"].clone();
            let validator = jsonschema::draft202012::options().should_validate_formats(true).build(&alone);
            let errors: Vec<_> = validator
                .expect("a schema")
                .iter_errors(example)
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert!(errors.is_empty(), "{example}: {}", errors.join("; "));
            tried += 1;
        }
    });

    assert!(tried > 10, "there are examples");
}

fn walk(value: &Value, look: &mut impl FnMut(&Value)) {
    look(value);
    match value {
        Value::Object(members) => members.values().for_each(|member| walk(member, look)),
        Value::Array(items) => items.iter().for_each(|item| walk(item, look)),
        _ => {}
    }
}

/// The paths of the template's HTTP events. The one without a path, which takes what no other does, is not among them.
fn events() -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../template.yaml");
    let template: Yaml =
        serde_yaml_ng::from_str(&fs::read_to_string(path).expect("the template")).expect("YAML");
    let resources = template["Resources"].as_mapping().expect("resources");
    let events = resources.values().filter_map(|resource| resource["Properties"]["Events"].as_mapping());
    let http = events.flat_map(|events| events.values()).filter(|event| event["Type"] == "HttpApi");
    http.filter_map(|event| event["Properties"]["Path"].as_str().map(str::to_owned)).collect()
}

/// Whether a request for the path reaches the event.
fn reaches(event: &str, path: &str) -> bool {
    let mut parts = path.split('/');
    for part in event.split('/') {
        match (part, parts.next()) {
            ("{proxy+}", Some(part)) => return !part.is_empty(),
            (of_event, Some(part)) if of_event == part || of_event.starts_with('{') => {}
            _ => return false,
        }
    }
    parts.next().is_none()
}

#[test]
fn every_route_of_the_template_has_an_operation_and_every_operation_a_route() {
    let (document, events) = (openapi::document(), events());
    assert!(events.len() > 10, "the template has events");
    let paths: Vec<_> = document["paths"].as_object().expect("paths").keys().collect();

    let by_default = web::routes().described().paths;

    for path in &paths {
        let led_to = events.iter().any(|event| reaches(event, path));
        let is_of_web = by_default.paths.contains_key(*path);
        assert_ne!(
            led_to, is_of_web,
            "{path}: what no route of the template leads to, `web` gets, and nothing else"
        );
    }
    for event in &events {
        let slash = event.strip_suffix('/').filter(|event| !event.is_empty());
        // What is below a path that has no more below it is there for its final slash.
        let below = event.strip_suffix("/{proxy+}").filter(|path| events.contains(*path));
        let event = slash.or(below).unwrap_or(event);
        assert!(paths.iter().any(|path| reaches(event, path)), "{event} leads to no operation");
    }
    assert!(
        !reaches("/a/{proxy+}", "/a") && reaches("/a/{proxy+}", "/a/b/c") && !reaches("/a/{id}", "/a/b/c")
    );
}
