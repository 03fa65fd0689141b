//! The process of `graphql`.

use shared::{App, Need, config, http, telemetry};

// On one thread what a request asks a loader for comes together before any of it is loaded.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init()?;
    let is_development = config::is_development()?;
    let app = App::from_env(&[Need::Tokens, Need::Push]).await?;
    http::serve(app, graphql::routes(is_development)).await
}
