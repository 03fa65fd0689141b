//! `history`: page through the messages of a conversation, search, and send over HTTP.

mod routes;

use shared::{App, Need, http, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init()?;
    let app = App::from_env(&[Need::Tokens, Need::Push]).await?;
    http::serve(app, routes::routes()).await
}
