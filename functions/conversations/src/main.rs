//! The process of `conversations`.

use shared::{App, Need, http, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init()?;
    let app = App::from_env(&[Need::Tokens, Need::Push]).await?;
    http::serve(app, conversations::routes()).await
}
