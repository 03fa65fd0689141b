//! The process of `ops`.

use ops::Guard;
use shared::{App, config, http, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init()?;
    let guard = if config::is_development()? { Guard::Open } else { Guard::Token(config::metrics_token()) };
    let app = App::from_env(&[]).await?;
    http::serve_unthrottled(app, ops::routes(guard)).await
}
