//! `auth`: sign up, sign in, refresh, sign out, one's own profile and sessions, tickets for WebSockets, and what mails lead
//! to; OAuth; finding people; and what admins do.

mod administration;
mod oauth;
mod oauth_clients;
mod pages;
mod people;
mod recovery;
mod routes;

use shared::{App, Need, config, http, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init()?;
    let websocket_url = config::websocket_url()?;
    let app = App::from_env(&[Need::Tokens, Need::Push, Need::MailJobs]).await?;
    http::serve(app, routes::routes(websocket_url)).await
}
