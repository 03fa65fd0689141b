//! `ws-disconnect`: forget a connection that has ended.

use shared::{App, telemetry, websocket};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init()?;
    let app = App::from_env(&[]).await?;
    websocket::serve_disconnect(app).await
}
