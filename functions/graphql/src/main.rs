//! `graphql`: the queries and mutations of `schema.graphql`, over the same operations as the routes of the HTTP API.

mod asked;
mod errors;
mod graphiql;
mod limits;
mod loaders;
mod mutation;
mod objects;
mod query;
mod routes;
mod schema;

use shared::{App, Need, config, http, telemetry};

// On one thread what a request asks a loader for comes together before any of it is loaded.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init()?;
    let is_development = config::is_development()?;
    let app = App::from_env(&[Need::Tokens, Need::Push]).await?;
    http::serve(app, routes::routes(is_development)).await
}
