//! The key ring of the access tokens, symmetric keys for HS256: the first signs, all verify, so that keys rotate without
//! signing anyone out.
//!
//! On AWS it is in a secret that rotates. An instance holds a copy, read when it starts. It is read anew when a token
//! names a key that is not in it, and when it is so old that a key may have been taken out of the ring meanwhile.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use anyhow::{Context, ensure};
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, KeyAlgorithm};
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::Secret;
use crate::config;
use crate::secrets::Secrets;

/// For how long at most a key that was taken out of the ring is good.
const MAX_AGE: Duration = Duration::minutes(15);
/// How often an instance reads the ring at most, however many unknown keys it is shown.
const PAUSE: Duration = Duration::seconds(10);

/// A key ring.
pub struct KeyRing {
    /// The first key, and its name.
    pub(super) signing: (String, EncodingKey),
    /// All of them by their names.
    pub(super) verifying: HashMap<String, DecodingKey>,
}

impl KeyRing {
    /// Reads a JWK set, or a single JWK. No error quotes it: it holds keys.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let mut signing = None;
        let mut verifying = HashMap::new();
        for key in keys_of(text)? {
            let key: Jwk = serde_json::from_value(key).ok().context("one of the keys is not a JWK")?;
            let kid = key.common.key_id.clone().context("one of the keys has no kid")?;
            let AlgorithmParameters::OctetKey(_) = &key.algorithm else {
                anyhow::bail!("the key {kid} is not symmetric (kty oct)");
            };
            let algorithm = key.common.key_algorithm;
            ensure!(
                algorithm.is_none_or(|algorithm| algorithm == KeyAlgorithm::HS256),
                "the key {kid} is not for HS256"
            );
            let decoding = DecodingKey::from_jwk(&key).ok();
            let decoding = decoding.with_context(|| format!("the key {kid} is not base64url"))?;
            let bytes = decoding.try_get_as_bytes().unwrap_or_default();
            ensure!(bytes.len() >= 32, "the key {kid} is shorter than 256 bits");
            if signing.is_none() {
                signing = Some((kid.clone(), EncodingKey::from_secret(bytes)));
            }
            ensure!(!verifying.contains_key(&kid), "two keys have the kid {kid}");
            verifying.insert(kid, decoding);
        }
        Ok(Self { signing: signing.context("there is no key")?, verifying })
    }
}

/// The JWKs, as they are written.
fn keys_of(text: &str) -> anyhow::Result<Vec<Value>> {
    match serde_json::from_str(text).ok() {
        Some(Value::Object(mut object)) => match object.remove("keys") {
            Some(Value::Array(keys)) => Ok(keys),
            Some(_) => anyhow::bail!("the keys of a JWK set are a list"),
            None => Ok(vec![Value::Object(object)]),
        },
        _ => anyhow::bail!("it is neither a JWK set nor a JWK"),
    }
}

/// The ring's next state. The second key signs from now on; behind it comes a new one, which all know before it signs; and last
/// the one that signed until now, which still verifies.
pub fn rotated(ring: &str) -> anyhow::Result<String> {
    let kid = format!("{:016x}", rand::random::<u64>());
    let new = json!({"kty": "oct", "alg": "HS256", "use": "sig", "kid": kid, "k": Secret::draw().reveal()});
    let mut known = keys_of(ring)?.into_iter();
    let keys: Vec<_> = match (known.next(), known.next()) {
        (Some(signed), Some(announced)) => vec![announced, new, signed],
        (signs, _) => signs.into_iter().chain([new]).collect(),
    };
    Ok(json!({ "keys": keys }).to_string())
}

/// The ring as an instance has it.
pub struct Keys {
    issuer: String,
    held: Mutex<Held>,
    /// Where it is read anew, if anywhere.
    source: Option<Source>,
    /// Held by who reads it anew.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Held {
    ring: Arc<KeyRing>,
    read_at: OffsetDateTime,
    /// When it was last attempted to read it anew.
    tried_at: OffsetDateTime,
}

struct Source {
    secret: String,
    secrets: Secrets,
}

impl Source {
    async fn read(&self) -> anyhow::Result<KeyRing> {
        let ring = self.secrets.current(&self.secret).await?;
        KeyRing::parse(&ring).with_context(|| format!("the key ring in the secret {}", self.secret))
    }
}

impl Keys {
    /// From the settings; what is in a secret is read.
    pub async fn read(settings: config::Tokens) -> anyhow::Result<Self> {
        let (ring, source) = match settings.keys {
            config::KeyRing::Here(ring) => (KeyRing::parse(&ring).context("JWT_KEYS")?, None),
            config::KeyRing::Secret(secret, secrets) => {
                let source = Source { secret, secrets: Secrets::new(secrets) };
                (source.read().await.context("JWT_KEYS")?, Some(source))
            }
        };
        Ok(Self::holding(ring, source, settings.issuer))
    }

    fn holding(ring: KeyRing, source: Option<Source>, issuer: String) -> Self {
        let (ring, tried_at) = (Arc::new(ring), OffsetDateTime::UNIX_EPOCH);
        let held = Held { ring, read_at: OffsetDateTime::now_utc(), tried_at };
        Self { issuer, held: Mutex::new(held), source, reading: tokio::sync::Mutex::default() }
    }

    /// One that stays as it is.
    #[cfg(test)]
    pub(super) fn fixed(ring: KeyRing, issuer: &str) -> Self {
        Self::holding(ring, None, issuer.to_owned())
    }

    /// The issuer.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The ring, read anew if it is time to, or if it lacks the key that a token names.
    pub(super) async fn ring(&self, kid: Option<&str>, now: OffsetDateTime) -> Arc<KeyRing> {
        let held = || self.held.lock().expect(UNPOISONED).clone();
        let Some(source) = self.source.as_ref().filter(|_| held().is_due(kid, now)) else {
            return held().ring;
        };
        let _one_reads_for_all = self.reading.lock().await;
        if !held().is_due(kid, now) {
            return held().ring;
        }
        let read = source.read().await;
        let mut held = self.held.lock().expect(UNPOISONED);
        held.tried_at = now;
        match read {
            Ok(ring) => (held.ring, held.read_at) = (Arc::new(ring), now),
            Err(error) => tracing::error!(
                cause = format!("{error:#}"),
                "the key ring cannot be read anew; the one of {} is still used",
                held.read_at
            ),
        }
        Arc::clone(&held.ring)
    }
}

impl Held {
    fn is_due(&self, kid: Option<&str>, now: OffsetDateTime) -> bool {
        let lacks_it = kid.is_some_and(|kid| !self.ring.verifying.contains_key(kid));
        (lacks_it || now - self.read_at >= MAX_AGE) && now - self.tried_at >= PAUSE
    }
}

const UNPOISONED: &str = "nobody panics while holding it";

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// As Secrets Manager draws one: 64 letters and figures for the key.
    fn single() -> String {
        json!({"kty": "oct", "alg": "HS256", "kid": "first", "k": "Ab3".repeat(21) + "x"}).to_string()
    }

    fn kids(ring: &str) -> Vec<String> {
        let kid = |key: &Value| key["kid"].as_str().expect("a kid").to_owned();
        keys_of(ring).expect("keys").iter().map(kid).collect()
    }

    /// A Secrets Manager of one secret, which counts how often it is asked, and fails while that is empty.
    #[derive(Clone, Default)]
    struct SecretsManager {
        secret: Arc<Mutex<String>>,
        asked: Arc<AtomicUsize>,
    }

    impl SecretsManager {
        async fn start(&self) -> config::Secrets {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
            let own = self.clone();
            tokio::spawn(async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    // One request for each connection, in one piece: it is small.
                    let _read = stream.read(&mut [0; 4096]).await;
                    own.asked.fetch_add(1, Ordering::SeqCst);
                    let secret = own.secret.lock().expect(UNPOISONED).clone();
                    let status = if secret.is_empty() { "400 Bad Request" } else { "200 OK" };
                    let body = json!({"SecretString": secret, "__type": "InternalServiceError"}).to_string();
                    let head =
                        format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}", body.len());
                    let _written = stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await;
                }
            });
            config::Secrets { endpoint: Some(endpoint), aws: config::Aws::anybody() }
        }

        fn hold(&self, ring: &str) {
            ring.clone_into(&mut self.secret.lock().expect(UNPOISONED));
        }

        async fn keys(&self) -> anyhow::Result<Keys> {
            let keys = config::KeyRing::Secret("keys".to_owned(), self.start().await);
            Keys::read(config::Tokens { keys, issuer: "https://chat.example".to_owned() }).await
        }

        fn times_asked(&self) -> usize {
            self.asked.load(Ordering::SeqCst)
        }
    }

    #[test]
    fn a_rotation_announces_a_key_signs_by_the_one_announced_before_and_keeps_the_one_that_signed() {
        let one = single();
        let two = rotated(&one).expect("a ring");
        let three = rotated(&two).expect("a ring");
        let four = rotated(&three).expect("a ring");

        assert_eq!(kids(&one), ["first"]);
        let (two, three) = (kids(&two), kids(&three));
        assert_eq!((two.len(), two[0].as_str()), (2, "first"));
        assert_eq!((three.len(), &three[0], three[2].as_str()), (3, &two[1], "first"));
        assert_eq!((kids(&four).len(), &kids(&four)[0], &kids(&four)[2]), (3, &three[1], &three[0]));
        let ring = KeyRing::parse(&four).expect("a ring");
        assert_eq!(ring.signing.0, kids(&four)[0]);
        assert!(kids(&four).iter().all(|kid| ring.verifying.contains_key(kid)));
    }

    #[test]
    fn a_ring_that_is_wrong_is_refused_and_not_quoted() {
        let key = |kid: &str, k: &str| json!({"kty": "oct", "kid": kid, "k": k});
        let long = Secret::draw();
        let twice = json!({"keys": [key("a", long.reveal()), key("a", long.reveal())]}).to_string();
        let nameless = json!({"kty": "oct", "k": long.reveal()}).to_string();
        let asymmetric = r#"{"kty":"OKP","crv":"Ed25519","kid":"a","x":"c2VjcmV0"}"#.to_owned();
        let other = json!({"kty": "oct", "alg": "HS512", "kid": "a", "k": long.reveal()}).to_string();
        let short = key("a", "c2VjcmV0").to_string();
        let crooked = key("a", "c2VjcmV0!").to_string();
        let bad =
            ["c2VjcmV0", "[]", "{}", r#"{"keys":[]}"#, r#"{"keys":{"k":"c2VjcmV0"}}"#].map(str::to_owned);
        for bad in bad.into_iter().chain([twice, nameless, asymmetric, other, short, crooked]) {
            let Err(error) = KeyRing::parse(&bad) else { panic!("{bad} was accepted") };
            let error = format!("{error:#}");
            assert!(!error.contains("c2VjcmV0") && !error.contains(long.reveal()), "{error}");
        }
    }

    #[tokio::test]
    async fn an_unknown_key_is_looked_for_once_in_ten_seconds() {
        let manager = SecretsManager::default();
        manager.hold(&single());
        let keys = manager.keys().await.expect("keys");
        let new = rotated(&single()).expect("a ring");
        manager.hold(&new);
        let (kid, now) = (&kids(&new)[1], OffsetDateTime::now_utc());

        assert!(!keys.ring(Some("first"), now).await.verifying.contains_key(kid));
        assert_eq!(manager.times_asked(), 1, "at the start");
        assert!(keys.ring(Some(kid), now).await.verifying.contains_key(kid));
        assert_eq!(manager.times_asked(), 2);
        for _ in 0..5 {
            tokio::join!(keys.ring(Some("none"), now), keys.ring(Some("nor this"), now + PAUSE / 2));
        }
        assert_eq!(manager.times_asked(), 2, "within ten seconds");
        tokio::join!(keys.ring(Some("none"), now + PAUSE), keys.ring(Some("nor this"), now + PAUSE));
        assert_eq!(manager.times_asked(), 3, "one for all that wait");
    }

    #[tokio::test]
    async fn a_key_that_was_taken_out_is_gone_after_a_quarter_of_an_hour() {
        let manager = SecretsManager::default();
        manager.hold(&rotated(&single()).expect("a ring"));
        let keys = manager.keys().await.expect("keys");
        let now = OffsetDateTime::now_utc();
        manager.hold(&rotated("{\"keys\":[]}").expect("a ring"));

        let young = keys.ring(Some("first"), now + MAX_AGE / 2).await;
        let old = keys.ring(None, now + MAX_AGE).await;

        assert!(young.verifying.contains_key("first"));
        assert!(!old.verifying.contains_key("first"));
    }

    #[tokio::test]
    async fn a_ring_that_cannot_be_read_anew_goes_on_being_used() {
        let manager = SecretsManager::default();
        manager.hold(&single());
        let keys = manager.keys().await.expect("keys");
        let now = OffsetDateTime::now_utc();

        for (broken, late, asked) in [("", Duration::ZERO, 2), ("no ring", PAUSE, 3)] {
            manager.hold(broken);
            let ring = keys.ring(Some("first"), now + MAX_AGE + late).await;
            assert!(ring.verifying.contains_key("first"));
            assert_eq!(manager.times_asked(), asked);
        }
        manager.hold(&rotated("{\"keys\":[]}").expect("a ring"));
        let ring = keys.ring(Some("first"), now + MAX_AGE * 2).await;
        assert!(!ring.verifying.contains_key("first"));
    }

    #[tokio::test]
    async fn a_secret_that_cannot_be_read_is_named_at_the_start() {
        let manager = SecretsManager::default();
        for (broken, reason) in [("", "cannot be read"), ("no ring", "neither a JWK set")] {
            manager.hold(broken);
            let Err(error) = manager.keys().await else { panic!("it was accepted") };
            let error = format!("{error:#}");
            assert!(error.contains("JWT_KEYS") && error.contains(reason), "{error}");
        }
    }
}
