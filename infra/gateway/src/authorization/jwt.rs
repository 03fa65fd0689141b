//! JSON Web Tokens, checked by the keys that their issuer publishes (`OpenID` Connect Discovery 1.0).
//!
//! Only tokens signed by RSA pass, as on API Gateway. Keys are kept for two hours and fetched again before that
//! when a token names one that is not among them.

use std::sync::{self, Arc, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::Uri;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::template::{IdentitySource, JwtConfiguration};

/// How long each of the issuer's two documents may take (API Gateway Developer Guide, "Control access to HTTP
/// APIs with JWT authorizers").
const FETCH_LIMIT: Duration = Duration::from_millis(1500);

/// The same page.
const KEYS_LIFETIME: Duration = Duration::from_hours(2);

/// The shortest time between two fetches for keys that are not there or cannot be had.
const REFETCH: Duration = Duration::from_secs(1);

const DOCUMENT_LIMIT: usize = 1024 * 1024;

const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512];

/// Checks the tokens of one issuer.
#[derive(Debug)]
pub(super) struct Verifier {
    configuration: JwtConfiguration,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    keys: sync::Mutex<Option<Keys>>,
    /// Held while keys are fetched: when and how that failed, if it did the last time.
    fetching: Mutex<Option<(Instant, Denial)>>,
}

#[derive(Debug)]
struct Keys {
    fetched_at: Instant,
    set: Arc<JwkSet>,
}

/// Why a token did not pass.
#[derive(Debug, Clone)]
pub(super) enum Denial {
    /// It is not good.
    Token(&'static str),
    /// The issuer's keys cannot be had.
    Keys {
        /// What is told to the client.
        description: &'static str,
        /// What is told to the operator.
        cause: String,
    },
    /// It has none of the route's scopes.
    Scope,
}

impl Denial {
    /// What the client is told.
    pub(super) fn description(&self) -> &'static str {
        match self {
            Self::Token(description) | Self::Keys { description, .. } => description,
            Self::Scope => "the token does not have a required scope",
        }
    }
}

#[derive(Debug, Deserialize)]
struct Discovery {
    jwks_uri: String,
}

impl Verifier {
    /// A verifier that has fetched nothing yet.
    pub(super) fn new(configuration: JwtConfiguration) -> Result<Self> {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .context("cannot prepare TLS")?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { configuration, client, keys: sync::Mutex::default(), fetching: Mutex::default() })
    }

    /// Where the token is.
    pub(super) fn source(&self) -> &IdentitySource {
        &self.configuration.source
    }

    /// Checks a token, with or without `Bearer` before it, at a moment in Unix seconds; gives what the event
    /// tells as `jwt`.
    pub(super) async fn verify(&self, given: &str, scopes: &[String], now: i64) -> Result<Value, Denial> {
        let token = match given.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => given,
        };
        let Ok(header) = jsonwebtoken::decode_header(token) else {
            return Err(Denial::Token("the token is malformed or its algorithm is unknown"));
        };
        if !ALGORITHMS.contains(&header.alg) {
            return Err(Denial::Token("the token is not signed by an RSA-based algorithm"));
        }
        let kid = header.kid.ok_or(Denial::Token("the token does not name its key"))?;
        let unknown = Denial::Token("the token's key is not among those of the issuer");
        let set = self.keys(&kid).await?;
        let key = set.find(&kid).and_then(|key| DecodingKey::from_jwk(key).ok()).ok_or(unknown)?;
        let mut validation = Validation::new(header.alg);
        // Claims are checked below, one by one, so that the client hears which is wrong.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let claims = jsonwebtoken::decode::<Map<String, Value>>(token, &key, &validation)
            .map_err(|_| Denial::Token("the token's signature is invalid"))?
            .claims;
        self.check(&claims, now)?;
        let granted = granted(&claims, scopes)?;
        let claims: Map<String, Value> =
            claims.into_iter().map(|(name, value)| (name, as_text(&value).into())).collect();
        Ok(json!({ "claims": claims, "scopes": granted }))
    }

    fn check(&self, claims: &Map<String, Value>, now: i64) -> Result<(), Denial> {
        if claims.get("iss").and_then(Value::as_str) != Some(&self.configuration.issuer) {
            return Err(Denial::Token("the token does not have a valid issuer"));
        }
        let audience = claims.get("aud").or_else(|| claims.get("client_id"));
        let is_known = |one: &Value| {
            one.as_str().is_some_and(|one| self.configuration.audience.iter().any(|known| known == one))
        };
        let for_us = match audience {
            Some(Value::Array(several)) => several.iter().any(is_known),
            Some(one) => is_known(one),
            None => false,
        };
        if !for_us {
            return Err(Denial::Token("the token does not have a valid audience"));
        }
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are exact in a double")]
        let now = now as f64;
        let moment = |name: &str| match claims.get(name) {
            None => Ok(None),
            Some(value) => value.as_f64().map(Some).ok_or(Denial::Token("a time of the token is no number")),
        };
        if moment("exp")?.is_none_or(|expires_at| expires_at <= now) {
            return Err(Denial::Token("the token has expired"));
        }
        if [moment("nbf")?, moment("iat")?].into_iter().flatten().any(|from| from > now) {
            return Err(Denial::Token("the token is not valid yet"));
        }
        Ok(())
    }

    /// The issuer's keys, fetched anew if none of them has the id.
    async fn keys(&self, kid: &str) -> Result<Arc<JwkSet>, Denial> {
        if let Some(known) = self.known(kid) {
            return Ok(known);
        }
        let mut failed = self.fetching.lock().await;
        // What another request fetched meanwhile, or failed to, counts for this one.
        if let Some(known) = self.known(kid) {
            return Ok(known);
        }
        if let Some((_, denial)) = failed.as_ref().filter(|(at, _)| at.elapsed() < REFETCH) {
            return Err(denial.clone());
        }
        match self.fetch_keys().await {
            Ok(set) => {
                let set = Arc::new(set);
                *failed = None;
                *self.lock() = Some(Keys { fetched_at: Instant::now(), set: Arc::clone(&set) });
                Ok(set)
            }
            Err(denial) => {
                *failed = Some((Instant::now(), denial.clone()));
                Err(denial)
            }
        }
    }

    /// The keys that were fetched, unless they are too old, or one of this id may be there by now.
    fn known(&self, kid: &str) -> Option<Arc<JwkSet>> {
        let keys = self.lock();
        let known = keys.as_ref().filter(|keys| keys.fetched_at.elapsed() < KEYS_LIFETIME)?;
        let is_final = known.set.find(kid).is_some() || known.fetched_at.elapsed() < REFETCH;
        is_final.then(|| Arc::clone(&known.set))
    }

    fn lock(&self) -> sync::MutexGuard<'_, Option<Keys>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fetch_keys(&self) -> Result<JwkSet, Denial> {
        let denial = |description, error: &anyhow::Error| Denial::Keys {
            description,
            cause: format!("{description}: {error:#}"),
        };
        let base = self.configuration.issuer.trim_end_matches('/');
        let discovery: Discovery = self
            .fetch(&format!("{base}/.well-known/openid-configuration"))
            .await
            .map_err(|error| denial("OIDC discovery endpoint communication error", &error))?;
        self.fetch(&discovery.jwks_uri).await.map_err(|error| denial("JWKS communication error", &error))
    }

    async fn fetch<T: for<'a> Deserialize<'a>>(&self, url: &str) -> Result<T> {
        let uri: Uri = url.parse().with_context(|| format!("{url} is no URL"))?;
        let fetching = async {
            let response = self.client.get(uri).await?;
            ensure!(response.status().is_success(), "status {}", response.status());
            let body = Limited::new(response.into_body(), DOCUMENT_LIMIT).collect().await;
            let body = body.map_err(|error| anyhow::anyhow!(error))?.to_bytes();
            Ok(serde_json::from_slice(&body)?)
        };
        let fetched = timeout(FETCH_LIMIT, fetching).await.context("no answer within 1.5 s").flatten();
        fetched.with_context(|| url.to_owned())
    }
}

/// Those of the route's scopes that a token has; none of them is a denial, unless the route has none.
fn granted(claims: &Map<String, Value>, needed: &[String]) -> Result<Option<Vec<String>>, Denial> {
    if needed.is_empty() {
        return Ok(None);
    }
    let had: Vec<&str> = match claims.get("scope").or_else(|| claims.get("scp")) {
        Some(Value::String(text)) => text.split(' ').collect(),
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let granted: Vec<String> = needed.iter().filter(|scope| had.contains(&scope.as_str())).cloned().collect();
    if granted.is_empty() { Err(Denial::Scope) } else { Ok(Some(granted)) }
}

/// A claim as events tell it: numbers and truth values as their text, a list as `[a b]`.
fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(as_text).collect::<Vec<_>>().join(" ")),
        Value::Object(entries) => {
            let entries = entries.iter().map(|(key, value)| format!("{key}:{}", as_text(value)));
            format!("map[{}]", entries.collect::<Vec<_>>().join(" "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use futures_util::future::join_all;
    use tokio::net::TcpListener;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn verifier() -> Verifier {
        Verifier::new(JwtConfiguration {
            issuer: "https://id.example.com/".to_owned(),
            audience: vec!["app".to_owned(), "web".to_owned()],
            source: IdentitySource::Header("Authorization".to_owned()),
        })
        .unwrap()
    }

    fn good() -> Value {
        json!({"iss": "https://id.example.com/", "aud": ["other", "web"], "exp": NOW + 60, "nbf": NOW, "iat": NOW})
    }

    fn checked(change: &Value) -> Result<(), String> {
        let Value::Object(mut claims) = good() else { panic!() };
        for (name, value) in change.as_object().unwrap() {
            if value.is_null() {
                claims.remove(name);
            } else {
                claims.insert(name.clone(), value.clone());
            }
        }
        verifier().check(&claims, NOW).map_err(|denial| denial.description().to_owned())
    }

    #[tokio::test]
    async fn a_token_is_good_only_with_its_issuer_audience_and_times() {
        assert_eq!(checked(&json!({})), Ok(()));
        assert_eq!(checked(&json!({"aud": "app"})), Ok(()));
        assert_eq!(checked(&json!({"aud": null, "client_id": "app"})), Ok(()));
        assert_eq!(checked(&json!({"nbf": null, "iat": null})), Ok(()));
        for (change, named) in [
            (json!({"iss": "https://id.example.com"}), "issuer"),
            (json!({"iss": null}), "issuer"),
            (json!({"aud": "other"}), "audience"),
            (json!({"aud": "other", "client_id": "app"}), "audience"),
            (json!({"aud": null}), "audience"),
            (json!({"exp": NOW}), "expired"),
            (json!({"exp": null}), "expired"),
            (json!({"exp": "never"}), "no number"),
            (json!({"nbf": NOW + 1}), "not valid yet"),
            (json!({"iat": NOW + 1}), "not valid yet"),
        ] {
            let denied = checked(&change).unwrap_err();

            assert!(denied.contains(named), "{change}: {denied}");
        }
    }

    #[tokio::test]
    async fn requests_that_wait_for_an_issuer_without_an_answer_are_refused_together() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let verifier = Verifier::new(JwtConfiguration {
            issuer: format!("http://{}", silent.local_addr().unwrap()),
            audience: vec!["app".to_owned()],
            source: IdentitySource::Header("Authorization".to_owned()),
        })
        .unwrap();
        let token = format!("{}.e30.AA", URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","kid":"a"}"#));
        let begun = Instant::now();

        let denials = join_all((0..8).map(|_| verifier.verify(&token, &[], NOW))).await;

        assert!(begun.elapsed() < FETCH_LIMIT * 2, "it took {:?}", begun.elapsed());
        for denial in denials {
            assert!(matches!(denial, Err(Denial::Keys { .. })), "{denial:?}");
        }
        // So is the next one, until it is time to ask again.
        let again = Instant::now();
        assert!(verifier.verify(&token, &[], NOW).await.is_err());
        assert!(again.elapsed() < FETCH_LIMIT, "it took {:?}", again.elapsed());
    }

    #[test]
    fn one_of_the_routes_scopes_is_enough() {
        let granted = |claims: Value, needed: &[&str]| {
            let needed: Vec<String> = needed.iter().map(|scope| (*scope).to_owned()).collect();
            super::granted(claims.as_object().unwrap(), &needed).ok()
        };

        assert_eq!(granted(json!({}), &[]), Some(None));
        assert_eq!(granted(json!({"scope": "a b"}), &["b", "c"]), Some(Some(vec!["b".to_owned()])));
        assert_eq!(granted(json!({"scp": ["a"]}), &["a"]), Some(Some(vec!["a".to_owned()])));
        assert_eq!(granted(json!({"scope": "ab"}), &["a"]), None);
        assert_eq!(granted(json!({}), &["a"]), None);
    }

    #[test]
    fn claims_are_told_as_texts() {
        assert_eq!(as_text(&json!(1_800_000_000)), "1800000000");
        assert_eq!(as_text(&json!(true)), "true");
        assert_eq!(as_text(&json!(["a", "b"])), "[a b]");
        assert_eq!(as_text(&json!({"a": 1})), "map[a:1]");
    }
}
