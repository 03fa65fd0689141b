//! The `OpenAPI` document: what the functions' routes say of themselves, and what is so for all of them.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use shared::http::answers;
use shared::http::answers::REQUEST_ID;

const DESCRIPTION: &str = "\
JSON in and out, in UTF-8; times are RFC 3339 in UTC; ids are strings. A key that stands in a schema as required is always \
there, `null` when it is empty. Unknown fields are ignored, both ways. A final slash of a path means nothing.

Errors are RFC 9457 problem documents whose `code` says what is wrong; for bad input, `errors` names the fields. Under \
`/oauth` they are what the RFCs want. Each answer of a function carries `x-request-id`; one without it is the platform's own.

POST answers the object that it made, with 201, or 200 where it was so already; PATCH and PUT 200 with the object; DELETE \
204, and 404 when it is repeated (a reaction 204 again). Lists are `{items, next}`: `next` is what to pass on as `cursor`.";

/// What is said of each tag.
const TAGS: [(&str, &str); 8] = [
    ("auth", "Accounts, sessions, passwords and what mails lead to"),
    ("oauth", "OAuth 2.0, for programs that act for people or for themselves"),
    ("users", "Finding people"),
    ("conversations", "Conversations and who takes part in them"),
    ("messages", "What is said in them"),
    ("graphql", "The same operations in GraphQL"),
    ("administration", "For global admins, who see no message"),
    ("operations", "For whoever operates this, and the documents of the API"),
];

/// The document.
pub fn document() -> Value {
    let parts = [
        auth::routes(String::new()).described(),
        conversations::routes().described(),
        history::routes().described(),
        graphql::routes(true).described(),
        ops::routes(ops::Guard::Open).described(),
        // Its pages and files are no operations: they are for people, and their names change with what is in them.
        web::routes().described(),
    ];
    let mut document = frame();
    let mut ids = BTreeSet::new();
    for part in &parts {
        let mut part = to_value(part);
        for (path, item) in members(&mut part["paths"]) {
            for (method, operation) in members(item) {
                complete(operation);
                let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
                let id = if ids.contains(&id) { format!("{id}_by_{method}") } else { id };
                operation["operationId"] = id.clone().into();
                assert!(ids.insert(id.clone()), "two operations are called {id}");
                let place = &mut document["paths"][path][method];
                assert!(place.is_null(), "{method} {path} stands twice");
                *place = operation.take();
            }
        }
        for (name, schema) in members(&mut part["components"]["schemas"]) {
            let place = &mut document["components"]["schemas"][name];
            assert!(place.is_null() || place == schema, "two schemas are called {name}");
            *place = schema.take();
        }
    }
    document
}

/// All but the operations and their schemas.
fn frame() -> Value {
    let mut responses: Map<_, _> =
        answers::refusals().iter().map(|(name, it)| ((*name).to_owned(), to_value(it))).collect();
    responses.values_mut().for_each(name_the_request);
    let schemas: Map<_, _> = answers::schemas().into_iter().map(|(name, it)| (name, to_value(&it))).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Chat",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": { "name": "MIT", "identifier": "MIT" },
        },
        "servers": [{ "url": "/" }],
        "tags": TAGS.map(|(name, description)| json!({ "name": name, "description": description })),
        "paths": {},
        "components": {
            "schemas": schemas,
            "responses": responses,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "An access token, from signing in or from OAuth. The role `admin` is a global admin's.",
                },
                "client": { "type": "http", "scheme": "basic", "description": "An OAuth client and its secret." },
                "metrics": { "type": "http", "scheme": "bearer", "description": "The setting `METRICS_TOKEN`." },
            },
        },
    })
}

/// Adds what follows from how an operation is asked: nobody has to write it at each handler.
fn complete(operation: &mut Value) {
    let security = operation["security"].as_array().cloned().unwrap_or_default();
    let mut refusals = vec!["Throttled", "Internal", "Unavailable"];
    // A bad token is refused also where none is needed.
    if let Some(roles) = security.iter().find_map(|requirement| requirement.get("bearer")) {
        refusals.push("Unauthenticated");
        if *roles == json!(["admin"]) {
            refusals.push("Forbidden");
        }
    }
    // A body that may be left out is never `null`.
    if let Some(schema) = operation.pointer_mut("/requestBody/content/application~1json/schema")
        && schema.get("oneOf").is_some_and(|either| either[1] == json!({ "type": "null" }))
    {
        *schema = schema["oneOf"][0].take();
    }
    let body = operation.get("requestBody").map(|body| body["content"].get("application/json").is_some());
    match body {
        Some(true) => refusals.extend(["Malformed", "TooLarge", "Invalid"]),
        Some(false) => refusals.push("TooLarge"),
        None => {}
    }
    let parameters = operation.get("parameters").and_then(Value::as_array);
    if parameters.is_some_and(|all| all.iter().any(|parameter| parameter["in"] == "query")) {
        refusals.push("Invalid");
    }
    for (status, name, common) in answers::common() {
        if refusals.contains(&name) {
            add(&mut operation["responses"][status], name, &to_value(&common));
        }
    }
    for (_, response) in members(&mut operation["responses"]) {
        if response.get("$ref").is_none() {
            name_the_request(response);
        }
    }
}

/// Adds a common answer: as it is, or to what the handler says of the same status.
fn add(response: &mut Value, name: &str, common: &Value) {
    if response.is_null() {
        *response = json!({ "$ref": format!("#/components/responses/{name}") });
    }
    if response.get("$ref").is_some() || name == "Invalid" {
        return;
    }
    // A page says it too, but for what fails before the page.
    let is_page = response["content"].get("text/html").is_some();
    for (kind, content) in common["content"].as_object().into_iter().flatten() {
        let place = &mut response["content"][kind];
        *place = match place.take() {
            Value::Null => content.clone(),
            own => json!({ "schema": { "anyOf": [own["schema"], content["schema"]] } }),
        };
    }
    for (header, description) in common["headers"].as_object().into_iter().flatten().filter(|_| is_page) {
        response["headers"][header] = description.clone();
    }
}

/// Each answer of a function has the request's id.
fn name_the_request(response: &mut Value) {
    response["headers"][REQUEST_ID] =
        json!({ "description": "The id of the request, also in the log.", "schema": { "type": "string" } });
}

fn to_value(part: &impl serde::Serialize) -> Value {
    serde_json::to_value(part).expect("a document is plain data, which always serialises")
}

fn members(object: &mut Value) -> impl Iterator<Item = (&String, &mut Value)> {
    object.as_object_mut().into_iter().flatten()
}
