//! Access tokens: JSON Web Tokens (RFC 7519) of 15 minutes, signed with HS256 by the first key of the ring.
//!
//! One algorithm is accepted, whatever a token's header says; a key is found by its `kid`.

use jsonwebtoken::{Algorithm, Header, Validation};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

use super::Identity;
use super::keys::{KeyRing, Keys};
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

/// Signs a token, for an OAuth client if one is named.
pub async fn sign(
    keys: &Keys,
    identity: Identity,
    role: GlobalRole,
    client: Option<&str>,
    now: OffsetDateTime,
) -> Result<String> {
    let ring = keys.ring(None, now).await;
    let (kid, key) = &ring.signing;
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some(kid.clone());
    header.typ = Some(TYPE.to_owned());
    let claims = Claims {
        iss: keys.issuer().to_owned(),
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
pub async fn verify(keys: &Keys, token: &str, now: OffsetDateTime) -> Result<Claims> {
    let claims = match kid(token) {
        Some(kid) => verified(&*keys.ring(Some(&kid), now).await, keys.issuer(), &kid, token),
        None => None,
    };
    let claims = claims.ok_or(Error::Unauthenticated("The access token is not valid."))?;
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

/// The key that an access token names.
fn kid(token: &str) -> Option<String> {
    let header = jsonwebtoken::decode_header(token).ok()?;
    header.kid.filter(|_| header.typ.as_deref() == Some(TYPE) && header.alg == Algorithm::HS256)
}

fn verified(ring: &KeyRing, issuer: &str, kid: &str, token: &str) -> Option<Claims> {
    let key = ring.verifying.get(kid)?;
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_issuer(&[issuer]);
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

    fn ring(kids: &[&str]) -> Keys {
        let key = |kid: &&str| {
            let secret = BASE64_URL_SAFE_NO_PAD.encode(format!("{kid:->32}"));
            format!(r#"{{"kty":"oct","alg":"HS256","kid":"{kid}","k":"{secret}"}}"#)
        };
        let keys = format!(r#"{{"keys":[{}]}}"#, kids.iter().map(key).collect::<Vec<_>>().join(","));
        Keys::fixed(KeyRing::parse(&keys).expect("a key ring"), "https://chat.example")
    }

    fn somebody() -> Identity {
        Identity { user: UserId::generate(), session: SessionId::generate() }
    }

    #[tokio::test]
    async fn a_token_is_valid_until_it_expires_and_not_a_second_longer() {
        let (keys, now, identity) = (ring(&["a"]), OffsetDateTime::now_utc(), somebody());

        let token = sign(&keys, identity, GlobalRole::User, None, now).await.expect("a token");

        assert_eq!(verify(&keys, &token, now).await.map(|claims| claims.identity()).ok(), Some(identity));
        assert!(verify(&keys, &token, now + LIFETIME - Duration::seconds(1)).await.is_ok());
        assert!(verify(&keys, &token, now + LIFETIME).await.is_err());
        assert!(verify(&keys, &token, now - Duration::seconds(10)).await.is_err());
    }

    #[tokio::test]
    async fn a_retired_key_still_verifies_and_a_dropped_one_does_not() {
        let now = OffsetDateTime::now_utc();
        let token = sign(&ring(&["old"]), somebody(), GlobalRole::User, None, now).await.expect("a token");

        assert!(verify(&ring(&["new", "old"]), &token, now).await.is_ok());
        assert!(verify(&ring(&["new"]), &token, now).await.is_err());
    }

    #[tokio::test]
    async fn a_token_of_another_type_algorithm_or_none_is_refused() {
        let (keys, now) = (ring(&["a"]), OffsetDateTime::now_utc());
        let token = sign(&keys, somebody(), GlobalRole::User, None, now).await.expect("a token");
        let payload = token.split('.').nth(1).expect("a payload");
        let none = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"at+jwt","kid":"a"}"#);
        let mut header = Header::new(Algorithm::HS384);
        header.kid = Some("a".to_owned());
        header.typ = Some(TYPE.to_owned());
        let claims = verify(&keys, &token, now).await.expect("claims");
        let signing = keys.ring(None, now).await.signing.1.clone();
        let other = jsonwebtoken::encode(&header, &claims, &signing).expect("a token");
        header = Header::new(Algorithm::HS256);
        header.kid = Some("a".to_owned());
        let untyped = jsonwebtoken::encode(&header, &claims, &signing).expect("a token");

        for hostile in [format!("{none}.{payload}."), other, untyped, String::new(), "a.b.c".to_owned()] {
            assert!(verify(&keys, &hostile, now).await.is_err(), "{hostile}");
        }
    }
}
