//! The way to Secrets Manager. The futures are boxed here, so that the SDK is compiled into this crate once and not into
//! every function. What a secret holds is in no error.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::retry::RetryConfig;
use aws_sdk_secretsmanager::config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Config, Region};
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::telemetry::{Call, traced};
use crate::{aws, config};

/// How long it may take, the one retry included: below what a start and a request have left.
const TIMEOUT: Duration = Duration::from_secs(4);
/// How long one attempt may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);

/// The stage of the version that is in use.
pub const CURRENT: &str = "AWSCURRENT";
/// The stage of the version that a rotation makes.
pub const PENDING: &str = "AWSPENDING";

/// The client.
pub struct Secrets {
    client: Client,
}

/// The versions of a secret.
pub struct Versions {
    /// Whether a rotation of it is configured.
    pub rotates: bool,
    /// The stages of each, by its id.
    pub stages: HashMap<String, Vec<String>>,
}

impl Secrets {
    /// A client, for the region's own place or where the settings say.
    pub fn new(settings: config::Secrets) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(ATTEMPT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(TIMEOUT);
        let mut config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(aws::http_client(settings.endpoint.as_deref()))
            .region(Region::new(settings.aws.region.clone()))
            .credentials_provider(aws::credentials(settings.aws))
            .retry_config(RetryConfig::standard().with_max_attempts(2))
            .timeout_config(timeouts.build());
        config.set_endpoint_url(settings.endpoint);
        Self { client: Client::from_conf(config.build()) }
    }

    /// What a secret holds now.
    pub fn current<'a>(&'a self, secret: &'a str) -> BoxFuture<'a, anyhow::Result<String>> {
        let read = async move {
            let read = self.client.get_secret_value().secret_id(secret).send().await;
            let read = read.with_context(|| format!("the secret {secret} cannot be read"))?;
            read.secret_string.with_context(|| format!("the secret {secret} is not a text"))
        };
        traced(Call::Secret, read, Result::is_err).boxed()
    }

    /// What a rotation has put into its version of a secret; nothing before it has.
    pub fn pending<'a>(
        &'a self,
        secret: &'a str,
        version: &'a str,
    ) -> BoxFuture<'a, anyhow::Result<Option<String>>> {
        async move {
            let read = self.client.get_secret_value().secret_id(secret);
            match read.version_id(version).version_stage(PENDING).send().await {
                Ok(read) => Ok(read.secret_string),
                Err(error)
                    if error
                        .as_service_error()
                        .is_some_and(GetSecretValueError::is_resource_not_found_exception) =>
                {
                    Ok(None)
                }
                Err(error) => Err(error).context("the pending version cannot be read"),
            }
        }
        .boxed()
    }

    /// Puts that.
    pub fn put_pending<'a>(
        &'a self,
        secret: &'a str,
        version: &'a str,
        text: String,
    ) -> BoxFuture<'a, anyhow::Result<()>> {
        async move {
            let put = self.client.put_secret_value().secret_id(secret).client_request_token(version);
            let put = put.secret_string(text).version_stages(PENDING).send().await;
            put.map(drop).context("the pending version cannot be put")
        }
        .boxed()
    }

    /// The versions of a secret.
    pub fn versions<'a>(&'a self, secret: &'a str) -> BoxFuture<'a, anyhow::Result<Versions>> {
        async move {
            let described = self.client.describe_secret().secret_id(secret).send().await;
            let described = described.with_context(|| format!("the secret {secret} cannot be described"))?;
            Ok(Versions {
                rotates: described.rotation_enabled.unwrap_or_default(),
                stages: described.version_ids_to_stages.unwrap_or_default(),
            })
        }
        .boxed()
    }

    /// Has one version be the current one in place of another.
    pub fn make_current<'a>(
        &'a self,
        secret: &'a str,
        version: &'a str,
        before: Option<&'a str>,
    ) -> BoxFuture<'a, anyhow::Result<()>> {
        async move {
            let update = self.client.update_secret_version_stage().secret_id(secret).version_stage(CURRENT);
            let update =
                update.move_to_version_id(version).set_remove_from_version_id(before.map(str::to_owned));
            update.send().await.map(drop).context("the pending version cannot be made the current one")
        }
        .boxed()
    }
}
