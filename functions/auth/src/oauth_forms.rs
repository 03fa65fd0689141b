//! What clients and the page send to the routes under `/oauth`, as the published document describes it. The routes take
//! the parameters one by one, because an error in them has to be named as the RFCs want it.
#![expect(dead_code, reason = "these types describe what is read by name")]

use utoipa::{IntoParams, ToSchema};

/// What a client asks for tokens with (RFC 6749 §4, RFC 7636 §4.5).
#[derive(ToSchema)]
pub(crate) struct TokenRequest {
    /// How.
    grant_type: String,
    /// With `password`: the e-mail address or the username.
    #[schema(nullable = false)]
    username: Option<String>,
    /// With `password`.
    #[schema(nullable = false, format = Password)]
    password: Option<String>,
    /// With `refresh_token`.
    #[schema(nullable = false)]
    refresh_token: Option<String>,
    /// With `authorization_code`.
    #[schema(nullable = false)]
    code: Option<String>,
    /// With `authorization_code`: the one of the request for the code, if it named one.
    #[schema(nullable = false)]
    redirect_uri: Option<String>,
    /// With `authorization_code`: what the challenge was made of.
    #[schema(nullable = false)]
    code_verifier: Option<String>,
    /// `chat`, which it is without, too.
    #[schema(nullable = false)]
    scope: Option<String>,
    /// Who asks, unless that is said by HTTP Basic.
    #[schema(nullable = false)]
    client_id: Option<String>,
    /// Its secret, unless that is said by HTTP Basic.
    #[schema(nullable = false)]
    client_secret: Option<String>,
}

/// A token to revoke or to tell about (RFC 7009 §2.1, RFC 7662 §2.1).
#[derive(ToSchema)]
pub(crate) struct TokenName {
    /// An access or a refresh token.
    token: String,
    /// Who asks, unless that is said by HTTP Basic.
    #[schema(nullable = false)]
    client_id: Option<String>,
    /// Its secret, unless that is said by HTTP Basic.
    #[schema(nullable = false)]
    client_secret: Option<String>,
}

/// What leads somebody to the page (RFC 6749 §4.1.1, RFC 7636 §4.3).
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuthorizationRequest {
    /// Always `code`.
    response_type: String,
    /// Which client asks.
    client_id: String,
    /// Where the answer goes; the one that is registered, if there is only one.
    redirect_uri: Option<String>,
    /// `chat`, which it is without, too.
    scope: Option<String>,
    /// Given back with the answer.
    state: Option<String>,
    /// The digest of the verifier.
    #[param(pattern = "^[A-Za-z0-9_-]{43}$")]
    code_challenge: String,
    /// Always `S256`.
    code_challenge_method: String,
}

/// What the form of the page posts: the request, and who allows it.
#[derive(ToSchema)]
pub(crate) struct AuthorizationForm {
    /// Always `code`.
    response_type: String,
    /// Which client asks.
    client_id: String,
    /// Where the answer goes; the one that is registered, if there is only one.
    #[schema(nullable = false)]
    redirect_uri: Option<String>,
    /// `chat`, which it is without, too.
    #[schema(nullable = false)]
    scope: Option<String>,
    /// Given back with the answer.
    #[schema(nullable = false)]
    state: Option<String>,
    /// The digest of the verifier.
    #[schema(pattern = "^[A-Za-z0-9_-]{43}$")]
    code_challenge: String,
    /// Always `S256`.
    code_challenge_method: String,
    /// `deny` says no; anything else signs in.
    #[schema(nullable = false)]
    decision: Option<String>,
    /// The e-mail address or the username of whoever allows it.
    #[schema(nullable = false)]
    username: Option<String>,
    /// Their password.
    #[schema(nullable = false, format = Password)]
    password: Option<String>,
}
