//! OAuth 2.0: programs that act for people whose password they never see, or for themselves. RFC 6749 with RFC 7636 (S256
//! alone), 7009, 7662 and 9207; one scope, `chat`.
//!
//! What a client is given is a session like any other, bound to it: it is listed, and whatever ends a session ends it.

pub mod clients;
mod queries;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};
use url::Url;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use self::clients::{Client, GrantType};
use crate::accounts::{self, Device, Refreshed, Start, TypedPassword};
use crate::ids::{SessionId, UserId};
use crate::throttle::{Admission, Who};
use crate::tokens::access::{self, GlobalRole};
use crate::tokens::{Identity, Secret};
use crate::{App, Error, Result};

/// The one scope there is.
pub const SCOPE: &str = "chat";
/// How long an authorization code may be exchanged.
const CODE_LIFETIME: Duration = Duration::seconds(60);

/// What is wrong with a request, by the names of RFC 6749 (§4.1.2.1 and §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// A parameter is missing, repeated or wrong.
    InvalidRequest,
    /// Who asks is no client, or does not prove to be it.
    InvalidClient,
    /// A code, token or password is not valid, or not this client's.
    InvalidGrant,
    /// The client may not use this grant.
    UnauthorizedClient,
    /// There is no such grant.
    UnsupportedGrantType,
    /// There is no such scope.
    InvalidScope,
    /// There is no such response.
    UnsupportedResponseType,
    /// The person said no.
    AccessDenied,
}

impl Code {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::AccessDenied => "access_denied",
        }
    }
}

/// What a grant is answered with (RFC 6749 §5.1).
#[derive(Serialize, ToSchema)]
#[schema(as = OAuthTokens)]
pub struct Tokens {
    access_token: String,
    #[schema(pattern = "^Bearer$")]
    token_type: &'static str,
    expires_in: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    refresh_token: Option<Secret>,
    scope: &'static str,
}

/// What became of a code or a refresh token.
pub enum Granted {
    /// It was good.
    Tokens(Tokens),
    /// It had been used before: whoever has it, this session has ended by it.
    Ended(Identity),
}

/// What is known of a token (RFC 7662 §2.2).
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum Introspection {
    /// Nothing: it is no token, or not valid now.
    Inactive {
        /// Always false.
        #[schema(schema_with = never)]
        active: bool,
    },
    /// It is valid.
    Active(Box<Facts>),
}

/// What there is to say of a token that is valid.
#[derive(Serialize, ToSchema)]
#[schema(as = TokenFacts)]
pub struct Facts {
    #[schema(schema_with = always)]
    active: bool,
    scope: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    client_id: Option<String>,
    username: String,
    sub: UserId,
    sid: SessionId,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    iat: Option<i64>,
    iss: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    token_type: Option<&'static str>,
}

fn always() -> Object {
    ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([true])).build()
}

fn never() -> Object {
    ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([false])).build()
}

/// Why a request is refused (RFC 6749 §5.2).
#[derive(ToSchema)]
#[schema(examples(json!({ "error": "invalid_grant", "error_description": "The code is not valid." })))]
#[expect(dead_code, reason = "the edge renders the error; here it is only described")]
pub struct OAuthError {
    #[schema(schema_with = codes)]
    error: String,
    error_description: String,
}

fn codes() -> Object {
    let codes = [
        Code::InvalidRequest,
        Code::InvalidClient,
        Code::InvalidGrant,
        Code::UnauthorizedClient,
        Code::UnsupportedGrantType,
        Code::InvalidScope,
        Code::UnsupportedResponseType,
        Code::AccessDenied,
    ];
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(codes.map(Code::as_str))).build()
}

/// A request for an authorization code whose client and redirect URI are right, so that errors go there.
pub struct Authorization {
    /// Who asks.
    pub client: Client,
    /// Where the answer goes.
    pub redirect_uri: Url,
    /// The same as it was written, which the exchange has to repeat.
    redirect_uri_text: String,
    redirect_uri_given: bool,
    state: Option<String>,
    issuer: String,
}

/// What a client proves that its request is the one a code was given for.
pub struct Proof<'a> {
    /// The redirect URI, if it was named then.
    pub redirect_uri: Option<&'a str>,
    /// What the challenge was made of.
    pub verifier: &'a str,
}

/// An error as the RFCs name it.
pub fn error(code: Code, description: impl Into<String>) -> Error {
    Error::OAuth { code, description: description.into() }
}

/// Refuses every scope but the one.
pub fn require_scope(scope: Option<&str>) -> Result<()> {
    match scope {
        None | Some(SCOPE) => Ok(()),
        Some(_) => Err(error(Code::InvalidScope, "The one scope is chat.")),
    }
}

/// What a client's request has to pass. One that proved who it is counts as itself, wherever it is.
pub fn admission(app: &App, client: &Client, of_request: Admission) -> Admission {
    if client.confidential {
        of_request.next().and(&app.throttles.clients, Who::Client(&client.client_id))
    } else {
        of_request
    }
}

/// Tokens for somebody by their password (RFC 6749 §4.3).
pub async fn grant_by_password(
    app: &App,
    client: &Client,
    name: &str,
    password: &TypedPassword,
    device: &Device,
    admission: Admission,
) -> Result<Tokens> {
    client.require(GrantType::Password)?;
    let start = Start {
        name,
        password,
        device,
        // Of a client that is trusted with passwords, the address is everybody's behind it.
        counts_address: !client.confidential,
        lifetime: client.session_lifetime(),
        client: Some(&client.client_id),
    };
    let started = accounts::start_session(app, &start, admission);
    let started = started.await.map_err(as_invalid_grant)?;
    tokens(app, client, started.identity, started.profile.role, Some(started.refresh_token)).await
}

/// Tokens for whoever a refresh token was given (§6).
pub async fn grant_by_refresh_token(
    app: &App,
    client: &Client,
    token: &Secret,
    admission: Admission,
) -> Result<Granted> {
    client.require(GrantType::RefreshToken)?;
    let refreshed = accounts::refresh(app, token, Some(&client.client_id), admission).await;
    match refreshed.map_err(as_invalid_grant)? {
        Refreshed::Now { identity, role, successor } => {
            tokens(app, client, identity, role, Some(successor)).await.map(Granted::Tokens)
        }
        Refreshed::Ended(identity) => Ok(Granted::Ended(identity)),
    }
}

/// A token for the client itself (§4.4), which acts as a user of its own. Only confidential clients have this grant.
pub async fn grant_by_client_credentials(app: &App, client: &Client, device: &Device) -> Result<Tokens> {
    client.require(GrantType::ClientCredentials)?;
    let user = clients::service_user(app, client).await?;
    let started =
        accounts::start_service_session(app, user, device, access::LIFETIME, &client.client_id).await?;
    let (identity, role) =
        started.ok_or_else(|| error(Code::UnauthorizedClient, "The client's user is disabled."))?;
    tokens(app, client, identity, role, None).await
}

/// Tokens for whoever gave a code (§4.1.3).
pub async fn grant_by_code(app: &App, client: &Client, code: &Secret, proof: &Proof<'_>) -> Result<Granted> {
    client.require(GrantType::AuthorizationCode)?;
    if proof.redirect_uri.is_some_and(|uri| uri.contains('\0')) {
        return Err(invalid_code());
    }
    let refresh_token = Secret::draw();
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(proof.verifier));
    let lifetime = client.session_lifetime().as_seconds_f64();
    let redeemed = queries::redeem_code(
        &app.postgres,
        client,
        code,
        proof.redirect_uri,
        &challenge,
        &refresh_token,
        lifetime,
    );
    match redeemed.await? {
        queries::Redeemed::Now(identity, role) => {
            tokens(app, client, identity, role, Some(refresh_token)).await.map(Granted::Tokens)
        }
        queries::Redeemed::Ended(identity) => Ok(Granted::Ended(identity)),
        queries::Redeemed::Refused => Err(invalid_code()),
    }
}

/// What is said of a code that is not valid, whatever the reason.
pub fn invalid_code() -> Error {
    error(Code::InvalidGrant, "The code is not valid, or was given for another request.")
}

/// The session of one of a client's tokens, which it wants ended (RFC 7009). None: that is no token.
pub async fn revoke(app: &App, client: &Client, token: &Secret) -> Result<Option<Identity>> {
    let claims = access::verify(app.keys(), token.reveal(), OffsetDateTime::now_utc()).await;
    let session = claims.ok().map(|claims| claims.identity().session);
    match queries::find_client_of(&app.postgres, session, token).await? {
        Some((session, Some(of))) if of == client.client_id => accounts::revoke_session(app, session).await,
        Some(_) => Err(error(Code::InvalidGrant, "The token was issued to another client.")),
        None => Ok(None),
    }
}

/// What is known of a token (RFC 7662). Refresh tokens are known as long as they can be used, access tokens as long as
/// their session lives.
pub async fn introspect(app: &App, client: &Client, token: &Secret) -> Result<Introspection> {
    if !client.confidential {
        return Err(error(Code::InvalidClient, "Introspection needs a confidential client."));
    }
    let claims = access::verify(app.keys(), token.reveal(), OffsetDateTime::now_utc()).await.ok();
    let session = claims.as_ref().map(|claims| claims.identity().session);
    let Some(found) = queries::find_live_session(&app.postgres, session, token).await? else {
        return Ok(Introspection::Inactive { active: false });
    };
    Ok(Introspection::Active(Box::new(Facts {
        active: true,
        scope: SCOPE,
        client_id: found.client_id,
        username: found.username,
        sub: found.user,
        sid: found.id,
        exp: claims.as_ref().map_or(found.expires_at.unix_timestamp(), access::Claims::expires_at),
        iat: claims.as_ref().map(access::Claims::issued_at),
        iss: app.keys().issuer().to_owned(),
        token_type: claims.map(|_| "Bearer"),
    })))
}

/// A request for a code as far as errors in it cannot be told to the client: who asks, and where the answer goes.
pub async fn begin_authorization(
    app: &App,
    client_id: &str,
    redirect_uri: Option<&str>,
    state: Option<&str>,
) -> Result<Authorization> {
    let unknown = || Error::invalid("client_id", "is no client's");
    let client = clients::find(app, client_id).await?.ok_or_else(unknown)?;
    let (uri, given) = match (redirect_uri, client.redirect_uris.as_slice()) {
        (Some(uri), _) => (uri, true),
        (None, [only]) => (only.as_str(), false),
        (None, _) => return Err(Error::invalid("redirect_uri", "is required")),
    };
    let redirect_uri_text = uri.to_owned();
    let redirect_uri = client
        .redirects_to(uri)
        .ok_or_else(|| Error::invalid("redirect_uri", "is none that the client has registered"))?;
    let issuer = app.keys().issuer().to_owned();
    Ok(Authorization {
        client,
        redirect_uri,
        redirect_uri_text,
        redirect_uri_given: given,
        state: state.map(str::to_owned),
        issuer,
    })
}

impl Authorization {
    /// Refuses what the client must be told of: the rest of its request.
    pub fn check(
        &self,
        response_type: Option<&str>,
        scope: Option<&str>,
        challenge: Option<&str>,
        challenge_method: Option<&str>,
    ) -> Result<()> {
        match response_type {
            Some("code") => {}
            Some(_) => return Err(error(Code::UnsupportedResponseType, "The one response_type is code.")),
            None => return Err(error(Code::InvalidRequest, "response_type is required.")),
        }
        self.client.require(GrantType::AuthorizationCode)?;
        require_scope(scope)?;
        let is_digest = |text: &str| {
            text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        if challenge_method != Some("S256") || !challenge.is_some_and(is_digest) {
            let description = "A code_challenge with code_challenge_method S256 is required (RFC 7636).";
            return Err(error(Code::InvalidRequest, description));
        }
        Ok(())
    }

    /// Where the browser goes with a code that somebody gave by their password.
    pub async fn allow(
        &self,
        app: &App,
        name: &str,
        password: &TypedPassword,
        device: &Device,
        challenge: &str,
        admission: Admission,
    ) -> Result<Url> {
        let client = Some(&*self.client.client_id);
        let start = Start { name, password, device, counts_address: true, lifetime: CODE_LIFETIME, client };
        let started = accounts::start_session(app, &start, admission).await?;
        let code = Secret::draw();
        let uri = self.redirect_uri_text.as_str();
        let session = started.identity.session;
        queries::insert_code(&app.postgres, &code, session, uri, self.redirect_uri_given, challenge).await?;
        Ok(self.answer(&[("code", code.reveal())]))
    }

    /// Where the browser goes with an error.
    pub fn refuse(&self, code: Code, description: &str) -> Url {
        self.answer(&[("error", code.as_str()), ("error_description", description)])
    }

    fn answer(&self, parameters: &[(&str, &str)]) -> Url {
        let mut url = self.redirect_uri.clone();
        let state = self.state.as_deref().map(|state| ("state", state));
        url.query_pairs_mut().extend_pairs(parameters).extend_pairs(state).append_pair("iss", &self.issuer);
        url
    }
}

/// A sign-in that is refused, as the token endpoint says it.
fn as_invalid_grant(refused: Error) -> Error {
    match refused {
        Error::Unauthenticated(description) | Error::Forbidden(description) => {
            error(Code::InvalidGrant, description)
        }
        Error::EmailNotVerified => error(Code::InvalidGrant, "The e-mail address is not verified yet."),
        other => other,
    }
}

async fn tokens(
    app: &App,
    client: &Client,
    identity: Identity,
    role: GlobalRole,
    refresh_token: Option<Secret>,
) -> Result<Tokens> {
    let may_refresh = client.may_refresh();
    Ok(Tokens {
        access_token: access::sign(
            app.keys(),
            identity,
            role,
            Some(&client.client_id),
            OffsetDateTime::now_utc(),
        )
        .await?,
        token_type: "Bearer",
        expires_in: access::LIFETIME.whole_seconds(),
        refresh_token: refresh_token.filter(|_| may_refresh),
        scope: SCOPE,
    })
}
