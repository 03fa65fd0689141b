//! `ws-disconnect`: forget a connection that has ended.

use shared::{App, Need, telemetry, websocket};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init()?;
    let app = App::from_env(&[Need::Push]).await?;
    websocket::serve_disconnect(app).await
}
