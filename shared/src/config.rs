//! Settings: the only reader of environment variables. A missing or wrong one is named at start.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::throttle::{Policy, Throttles, Window};

/// What is logged, and of whom.
pub struct Logging {
    /// `LOG_LEVEL`: the least severe level logged, `info` by default.
    pub level: String,
    /// `AWS_LAMBDA_FUNCTION_NAME`: whose logs these are.
    pub function: String,
    /// `METRICS_NAMESPACE`: under which name CloudWatch counts the figures in the logs; without one they are not marked
    /// for it.
    pub metrics_namespace: Option<String>,
}

/// Where traces go.
pub struct Traces {
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`: the collector, to which spans go over HTTP.
    pub endpoint: String,
    /// `OTEL_TRACES_SAMPLER_ARG`: which share of the requests is traced whose client does not say, 0 to 1; 1 by default.
    pub sampled: f64,
}

/// The stores, which every function needs.
pub struct Stores {
    /// Postgres.
    pub database: Database,
    /// Redis.
    pub redis: Redis,
}

/// Postgres, and how one gets in.
pub struct Database {
    /// `DATABASE_URL`: `postgres://user:password@host:port/database?sslmode=…`.
    pub url: String,
    /// `DATABASE_CA`: who vouches for its certificate.
    pub authorities: Authorities,
    /// `DATABASE_IAM`: who signs in by tokens in place of a password, when `true`.
    pub iam: Option<Aws>,
}

/// Redis, and how one gets in.
pub struct Redis {
    /// `REDIS_URL`: `redis://host:port` or, with TLS, `rediss://host:port`; for a cluster `redis+cluster://` or
    /// `rediss+cluster://` and one of its nodes, or several separated by commas.
    pub url: String,
    /// `REDIS_CA`: who vouches for its certificate.
    pub authorities: Authorities,
    /// `REDIS_IAM_CACHE`: the name of the cache of ElastiCache Serverless that one signs in at by tokens in place of a
    /// password, and who does.
    pub iam: Option<(String, Aws)>,
}

/// Who vouches for the certificate of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorities {
    /// Those that browsers trust, which also certify RDS Proxy and ElastiCache.
    Public,
    /// Those of RDS' own, which certify its instances and clusters.
    Rds,
    /// Those in this file, in PEM.
    File(PathBuf),
}

/// What signing and checking access tokens needs.
pub struct Tokens {
    /// The keys.
    pub keys: KeyRing,
    /// `PUBLIC_URL`: the issuer.
    pub issuer: String,
}

/// `JWT_KEYS`: the key ring, a JWK set of symmetric HS256 keys or a single JWK, or where it is. The first key signs, all
/// verify.
pub enum KeyRing {
    /// This is it.
    Here(String),
    /// It is in the secret of this ARN.
    Secret(String, Secrets),
}

/// Secrets Manager.
pub struct Secrets {
    /// `AWS_ENDPOINT_URL_SECRETS_MANAGER`: where it is, when not at its own address.
    pub endpoint: Option<String>,
    /// Who asks.
    pub aws: Aws,
}

/// What `migrate` is told beside the database.
pub struct Migration {
    /// `DATABASE_SECRET`: the ARN of the secret with the `username` and `password` of whoever owns the schema, in place
    /// of those in `DATABASE_URL`.
    pub secret: Option<(String, Secrets)>,
    /// `DATABASE_ROLE`: whom the handlers sign in as; it is made, and granted what they need.
    pub role: Option<String>,
}

/// The management API of the WebSocket API, and the function that pushes to many.
pub struct Push {
    /// `AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI`: the stage's address, never taken from an event.
    pub endpoint: String,
    /// `FAN_OUT_FUNCTION`: the name of the function that goes on where an invocation has pushed for long enough.
    pub fan_out_function: String,
    /// `AWS_ENDPOINT_URL_LAMBDA`: where functions are invoked, when not at Lambda's own address.
    pub lambda_endpoint: Option<String>,
    /// Who asks.
    pub aws: Aws,
}

/// SES, and what mails say.
pub struct Mail {
    /// `MAIL_FROM`: the sender, `Name <address>` or an address alone.
    pub from: String,
    /// `AWS_ENDPOINT_URL_SESV2`: where SES is, when not at its own address.
    pub ses_endpoint: Option<String>,
    /// `PUBLIC_URL`: where the links of mails lead.
    pub public_url: String,
    /// Who asks.
    pub aws: Aws,
}

/// Who asks AWS for something, and where.
pub struct Aws {
    /// `AWS_REGION`, for the signature.
    pub region: String,
    /// `AWS_ACCESS_KEY_ID`, which Lambda sets.
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`, which Lambda sets.
    pub secret_access_key: String,
    /// `AWS_SESSION_TOKEN`, which Lambda sets.
    pub session_token: Option<String>,
}

impl Logging {
    /// Reads the section.
    pub fn from_env() -> anyhow::Result<Self> {
        let level = optional("LOG_LEVEL").unwrap_or_else(|| "info".to_owned());
        ensure!(
            ["error", "warn", "info", "debug", "trace"].contains(&level.as_str()),
            "LOG_LEVEL must be error, warn, info, debug or trace, not {level:?}"
        );
        Ok(Self { level, function: function_name(), metrics_namespace: optional("METRICS_NAMESPACE") })
    }
}

impl Traces {
    /// Reads the section; there are no traces without an endpoint.
    pub fn from_env() -> anyhow::Result<Option<Self>> {
        let Some(endpoint) = optional("OTEL_EXPORTER_OTLP_ENDPOINT") else { return Ok(None) };
        ensure!(
            is_web_address(&endpoint),
            "OTEL_EXPORTER_OTLP_ENDPOINT must begin with http:// or https:// and a host, not {endpoint:?}"
        );
        // What is sent along the exporter reads itself, and would say nothing of what it does not understand.
        let headers = optional("OTEL_EXPORTER_OTLP_HEADERS").unwrap_or_default();
        ensure!(
            headers.split(',').all(|header| header.trim().is_empty() || header.contains('=')),
            "OTEL_EXPORTER_OTLP_HEADERS must be name=value, several separated by commas"
        );
        let sampled = optional("OTEL_TRACES_SAMPLER_ARG").map_or(Ok(1.0), |share| share.parse());
        let sampled = sampled.ok().filter(|share| (0.0..=1.0).contains(share));
        let sampled = sampled.context("OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1")?;
        Ok(Some(Self { endpoint, sampled }))
    }
}

impl Stores {
    /// Reads the section.
    pub fn from_env() -> anyhow::Result<Self> {
        Ok(Self { database: Database::from_env()?, redis: Redis::from_env()? })
    }
}

impl Database {
    /// One to which the address alone leads.
    #[cfg(test)]
    pub(crate) fn at(url: String) -> Self {
        Self { url, authorities: Authorities::Public, iam: None }
    }

    /// Reads the section.
    pub fn from_env() -> anyhow::Result<Self> {
        let by_iam = match optional("DATABASE_IAM").as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(other) => anyhow::bail!("DATABASE_IAM must be true or false, not {other:?}"),
        };
        Ok(Self {
            url: required("DATABASE_URL")?,
            authorities: Authorities::from_env("DATABASE_CA"),
            iam: by_iam.then(Aws::from_env).transpose()?,
        })
    }
}

impl Redis {
    /// One to which the address alone leads.
    #[cfg(test)]
    pub(crate) fn at(url: String) -> Self {
        Self { url, authorities: Authorities::Public, iam: None }
    }

    /// Reads the section.
    pub fn from_env() -> anyhow::Result<Self> {
        let authorities = Authorities::from_env("REDIS_CA");
        ensure!(authorities != Authorities::Rds, "REDIS_CA must be public or a file, not rds");
        Ok(Self {
            url: required("REDIS_URL")?,
            authorities,
            iam: optional("REDIS_IAM_CACHE")
                .map(|cache| Ok::<_, anyhow::Error>((cache, Aws::from_env()?)))
                .transpose()?,
        })
    }
}

impl Authorities {
    fn from_env(name: &str) -> Self {
        match optional(name).as_deref() {
            None | Some("public") => Self::Public,
            Some("rds") => Self::Rds,
            Some(file) => Self::File(file.into()),
        }
    }
}

impl Tokens {
    /// Reads the section.
    pub fn from_env() -> anyhow::Result<Self> {
        let keys = required("JWT_KEYS")?;
        let keys = if keys.starts_with("arn:") {
            KeyRing::Secret(keys, Secrets::from_env()?)
        } else {
            KeyRing::Here(keys)
        };
        Ok(Self { keys, issuer: public_url()? })
    }
}

impl Secrets {
    /// Reads the section.
    pub fn from_env() -> anyhow::Result<Self> {
        Ok(Self { endpoint: optional("AWS_ENDPOINT_URL_SECRETS_MANAGER"), aws: Aws::from_env()? })
    }
}

impl Migration {
    /// Reads the section.
    pub fn from_env() -> anyhow::Result<Self> {
        let role = optional("DATABASE_ROLE");
        if let Some(role) = &role {
            let is_name =
                role.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit());
            ensure!(
                is_name && role.len() < 64 && !role.starts_with(|c: char| c.is_ascii_digit()),
                "DATABASE_ROLE must be letters from a to z, digits and underscores, not {role:?}"
            );
        }
        let secret = optional("DATABASE_SECRET");
        let secret = secret.map(|secret| Ok::<_, anyhow::Error>((secret, Secrets::from_env()?)));
        Ok(Self { secret: secret.transpose()?, role })
    }
}

impl Push {
    /// Reads the section.
    pub fn from_env() -> anyhow::Result<Self> {
        Self::handing_over_to(required("FAN_OUT_FUNCTION")?)
    }

    /// Reads the section for that function itself: a template lets none refer to itself, so it goes by its own name and,
    /// if it has one, the alias in `FUNCTION_ALIAS`.
    pub fn of_fan_out() -> anyhow::Result<Self> {
        let name = required("AWS_LAMBDA_FUNCTION_NAME")?;
        Self::handing_over_to(match optional("FUNCTION_ALIAS") {
            Some(alias) => format!("{name}:{alias}"),
            None => name,
        })
    }

    fn handing_over_to(fan_out_function: String) -> anyhow::Result<Self> {
        Ok(Self {
            endpoint: required("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI")?,
            fan_out_function,
            lambda_endpoint: optional("AWS_ENDPOINT_URL_LAMBDA"),
            aws: Aws::from_env()?,
        })
    }
}

impl Mail {
    /// Reads the section.
    pub fn from_env() -> anyhow::Result<Self> {
        let from = required("MAIL_FROM")?;
        ensure!(
            from.contains('@') && from.chars().all(|c| c.is_ascii_graphic() || c == ' '),
            "MAIL_FROM must be an e-mail address, or a name and <an address>, in ASCII, not {from:?}"
        );
        Ok(Self {
            from,
            ses_endpoint: optional("AWS_ENDPOINT_URL_SESV2"),
            public_url: public_url()?,
            aws: Aws::from_env()?,
        })
    }
}

impl Aws {
    /// Somebody whom nobody asks who it is.
    #[cfg(test)]
    pub(crate) fn anybody() -> Self {
        let name = || "anybody".to_owned();
        Self { region: name(), access_key_id: name(), secret_access_key: name(), session_token: None }
    }

    fn from_env() -> anyhow::Result<Self> {
        Ok(Self {
            region: required("AWS_REGION")?,
            access_key_id: required("AWS_ACCESS_KEY_ID")?,
            secret_access_key: required("AWS_SECRET_ACCESS_KEY")?,
            session_token: optional("AWS_SESSION_TOKEN"),
        })
    }
}

/// `MAIL_FUNCTION`: the name of the function that writes mails.
pub fn mail_function() -> anyhow::Result<String> {
    required("MAIL_FUNCTION")
}

/// `EMAIL_VERIFICATION`: whether an address must be verified before its owner may sign in; `optional` by default.
pub fn email_verification_required() -> anyhow::Result<bool> {
    match optional("EMAIL_VERIFICATION").as_deref() {
        None | Some("optional") => Ok(false),
        Some("required") => Ok(true),
        Some(other) => anyhow::bail!("EMAIL_VERIFICATION must be optional or required, not {other:?}"),
    }
}

/// `ENVIRONMENT`: whether this is a machine of development, where conveniences are on; `production` by default.
pub fn is_development() -> anyhow::Result<bool> {
    match optional("ENVIRONMENT").as_deref() {
        None | Some("production") => Ok(false),
        Some("development") => Ok(true),
        Some(other) => anyhow::bail!("ENVIRONMENT must be development or production, not {other:?}"),
    }
}

/// `AWS_LAMBDA_FUNCTION_NAME`: the name by which Lambda knows this function.
pub fn function_name() -> String {
    optional("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_default()
}

/// `METRICS_TOKEN`: what a scraper of the metrics has to show outside of development.
pub fn metrics_token() -> Option<String> {
    optional("METRICS_TOKEN")
}

/// `PUBLIC_URL`: where the HTTP API is, as clients see it.
pub fn public_url() -> anyhow::Result<String> {
    let url = required("PUBLIC_URL")?;
    ensure!(is_web_address(&url), "PUBLIC_URL must begin with http:// or https:// and a host, not {url:?}");
    Ok(url)
}

fn is_web_address(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '['))
}

/// `WEBSOCKET_URL`: where clients connect.
pub fn websocket_url() -> anyhow::Result<String> {
    required("WEBSOCKET_URL")
}

/// `ALLOWED_ORIGINS`: the browser origins that may connect, separated by commas; that of `PUBLIC_URL` always may.
pub fn allowed_origins() -> anyhow::Result<Vec<String>> {
    let list = [optional("ALLOWED_ORIGINS").unwrap_or_default(), public_url()?].join(",");
    let origins = list.split(',').map(|origin| origin.trim().trim_end_matches('/'));
    let origins: Vec<_> = origins.filter(|origin| !origin.is_empty()).map(str::to_owned).collect();
    for origin in &origins {
        ensure!(
            is_web_address(origin),
            "ALLOWED_ORIGINS must be http:// or https:// and a host each, not {origin:?}"
        );
    }
    Ok(origins)
}

/// `THROTTLE_*`: who may do what how often.
pub fn throttles() -> anyhow::Result<Throttles> {
    let throttle = |variable, name, default: &str| {
        let text = optional(variable);
        windows(variable, text.as_deref().unwrap_or(default)).map(|windows| Policy { name, windows })
    };
    Ok(Throttles {
        messages: throttle("THROTTLE_MESSAGES", "messages", "10/60")?,
        signup: throttle("THROTTLE_SIGNUP", "signup", "2/60")?,
        login: throttle("THROTTLE_LOGIN", "login", "5/60")?,
        conversations: throttle("THROTTLE_CONVERSATIONS", "conversations", "5/60")?,
        reads: throttle("THROTTLE_READS", "reads", "10/60")?,
        anonymous: throttle("THROTTLE_ANONYMOUS", "anonymous", "20/60,100/3600")?,
        user: throttle("THROTTLE_USER", "user", "120/60,1000/3600")?,
        clients: throttle("THROTTLE_CLIENTS", "clients", "600/60")?,
        commands: throttle("THROTTLE_COMMANDS", "commands", "20/1")?,
    })
}

/// `<count>/<seconds>`, several separated by commas, or `off`.
fn windows(name: &str, text: &str) -> anyhow::Result<Vec<Window>> {
    if text == "off" {
        return Ok(Vec::new());
    }
    text.split(',')
        .map(|window| {
            let (count, seconds) = window.trim().split_once('/')?;
            let (count, seconds) = (count.parse().ok()?, seconds.parse().ok()?);
            let valid = count > 0 && (1..=86_400).contains(&seconds);
            valid.then(|| Window { count, length: Duration::from_secs(seconds) })
        })
        .collect::<Option<_>>()
        .with_context(|| {
            format!("{name} must be <count>/<seconds>, several separated by commas, or off, not {text:?}")
        })
}

#[expect(clippy::disallowed_methods, reason = "this module is the one reader of the environment")]
fn optional(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn required(name: &str) -> anyhow::Result<String> {
    optional(name).with_context(|| format!("the setting {name} is missing"))
}

/// What `make test` says of the stores it started: where Postgres is, which database in it is the migrated
/// template, and where Redis is.
#[cfg(test)]
pub(crate) fn test_stores() -> (String, String, String) {
    let read = |name| required(name).expect("the stores of `make test`, which runs these tests");
    (read("TEST_POSTGRES_URL"), read("TEST_TEMPLATE_DATABASE"), read("TEST_REDIS_URL"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_throttle_is_several_windows_or_off() {
        let minute = Window { count: 10, length: Duration::from_mins(1) };
        let hour = Window { count: 100, length: Duration::from_hours(1) };

        assert_eq!(windows("T", "10/60").ok(), Some(vec![minute]));
        assert_eq!(windows("T", "10/60, 100/3600").ok(), Some(vec![minute, hour]));
        assert_eq!(windows("T", "off").ok(), Some(vec![]));
        for bad in ["", "10", "0/60", "10/0", "ten/60", "10/60,", "10/99999"] {
            assert!(windows("T", bad).is_err(), "{bad}");
        }
    }
}
