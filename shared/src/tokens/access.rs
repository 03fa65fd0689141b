//! Access tokens: JSON Web Tokens (RFC 7519) of 15 minutes, signed with HS256 by the first key of a ring.
//!
//! One algorithm is accepted, whatever a token's header says; a key is found by its `kid`, so that keys rotate
//! without signing anyone out.

use std::collections::HashMap;

use anyhow::{Context, ensure};
use jsonwebtoken::jwk::{AlgorithmParameters, JwkSet, KeyAlgorithm};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

use super::Identity;
use crate::config::Tokens;
use crate::ids::{SessionId, UserId};
use crate::{Error, Result};

/// How long a token is valid.
pub const LIFETIME: Duration = Duration::minutes(15);
/// The audience; a token made for anything else is none of ours.
const AUDIENCE: &str = "chat";
/// The media type of access tokens (RFC 9068), so that no other token can pass for one.
const TYPE: &str = "at+jwt";
/// How far the clocks of two instances may be apart for a fresh token to be accepted.
const SKEW: Duration = Duration::seconds(5);

/// What a global role allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum GlobalRole {
    /// Nothing beyond their own.
    User,
    /// Administration.
    Admin,
}

impl GlobalRole {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
        }
    }

    /// The one of this name.
    pub(crate) fn named(name: &str) -> Self {
        if name == "admin" { Self::Admin } else { Self::User }
    }
}

/// What a token says.
#[derive(Debug, Serialize, Deserialize)]
pub struct Claims {
    iss: String,
    aud: String,
    sub: UserId,
    sid: SessionId,
    /// The global role.
    pub role: GlobalRole,
    iat: i64,
    nbf: i64,
    exp: i64,
    /// The OAuth client it was given to (RFC 9068), if to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
}

impl Claims {
    /// Who, and in which session.
    pub fn identity(&self) -> Identity {
        Identity { user: self.sub, session: self.sid }
    }

    /// Whether it was given to an OAuth client.
    pub fn is_of_client(&self) -> bool {
        self.client_id.is_some()
    }

    /// When it was signed, in seconds since 1970.
    pub fn issued_at(&self) -> i64 {
        self.iat
    }

    /// When it expires, in seconds since 1970.
    pub fn expires_at(&self) -> i64 {
        self.exp
    }
}

/// The keys.
pub struct KeyRing {
    issuer: String,
    signing: (String, EncodingKey),
    verifying: HashMap<String, DecodingKey>,
}

impl KeyRing {
    /// From the settings.
    pub fn new(settings: &Tokens) -> anyhow::Result<Self> {
        // The text holds keys, so the parser's complaint, which may quote it, is not repeated.
        let set: JwkSet = serde_json::from_str(&settings.keys).ok().context("JWT_KEYS is not a JWK set")?;
        let mut signing = None;
        let mut verifying = HashMap::new();
        for jwk in &set.keys {
            let kid = jwk.common.key_id.clone().context("a key of JWT_KEYS has no kid")?;
            let AlgorithmParameters::OctetKey(oct) = &jwk.algorithm else {
                anyhow::bail!("the key {kid} of JWT_KEYS is not symmetric (kty oct)");
            };
            ensure!(
                jwk.common.key_algorithm.is_none_or(|algorithm| algorithm == KeyAlgorithm::HS256),
                "the key {kid} of JWT_KEYS is not for HS256"
            );
            let decoding =
                DecodingKey::from_jwk(jwk).ok().with_context(|| format!("the key {kid} is not base64url"))?;
            let long_enough = decoding.try_get_as_bytes().is_ok_and(|key| key.len() >= 32);
            ensure!(long_enough, "the key {kid} of JWT_KEYS is shorter than 256 bits");
            if signing.is_none() {
                signing = Some((kid.clone(), EncodingKey::from_base64_secret(&to_standard(&oct.value))?));
            }
            verifying.insert(kid, decoding);
        }
        let signing = signing.context("JWT_KEYS has no key")?;
        Ok(Self { issuer: settings.issuer.clone(), signing, verifying })
    }

    /// The issuer.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }
}

/// `from_base64_secret` wants the standard alphabet with padding; a JWK has the URL's without.
fn to_standard(base64url: &str) -> String {
    let mut text = base64url.replace('-', "+").replace('_', "/");
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

/// Signs a token, for an OAuth client if one is named.
pub fn sign(
    keys: &KeyRing,
    identity: Identity,
    role: GlobalRole,
    client: Option<&str>,
    now: OffsetDateTime,
) -> Result<String> {
    let (kid, key) = &keys.signing;
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some(kid.clone());
    header.typ = Some(TYPE.to_owned());
    let claims = Claims {
        iss: keys.issuer.clone(),
        aud: AUDIENCE.to_owned(),
        sub: identity.user,
        sid: identity.session,
        role,
        iat: now.unix_timestamp(),
        nbf: (now - SKEW).unix_timestamp(),
        exp: (now + LIFETIME).unix_timestamp(),
        client_id: client.map(str::to_owned),
    };
    jsonwebtoken::encode(&header, &claims, key).map_err(|error| Error::Internal(error.into()))
}

/// Checks a token.
pub fn verify(keys: &KeyRing, token: &str, now: OffsetDateTime) -> Result<Claims> {
    let claims = verified(keys, token).ok_or(Error::Unauthenticated("The access token is not valid."))?;
    // The times are checked here and not by the library, which asks a clock of its own.
    let at = now.unix_timestamp();
    if at >= claims.exp {
        return Err(Error::Unauthenticated("The access token has expired."));
    }
    if at < claims.nbf {
        return Err(Error::Unauthenticated("The access token is not valid yet."));
    }
    Ok(claims)
}

fn verified(keys: &KeyRing, token: &str) -> Option<Claims> {
    let header = jsonwebtoken::decode_header(token).ok()?;
    if header.typ.as_deref() != Some(TYPE) {
        return None;
    }
    let key = keys.verifying.get(header.kid.as_deref()?)?;
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_issuer(&[&keys.issuer]);
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
    validation.validate_exp = false;
    Some(jsonwebtoken::decode::<Claims>(token, key, &validation).ok()?.claims)
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;

    use super::*;

    fn ring(kids: &[&str]) -> KeyRing {
        let key = |kid: &&str| {
            let secret = BASE64_URL_SAFE_NO_PAD.encode(format!("{kid:->32}"));
            format!(r#"{{"kty":"oct","alg":"HS256","kid":"{kid}","k":"{secret}"}}"#)
        };
        let keys = format!(r#"{{"keys":[{}]}}"#, kids.iter().map(key).collect::<Vec<_>>().join(","));
        KeyRing::new(&Tokens { keys, issuer: "https://chat.example".to_owned() }).expect("a key ring")
    }

    fn somebody() -> Identity {
        Identity { user: UserId::generate(), session: SessionId::generate() }
    }

    #[test]
    fn a_token_is_valid_until_it_expires_and_not_a_second_longer() {
        let (keys, now, identity) = (ring(&["a"]), OffsetDateTime::now_utc(), somebody());

        let token = sign(&keys, identity, GlobalRole::User, None, now).expect("a token");

        assert_eq!(verify(&keys, &token, now).map(|claims| claims.identity()).ok(), Some(identity));
        assert!(verify(&keys, &token, now + LIFETIME - Duration::seconds(1)).is_ok());
        assert!(verify(&keys, &token, now + LIFETIME).is_err());
        assert!(verify(&keys, &token, now - Duration::seconds(10)).is_err());
    }

    #[test]
    fn a_retired_key_still_verifies_and_a_dropped_one_does_not() {
        let now = OffsetDateTime::now_utc();
        let token = sign(&ring(&["old"]), somebody(), GlobalRole::User, None, now).expect("a token");

        assert!(verify(&ring(&["new", "old"]), &token, now).is_ok());
        assert!(verify(&ring(&["new"]), &token, now).is_err());
    }

    #[test]
    fn a_token_of_another_type_algorithm_or_none_is_refused() {
        let (keys, now) = (ring(&["a"]), OffsetDateTime::now_utc());
        let token = sign(&keys, somebody(), GlobalRole::User, None, now).expect("a token");
        let payload = token.split('.').nth(1).expect("a payload");
        let none = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"at+jwt","kid":"a"}"#);
        let mut header = Header::new(Algorithm::HS384);
        header.kid = Some("a".to_owned());
        header.typ = Some(TYPE.to_owned());
        let claims = verify(&keys, &token, now).expect("claims");
        let other = jsonwebtoken::encode(&header, &claims, &keys.signing.1).expect("a token");
        header = Header::new(Algorithm::HS256);
        header.kid = Some("a".to_owned());
        let untyped = jsonwebtoken::encode(&header, &claims, &keys.signing.1).expect("a token");

        for hostile in [format!("{none}.{payload}."), other, untyped, String::new(), "a.b.c".to_owned()] {
            assert!(verify(&keys, &hostile, now).is_err(), "{hostile}");
        }
    }

    #[test]
    fn a_key_ring_that_is_wrong_is_refused_by_name() {
        for bad in ["", "{}", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","kid":"a","k":"c2hvcnQ"}]}"#] {
            let settings = Tokens { keys: bad.to_owned(), issuer: String::new() };
            let Err(error) = KeyRing::new(&settings) else { panic!("{bad} was accepted") };
            assert!(error.to_string().contains("JWT_KEYS"), "{error}");
        }
    }
}
