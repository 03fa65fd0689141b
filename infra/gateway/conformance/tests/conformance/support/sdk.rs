//! Clients of the AWS SDK, which try nothing twice.

use aws_credential_types::Credentials;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

use super::Target;
use super::settings::Endpoints;

fn credentials(target: &Endpoints) -> Credentials {
    let (id, secret) = (target.access_key_id.clone(), target.secret_access_key.clone());
    Credentials::new(id, secret, target.session_token.clone(), None, "the suite's settings")
}

/// A configuration of one of the SDK's crates, which all have their own types of the same names.
macro_rules! config {
    ($sdk:ident, $url:expr) => {{
        use $sdk::config::{BehaviorVersion, Config, Region, retry::RetryConfig};
        let (target, url): (_, Option<&String>) = (Target::get(), $url);
        let builder = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(target.region.clone()))
            .credentials_provider(credentials(target))
            .retry_config(RetryConfig::disabled());
        let https = || Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https();
        let builder = match url {
            Some(url) if url.starts_with("http:") => {
                builder.endpoint_url(url).http_client(Builder::new().build_http())
            }
            Some(url) => builder.endpoint_url(url).http_client(https()),
            None => builder.http_client(https()),
        };
        $sdk::Client::from_conf(builder.build())
    }};
}

/// The management API.
pub(crate) fn management() -> aws_sdk_apigatewaymanagement::Client {
    management_at(&Target::get().management_url)
}

/// A management API elsewhere.
pub(crate) fn management_at(url: &str) -> aws_sdk_apigatewaymanagement::Client {
    config!(aws_sdk_apigatewaymanagement, Some(&url.to_owned()))
}

/// Lambda.
pub(crate) fn lambda() -> aws_sdk_lambda::Client {
    config!(aws_sdk_lambda, Target::get().lambda_url.as_ref())
}

/// SES.
pub(crate) fn ses() -> aws_sdk_sesv2::Client {
    config!(aws_sdk_sesv2, Target::get().ses_url.as_ref())
}
