//! The process of `auth`.

use shared::{App, Need, config, http, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init()?;
    let websocket_url = config::websocket_url()?;
    let app = App::from_env(&[Need::Tokens, Need::Push, Need::MailJobs]).await?;
    http::serve(app, auth::routes(websocket_url)).await
}
