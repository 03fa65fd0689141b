//! The one path, `/graphql`.

use async_graphql::{Name, Request, Response as Answer, ServerError, Value, Variables};
use axum::extract::{Extension, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Map;
use shared::http::answers::NotFound;
use shared::http::{Credentials, CurrentRequest, Json, Routes};
use shared::{App, Error, Result};
use utoipa::ToSchema;
use utoipa::openapi::Object;

use crate::asked::Asked;
use crate::limits::{self, Introspection};
use crate::schema::{self, Schema};
use crate::{errors, graphiql};

/// How large an answer may be in the text of the function's own: Lambda carries 6 MB (Lambda Developer Guide, "Quotas").
const MAX_ANSWER: usize = 6_000_000;

/// The routes.
pub fn routes(is_development: bool) -> Routes {
    let introspection = if is_development { Introspection::Allowed } else { Introspection::Refused };
    Routes::new(shared::routes![execute_graphql, show_graphiql]).with(schema::build()).with(introspection)
}

/// A request in GraphQL.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = GraphqlRequest, examples(json!({ "query": "{ me { id username } }" })))]
struct Posted {
    /// The document.
    query: String,
    /// Which of its operations, if there are several.
    operation_name: Option<String>,
    /// The values of its variables.
    #[schema(value_type = Option<Object>)]
    variables: Option<Map<String, serde_json::Value>>,
}

/// The answer to a request in GraphQL.
#[derive(ToSchema)]
#[schema(as = GraphqlAnswer, examples(json!({ "data": { "me": { "username": "ada" } } })))]
#[expect(dead_code, reason = "async-graphql writes it; here it is only described")]
struct Answered {
    /// What was asked for; null where it failed. Left out when nothing was run.
    #[schema(nullable = false)]
    data: Option<Object>,
    /// What went wrong, each with a `code` among its `extensions`.
    #[schema(nullable = false)]
    errors: Option<Vec<Object>>,
}

/// Answers a request in GraphQL.
#[utoipa::path(
    post,
    path = "/graphql",
    tag = "graphql",
    request_body = Posted,
    responses((status = 200, description = "The answer, with or without errors.", body = Answered)),
    security((), ("bearer" = [])),
)]
async fn execute_graphql(
    State(app): State<App>,
    Extension(schema): Extension<Schema>,
    Extension(introspection): Extension<Introspection>,
    CurrentRequest(request_id): CurrentRequest,
    credentials: Credentials,
    Json(posted): Json<Posted>,
) -> Result<Response> {
    let document = match limits::read(&posted.query, introspection) {
        Ok(document) => document,
        Err(refusal) => return respond(Answer::from_errors(vec![refusal])),
    };
    let mut request = Request::new(posted.query).data(Asked::new(app, request_id, credentials));
    request.set_parsed_query(document);
    request.operation_name = posted.operation_name;
    request.variables = variables(posted.variables.unwrap_or_default())?;
    respond(schema.execute(request).await)
}

/// Shows a page to try GraphQL with, in development.
#[utoipa::path(
    get,
    path = "/graphql",
    tag = "graphql",
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html"),
        (status = 404, response = NotFound),
    ),
)]
async fn show_graphiql(
    Extension(introspection): Extension<Introspection>,
    CurrentRequest(request_id): CurrentRequest,
) -> Result<Response> {
    match introspection {
        Introspection::Allowed => Ok(graphiql::page(&request_id)),
        Introspection::Refused => Err(Error::NotFound("path")),
    }
}

/// Not `Variables::from_json`, which drops all of them when it does not like one.
fn variables(given: Map<String, serde_json::Value>) -> Result<Variables> {
    let known = given.into_iter().map(|(name, value)| Ok((Name::new(name), Value::from_json(value)?)));
    let known: serde_json::Result<_> = known.collect();
    let known = known.map_err(|_| Error::invalid("variables", "must be JSON values"))?;
    Ok(Variables::from_value(Value::Object(known)))
}

/// Whatever became of the fields, the request is answered with 200, and each error has its code.
fn respond(mut answer: Answer) -> Result<Response> {
    let fault = errors::finish(&mut answer.errors);
    let mut body = to_json(&answer)?;
    if size_within_text(&body) > MAX_ANSWER {
        let message = "The answer is larger than 6 MB as the platform carries it: ask for less.";
        body = to_json(&Answer::from_errors(vec![errors::invalid(message)]))?;
    }
    let mut response = ([(header::CONTENT_TYPE, "application/json")], body).into_response();
    if let Some(fault) = fault {
        // The edge logs the cause.
        response.extensions_mut().insert(fault);
    }
    Ok(response)
}

/// How large JSON is as a string within JSON.
fn size_within_text(json: &[u8]) -> usize {
    json.len() + json.iter().filter(|byte| matches!(byte, b'"' | b'\\')).count()
}

fn to_json(Answer { data, errors, .. }: &Answer) -> Result<Vec<u8>> {
    let data = (*data != Value::Null).then_some(data);
    serde_json::to_vec(&Body { data, errors }).map_err(|error| Error::Internal(error.into()))
}

/// What is answered: no data where nothing was run (GraphQL specification, "Response format").
#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ServerError],
}
