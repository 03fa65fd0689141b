//! What all clients of AWS are made with: the credentials of the environment and one kind of HTTP client.

use aws_credential_types::Credentials;
use aws_sdk_lambda::config::SharedHttpClient;
use aws_smithy_http_client::{Builder, tls};

use crate::config;

/// The credentials that Lambda sets.
pub(crate) fn credentials(aws: config::Aws) -> Credentials {
    Credentials::new(
        aws.access_key_id,
        aws.secret_access_key,
        aws.session_token,
        None, // Lambda replaces an environment before its credentials expire.
        "environment",
    )
}

/// A client for an endpoint, plain on a laptop and with TLS on AWS.
pub(crate) fn http_client(endpoint: Option<&str>) -> SharedHttpClient {
    if endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")) {
        Builder::new().build_http()
    } else {
        Builder::new()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc))
            .build_https()
    }
}
