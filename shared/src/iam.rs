//! Signing in at AWS' stores by IAM: the password is a token that is signed here, without a call. It lets in for 15
//! minutes; a connection stays, at ElastiCache for 12 hours unless it signs in anew.

use std::time::{Duration, SystemTime};

use anyhow::Context;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use url::Url;

use crate::{aws, config};

/// For how long a token lets in: the most that both stores accept.
const VALID: Duration = Duration::from_mins(15);

/// Who signs in where.
pub(crate) struct Login {
    /// What the token names: a request that is signed and never sent.
    request: Url,
    service: &'static str,
    region: String,
    credentials: Credentials,
}

impl Login {
    /// As `user` at the Postgres of RDS, or at its proxy.
    pub(crate) fn to_postgres(host: &str, port: u16, user: &str, aws: config::Aws) -> anyhow::Result<Self> {
        let mut request = Url::parse(&format!("https://{host}:{port}/"))?;
        request.query_pairs_mut().append_pair("Action", "connect").append_pair("DBUser", user);
        Ok(Self::new(request, "rds-db", aws))
    }

    /// As `user` at a cache of ElastiCache Serverless, which goes by its name and not by its address.
    pub(crate) fn to_cache(name: &str, user: &str, aws: config::Aws) -> anyhow::Result<Self> {
        let mut request = Url::parse(&format!("https://{name}/"))?;
        let mut query = request.query_pairs_mut();
        query.append_pair("Action", "connect").append_pair("ResourceType", "ServerlessCache");
        query.append_pair("User", user);
        drop(query);
        Ok(Self::new(request, "elasticache", aws))
    }

    fn new(request: Url, service: &'static str, aws: config::Aws) -> Self {
        Self { request, service, region: aws.region.clone(), credentials: aws::credentials(aws) }
    }

    /// The password of this moment.
    pub(crate) fn token(&self, now: SystemTime) -> anyhow::Result<String> {
        let identity = self.credentials.clone().into();
        let mut settings = SigningSettings::default();
        settings.expires_in = Some(VALID);
        settings.signature_location = SignatureLocation::QueryParams;
        let params = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(self.service)
            .time(now)
            .settings(settings)
            .build()?;
        let headers = std::iter::empty();
        let request = SignableRequest::new("GET", self.request.as_str(), headers, SignableBody::Bytes(&[]))?;
        let (signed, _) = sign(request, &params.into())?.into_parts();
        let mut token = self.request.clone();
        for (name, value) in signed.params() {
            token.query_pairs_mut().append_pair(name, value);
        }
        let token = String::from(token);
        Ok(token.strip_prefix("https://").context("a token is an address without its scheme")?.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aws(session_token: Option<&str>) -> config::Aws {
        config::Aws {
            region: "us-east-1".to_owned(),
            access_key_id: "akid".to_owned(),
            secret_access_key: "secret".to_owned(),
            session_token: session_token.map(str::to_owned),
        }
    }

    /// 2024-08-26, 22:00 UTC.
    fn then() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_724_709_600)
    }

    /// The expectation is that of AWS' own SDK for Rust (`aws-sdk-rds`, `auth_token`); botocore 1.44.5 signs the same.
    #[test]
    fn a_token_for_postgres_is_what_the_sdks_make() {
        let login = Login::to_postgres("prod-instance.us-east-1.rds.amazonaws.com", 3306, "peccy", aws(None));

        let token = login.and_then(|login| login.token(then())).expect("a token");

        let expected = concat!(
            "prod-instance.us-east-1.rds.amazonaws.com:3306/?Action=connect",
            "&DBUser=peccy",
            "&X-Amz-Algorithm=AWS4-HMAC-SHA256",
            "&X-Amz-Credential=akid%2F20240826%2Fus-east-1%2Frds-db%2Faws4_request",
            "&X-Amz-Date=20240826T220000Z",
            "&X-Amz-Expires=900",
            "&X-Amz-SignedHeaders=host",
            "&X-Amz-Signature=dd0cba843009474347af724090233265628ace491ea17ce3eb3da098b983ad89"
        );
        assert_eq!(token, expected);
    }

    #[test]
    fn a_token_for_a_cache_is_what_botocore_makes() {
        let login = Login::to_cache("my-cache", "chat", aws(Some("a+b/c=")));

        let token = login.and_then(|login| login.token(then())).expect("a token");

        let expected = concat!(
            "my-cache/?Action=connect",
            "&ResourceType=ServerlessCache",
            "&User=chat",
            "&X-Amz-Algorithm=AWS4-HMAC-SHA256",
            "&X-Amz-Credential=akid%2F20240826%2Fus-east-1%2Felasticache%2Faws4_request",
            "&X-Amz-Date=20240826T220000Z",
            "&X-Amz-Expires=900",
            "&X-Amz-SignedHeaders=host",
            "&X-Amz-Security-Token=a%2Bb%2Fc%3D",
            "&X-Amz-Signature=1c97854703f9d9a06def330c960d2e2b14162ddf7284109ef874ad861784255c"
        );
        assert_eq!(token, expected);
    }
}
