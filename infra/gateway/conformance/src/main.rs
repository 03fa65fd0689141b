//! The one function behind every route of the suite: it does what an event asks it to do.
//!
//! An order is an object with a `do`. A message is its own order, and so is the event of an invocation; a
//! handshake has it in the query parameter `order`, a request in the header `x-order`. Whoever has
//! `watcher=ID` in its `User-Agent` has its `$connect` and `$disconnect` told to the connection of that id,
//! because every event of a connection repeats the `User-Agent`. Nothing is kept in the process, of which AWS
//! may have many.

mod guard;
mod order;

use aws_credential_types::Credentials;
use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::config::retry::RetryConfig;
use aws_sdk_apigatewaymanagement::config::{BehaviorVersion, Config, Region};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let client = client();
    run(service_fn(|event: LambdaEvent<Value>| answer(client.as_ref(), event))).await
}

async fn answer(client: Option<&Client>, event: LambdaEvent<Value>) -> Result<Value, Error> {
    let is_authorization = event.payload["type"] == "REQUEST";
    if is_authorization { guard::answer(&event.payload) } else { order::answer(client, &event).await }
}

/// The management API, for the functions that have its address.
#[expect(clippy::disallowed_methods, reason = "the settings that Lambda and the template give")]
fn client() -> Option<Client> {
    let var = |name: &str| std::env::var(name).ok();
    let endpoint = var("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI")?;
    let credentials = Credentials::new(
        var("AWS_ACCESS_KEY_ID")?,
        var("AWS_SECRET_ACCESS_KEY")?,
        var("AWS_SESSION_TOKEN"),
        None,
        "environment",
    );
    let http = if endpoint.starts_with("http:") {
        Builder::new().build_http()
    } else {
        Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https()
    };
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(var("AWS_REGION")?))
        .endpoint_url(endpoint)
        .credentials_provider(credentials)
        .retry_config(RetryConfig::disabled())
        .http_client(http);
    Some(Client::from_conf(config.build()))
}
