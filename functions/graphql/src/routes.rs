//! The one path, `/graphql`.

use async_graphql::{Name, Request, Response as Answer, Value, Variables};
use axum::Router;
use axum::extract::{Extension, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::Deserialize;
use serde_json::Map;
use shared::http::{Credentials, CurrentRequest, Json, Routes};
use shared::{App, Error, Result};

use crate::asked::Asked;
use crate::limits::{self, Introspection};
use crate::schema::{self, Schema};
use crate::{errors, graphiql};

/// Lambda carries 6 MB.
const MAX_ANSWER: usize = 5 * 1024 * 1024;

/// The routes.
pub(crate) fn routes(is_development: bool) -> Routes {
    let introspection = if is_development { Introspection::Allowed } else { Introspection::Refused };
    let router = Router::new().route("/graphql", post(execute).get(show));
    Routes::new(router.layer(Extension(schema::build())).layer(Extension(introspection)))
}

/// What clients post.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Posted {
    query: String,
    operation_name: Option<String>,
    variables: Option<Map<String, serde_json::Value>>,
}

async fn execute(
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

async fn show(
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
    if body.len() > MAX_ANSWER {
        body = to_json(&Answer::from_errors(vec![errors::invalid(
            "The answer is larger than 5 MB: ask for less.",
        )]))?;
    }
    let mut response = ([(header::CONTENT_TYPE, "application/json")], body).into_response();
    if let Some(fault) = fault {
        // The edge logs the cause.
        response.extensions_mut().insert(fault);
    }
    Ok(response)
}

fn to_json(answer: &Answer) -> Result<Vec<u8>> {
    serde_json::to_vec(answer).map_err(|error| Error::Internal(error.into()))
}
