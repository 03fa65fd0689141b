//! The way to connections: the management API of API Gateway, with a short timeout and no retries of the SDK's,
//! which would hold an invocation for seconds. What is more than one invocation's share is started as a job: an
//! asynchronous invocation of `fan-out`.
//!
//! The futures are boxed here, so that the SDK is compiled into this crate once and not into every function.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::config::retry::RetryConfig;
use aws_sdk_apigatewaymanagement::config::timeout::TimeoutConfig;
use aws_sdk_apigatewaymanagement::config::{BehaviorVersion, Config, Region};
use aws_sdk_apigatewaymanagement::error::SdkError;
use aws_sdk_apigatewaymanagement::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Serialize;

use crate::ids::ConnectionId;
use crate::metrics::Metrics;
use crate::telemetry::{self, Call, traced};
use crate::{Error, Result, aws, config};

/// How long the platform may take to accept a frame. A round of pushes, and with it the ack of whoever pushes, waits
/// no longer for one recipient; who was missed is told to catch up.
const POST_TIMEOUT: Duration = Duration::from_millis(200);

/// How long Lambda may take to queue a job. One that is not queued is missed when its lease has run out.
const START_TIMEOUT: Duration = Duration::from_secs(1);

/// What became of a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posted {
    /// The platform took it.
    Taken,
    /// The connection is closed, or not open yet (410).
    Gone,
    /// It may or may not have been taken: too slow, throttled, or an error.
    Failed,
}

/// The client.
pub struct Push {
    client: Client,
    lambda: aws_sdk_lambda::Client,
    fan_out: String,
    metrics: Arc<Metrics>,
}

impl Push {
    /// A client for the stage at the configured endpoint.
    pub fn new(config: config::Push, metrics: Arc<Metrics>) -> Self {
        let region = Region::new(config.aws.region.clone());
        let credentials = aws::credentials(config.aws);
        // Both are plain on a laptop, and both are not on AWS.
        let http = aws::http_client(Some(&config.endpoint));
        let timeout =
            |limit| TimeoutConfig::builder().connect_timeout(limit).operation_timeout(limit).build();
        let management = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(region.clone())
            .endpoint_url(config.endpoint)
            .credentials_provider(credentials.clone())
            .http_client(http.clone())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeout(POST_TIMEOUT))
            .build();
        let mut lambda = aws_sdk_lambda::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(region)
            .credentials_provider(credentials)
            .http_client(http)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeout(START_TIMEOUT));
        lambda.set_endpoint_url(config.lambda_endpoint);
        Self {
            client: Client::from_conf(management),
            lambda: aws_sdk_lambda::Client::from_conf(lambda.build()),
            fan_out: config.fan_out_function,
            metrics,
        }
    }

    /// Starts a job of `fan-out`.
    pub fn start_job(&self, job: &impl Serialize) -> BoxFuture<'_, Result<()>> {
        self.start(&self.fan_out, job)
    }

    /// Starts a job of a function, in the name of the current invocation: Lambda queues it and answers at once.
    pub fn start<'a>(&'a self, function: &'a str, job: &impl Serialize) -> BoxFuture<'a, Result<()>> {
        let payload = serde_json::to_string(&telemetry::hand(job));
        let started = async move {
            let payload = payload.map_err(anyhow::Error::from)?;
            let invoke = self.lambda.invoke().function_name(function);
            let sent = invoke.invocation_type(InvocationType::Event).payload(Blob::new(payload)).send().await;
            sent.map(drop).map_err(|error| Error::Internal(error.into()))
        };
        traced(Call::Invoke(function), started, Result::is_err).boxed()
    }

    /// Posts one frame to one connection.
    pub fn post<'a>(&'a self, connection: &'a ConnectionId, frame: Blob) -> BoxFuture<'a, Posted> {
        let post = async move {
            let post = self.client.post_to_connection().connection_id(&connection.0).data(frame);
            let posted = match post.send().await {
                Ok(_) => Posted::Taken,
                Err(error) if is_gone(&error) => Posted::Gone,
                Err(error) => {
                    let status = error.raw_response().map(|response| response.status().as_u16());
                    tracing::debug!(connection_id = %connection, status, "a post failed: {error}");
                    Posted::Failed
                }
            };
            self.metrics.posted(posted);
            posted
        };
        traced(Call::Post, post, |posted| *posted == Posted::Failed).boxed()
    }

    /// Closes a connection, after what was posted to it.
    pub fn close<'a>(&'a self, connection: &'a ConnectionId) -> BoxFuture<'a, ()> {
        async move {
            if let Err(error) = self.client.delete_connection().connection_id(&connection.0).send().await
                && !is_gone(&error)
            {
                tracing::warn!(connection_id = %connection, "closing failed: {error}");
            }
        }
        .boxed()
    }
}

/// The error's type stands in a header that a proxy may drop; the status alone says it too.
fn is_gone<E>(error: &SdkError<E>) -> bool {
    error.raw_response().is_some_and(|response| response.status().as_u16() == 410)
}
