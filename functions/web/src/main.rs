//! The process of `web`.

use shared::{config, http, telemetry};
use web::Headers;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init()?;
    let headers = Headers::new(&config::public_url()?, &config::websocket_url()?)?;
    http::serve_without_stores(web::router(headers)).await
}
