//! Signing in at AWS' stores by IAM: the password is a token that is signed here, without a call. It lets in for 15
//! minutes; a connection stays, at ElastiCache for 12 hours unless it signs in anew.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{aws, config};

/// For how long a token lets in: the most that both stores accept.
const VALID: Duration = Duration::from_mins(15);

/// What a signature leaves as it is in a query (IAM User Guide, "Create a signed AWS API request"). A form's encoding is
/// another one: the store would not find the same signature.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Who signs in where.
pub(crate) struct Login {
    /// What the token names, without the scheme: a request that is signed and never sent.
    request: String,
    service: &'static str,
    region: String,
    credentials: Credentials,
}

impl Login {
    /// As `user` at the Postgres of RDS, or at its proxy.
    pub(crate) fn to_postgres(host: &str, port: u16, user: &str, aws: config::Aws) -> Self {
        let request = format!("{host}:{port}/?Action=connect&DBUser={}", encoded(user));
        Self::new(request, "rds-db", aws)
    }

    /// As `user` at a cache of ElastiCache Serverless, which goes by its name and not by its address.
    pub(crate) fn to_cache(name: &str, user: &str, aws: config::Aws) -> Self {
        let user = encoded(user);
        let request = format!("{name}/?Action=connect&ResourceType=ServerlessCache&User={user}");
        Self::new(request, "elasticache", aws)
    }

    fn new(request: String, service: &'static str, aws: config::Aws) -> Self {
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
        let address = format!("https://{}", self.request);
        let request =
            SignableRequest::new("GET", address.as_str(), std::iter::empty(), SignableBody::Bytes(&[]))?;
        let (signed, _) = sign(request, &params.into())?.into_parts();
        // The signature comes last, as in the tokens of all SDKs.
        let (signature, others): (Vec<_>, Vec<_>) =
            signed.params().iter().partition(|(name, _)| *name == "X-Amz-Signature");
        let mut token = self.request.clone();
        for (name, value) in others.into_iter().chain(signature) {
            token = format!("{token}&{name}={}", encoded(value));
        }
        Ok(token)
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
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
        SystemTime::UNIX_EPOCH + Duration::from_hours(479_086)
    }

    fn signature(token: &str) -> &str {
        token.rsplit_once("&X-Amz-Signature=").expect("a token is signed").1
    }

    /// The expectation is that of AWS' own SDK for Rust (`aws-sdk-rds`, `auth_token`); botocore 1.43.127 signs the same.
    #[test]
    fn a_token_for_postgres_is_what_the_sdks_make() {
        let login = Login::to_postgres("prod-instance.us-east-1.rds.amazonaws.com", 3306, "peccy", aws(None));

        let token = login.token(then()).expect("a token");

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

        let token = login.token(then()).expect("a token");

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

    /// The expectations are the signatures that botocore 1.43.127 makes with the same credentials at the same moment, by
    /// `generate_db_auth_token` of its client of RDS and by its `RequestSigner` for `elasticache`.
    #[test]
    fn a_user_of_any_letters_is_signed_as_botocore_does() {
        let (user, in_query) = ("jane doe+x@y/ü*~", "User=jane%20doe%2Bx%40y%2F%C3%BC%2A~&");
        let host = "prod-instance.us-east-1.rds.amazonaws.com";
        let postgres = Login::to_postgres(host, 5432, user, aws(Some("a+b/c="))).token(then());
        let cache = Login::to_cache("my-cache", user, aws(Some("a+b/c="))).token(then());

        for (token, expected) in [
            (postgres, "9d97ae53ecc922243b6690e580a69f85aa89d51db27317826de6ba553694f149"),
            (cache, "3c2a2a00fe5a06613d2ee0196d7056a985dd668117b4f08de124a60ff612dc93"),
        ] {
            let token = token.expect("a token");
            assert!(token.contains(in_query), "{token}");
            assert!(token.contains("&X-Amz-Security-Token=a%2Bb%2Fc%3D&"), "{token}");
            assert_eq!(signature(&token), expected);
        }
    }

    #[test]
    fn a_token_is_of_the_moment() {
        let login = Login::to_cache("my-cache", "chat", aws(None));
        let token = |seconds| login.token(then() + Duration::from_secs(seconds)).expect("a token");

        assert_eq!(token(0), token(0));
        assert_ne!(signature(&token(0)), signature(&token(1)));
        assert!(token(1).contains("&X-Amz-Date=20240826T220001Z&"), "{}", token(1));
    }
}
