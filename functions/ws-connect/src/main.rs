//! `ws-connect`: who opens a connection, and whether it may.

use shared::{App, Need, config, telemetry, websocket};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init()?;
    let app = App::from_env(&[Need::Tokens, Need::Push]).await?;
    websocket::serve_connect(app, config::allowed_origins()?).await
}
