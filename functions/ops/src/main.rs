//! `ops`: health and metrics, for whoever operates this. Nothing here is throttled or needs a user's token.

mod routes;

use shared::{App, config, http, telemetry};

use crate::routes::Guard;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init()?;
    let guard = if config::is_development()? { Guard::Open } else { Guard::Token(config::metrics_token()) };
    let app = App::from_env(&[]).await?;
    http::serve_unthrottled(app, routes::router(guard)).await
}
