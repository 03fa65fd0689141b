//! The WebSocket API: where parcels are, asked on a two-way route or followed on a one-way route.

use aws_credential_types::Credentials;
use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::config::{BehaviorVersion, Config, Region};
use aws_sdk_apigatewaymanagement::primitives::Blob;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let client = client()?;
    run(service_fn(|event: LambdaEvent<Value>| answer(&client, event.payload))).await
}

#[expect(clippy::disallowed_methods, reason = "the settings that Lambda and the template give")]
fn client() -> Result<Client, Error> {
    let var = std::env::var;
    let token = var("AWS_SESSION_TOKEN").ok();
    let credentials = Credentials::new(
        var("AWS_ACCESS_KEY_ID")?,
        var("AWS_SECRET_ACCESS_KEY")?,
        token,
        None,
        "environment",
    );
    let endpoint = var("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI")?;
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
        .http_client(http);
    Ok(Client::from_conf(config.build()))
}

async fn answer(client: &Client, event: Value) -> Result<Value, Error> {
    let context = &event["requestContext"];
    let message: Value = serde_json::from_str(event["body"].as_str().unwrap_or("{}")).unwrap_or_default();
    let place = json!({
        "parcel": message["parcel"],
        "depot": event["stageVariables"]["depot"],
        "askedBy": context["authorizer"]["courier"],
    });
    let body = match context["routeKey"].as_str() {
        Some("$connect") => Value::Null,
        Some("parcel/follow") => {
            let connection = context["connectionId"].as_str().unwrap_or_default();
            let frame = json!({ "followed": place }).to_string();
            client.post_to_connection().connection_id(connection).data(Blob::new(frame)).send().await?;
            // On a one-way route nobody sees this.
            json!({ "unseen": true })
        }
        Some("parcel/where") => place,
        _ => json!({ "error": "do parcel/where or parcel/follow" }),
    };
    Ok(json!({ "statusCode": 200, "body": body.to_string() }))
}
