//! Access tokens that no honest client has: signed with the right key but with other claims, or with none.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::Value;

use crate::Settings;

/// The token with its claims changed, signed again with the system's own key.
#[track_caller]
pub fn signed_again(token: &str, change: impl FnOnce(&mut Value)) -> String {
    let header: Header = serde_json::from_slice(&part(token, 0)).expect("the header is a JOSE header");
    let mut claims: Value = serde_json::from_slice(&part(token, 1)).expect("the claims are JSON");
    change(&mut claims);
    jsonwebtoken::encode(&header, &claims, &signing_key()).expect("claims can be signed")
}

/// The token with claims that nobody has signed: the algorithm is `none`.
#[track_caller]
pub fn unsigned(token: &str) -> String {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    format!("{header}.{}.", URL_SAFE_NO_PAD.encode(part(token, 1)))
}

/// The token signed with another key of the same kind.
#[track_caller]
pub fn forged(token: &str) -> String {
    Forgery::of(token).signed_by(b"not the key of this system, though as long")
}

/// A token in the making: one that there is, changed.
#[derive(Debug)]
pub struct Forgery {
    header: Value,
    claims: Value,
}

impl Forgery {
    /// Starts from a token.
    #[track_caller]
    pub fn of(token: &str) -> Self {
        let json = |number| serde_json::from_slice(&part(token, number)).expect("a part is JSON");
        Self { header: json(0), claims: json(1) }
    }

    /// With another header.
    #[must_use]
    pub fn header(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(&mut self.header);
        self
    }

    /// With other claims.
    #[must_use]
    pub fn claims(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(&mut self.claims);
        self
    }

    /// Signed with the system's own key by HS256, whatever the header says.
    pub fn signed(self) -> String {
        self.signed_with(Algorithm::HS256)
    }

    /// Signed with the system's own key by another algorithm.
    pub fn signed_with(self, algorithm: Algorithm) -> String {
        self.finish(&signing_key(), algorithm)
    }

    /// Signed with any key.
    pub fn signed_by(self, key: &[u8]) -> String {
        self.finish(&EncodingKey::from_secret(key), Algorithm::HS256)
    }

    /// With any text for a signature.
    pub fn with_signature(self, signature: &str) -> String {
        format!("{}.{signature}", self.message())
    }

    fn finish(self, key: &EncodingKey, algorithm: Algorithm) -> String {
        let message = self.message();
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm);
        format!("{message}.{}", signature.expect("an HMAC takes any key"))
    }

    fn message(&self) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}", part(&self.header), part(&self.claims))
    }
}

/// A claim of a token, which the holder may read.
#[track_caller]
pub fn claim(token: &str, name: &str) -> Value {
    let claims: Value = serde_json::from_slice(&part(token, 1)).expect("the claims are JSON");
    claims[name].clone()
}

#[track_caller]
fn part(token: &str, number: usize) -> Vec<u8> {
    let part = token.split('.').nth(number).unwrap_or_else(|| panic!("a token has three parts: {token}"));
    URL_SAFE_NO_PAD.decode(part).unwrap_or_else(|err| panic!("{err}: {part}"))
}

fn signing_key() -> EncodingKey {
    let ring: Value = serde_json::from_str(&Settings::get().jwt_keys).expect("TEST_JWT_KEYS is a JWK set");
    let secret = ring["keys"][0]["k"].as_str().expect("TEST_JWT_KEYS holds an `oct` key");
    EncodingKey::from_secret(&URL_SAFE_NO_PAD.decode(secret).expect("a key is in base64url"))
}
