//! The way to SES: its API v2. The future is boxed here, so that the SDK is compiled into this crate once.

use std::time::Duration;

use anyhow::anyhow;
use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::config::retry::RetryConfig;
use aws_sdk_sesv2::config::timeout::TimeoutConfig;
use aws_sdk_sesv2::config::{BehaviorVersion, Config, Region};
use aws_sdk_sesv2::error::ProvideErrorMetadata;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::text::Mail;
use crate::{aws, config};

/// How long SES may take, the one retry included. What fails then is tried again by Lambda, in minutes.
const TIMEOUT: Duration = Duration::from_secs(7);
/// How long one attempt may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);

/// Sends mails.
pub struct Mailer {
    client: Client,
    from: String,
    /// Where the links of mails lead.
    pub(super) public_url: String,
}

impl Mailer {
    /// A client for SES, in the region's own place or where the settings say.
    pub fn new(settings: config::Mail) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(ATTEMPT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(TIMEOUT);
        let mut config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(aws::http_client(settings.ses_endpoint.as_deref()))
            .region(Region::new(settings.aws.region.clone()))
            .credentials_provider(aws::credentials(settings.aws))
            .retry_config(RetryConfig::standard().with_max_attempts(2))
            .timeout_config(timeouts.build());
        config.set_endpoint_url(settings.ses_endpoint);
        Self {
            client: Client::from_conf(config.build()),
            from: settings.from,
            public_url: settings.public_url,
        }
    }

    /// Sends a mail.
    pub(super) fn send(&self, to: String, mail: Mail) -> BoxFuture<'_, anyhow::Result<()>> {
        async move {
            let body = Body::builder().text(utf8(mail.text)?).html(utf8(mail.html)?).build();
            let message = Message::builder().subject(utf8(mail.subject)?).body(body).build();
            let request = self
                .client
                .send_email()
                .from_email_address(&self.from)
                .destination(Destination::builder().to_addresses(to).build())
                .content(EmailContent::builder().simple(message).build());
            match request.send().await {
                Ok(_) => Ok(()),
                // What SES says is left out: it may quote the address.
                Err(error) => {
                    let status = error.raw_response().map(|response| response.status().as_u16());
                    Err(anyhow!("SES did not take a mail: status {status:?}, code {:?}", error.code()))
                }
            }
        }
        .boxed()
    }
}

fn utf8(text: String) -> anyhow::Result<Content> {
    Ok(Content::builder().data(text).charset("UTF-8").build()?)
}
