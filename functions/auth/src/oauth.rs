//! The routes under `/oauth` (RFC 6749, 7009, 7662), form-encoded as the RFCs want them, and their page.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use shared::accounts::TypedPassword;
use shared::http::answers::{RefusedClient, RefusedRequest};
use shared::http::{Client as Where, FormPairs, Json, QueryPairs, Route};
use shared::oauth::clients::{self, Client, GrantType};
use shared::oauth::{self, Authorization, Code, Granted, Introspection, Proof, Tokens};
use shared::throttle::Admission;
use shared::tokens::Secret;
use shared::{App, Error, Result, connections};

use crate::oauth_forms::{AuthorizationForm, AuthorizationRequest, TokenName, TokenRequest};
use crate::pages::{self, Failures};

/// The routes whose operations ask the throttles.
pub(crate) fn asking() -> impl IntoIterator<Item = Route> {
    shared::routes![give_token, revoke_token, introspect_token, show_authorization_page, decide_authorization]
}

/// Gives tokens (RFC 6749).
#[utoipa::path(
    post,
    path = "/oauth/token",
    tag = "oauth",
    request_body(content = TokenRequest, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The tokens.", body = Tokens),
        (status = 400, response = RefusedRequest),
        (status = 401, response = RefusedClient),
    ),
    security((), ("client" = [])),
)]
async fn give_token(
    State(app): State<App>,
    Where(device): Where,
    headers: HeaderMap,
    admission: Admission,
    FormPairs(pairs): FormPairs,
) -> Result<Response> {
    let parameters = Parameters::of(pairs)?;
    let client = authenticate(&app, &headers, &parameters).await?;
    oauth::admission(&app, &client, admission.clone()).pass(&app).await?;
    oauth::require_scope(parameters.get("scope"))?;
    let granted = match GrantType::named(parameters.require("grant_type")?) {
        Some(GrantType::Password) => {
            let name = parameters.require("username")?;
            let password = TypedPassword::from(parameters.require("password")?.to_owned());
            Granted::Tokens(
                oauth::grant_by_password(&app, &client, name.trim(), &password, &device, admission.next())
                    .await?,
            )
        }
        Some(GrantType::RefreshToken) => {
            oauth::grant_by_refresh_token(
                &app,
                &client,
                &parameters.secret("refresh_token")?,
                admission.next(),
            )
            .await?
        }
        Some(GrantType::ClientCredentials) => {
            Granted::Tokens(oauth::grant_by_client_credentials(&app, &client, &device).await?)
        }
        Some(GrantType::AuthorizationCode) => {
            let proof = Proof {
                redirect_uri: parameters.get("redirect_uri"),
                verifier: parameters.require("code_verifier")?,
            };
            oauth::grant_by_code(&app, &client, &parameters.secret("code")?, &proof).await?
        }
        None => return Err(oauth::error(Code::UnsupportedGrantType, "There is no such grant_type.")),
    };
    match granted {
        Granted::Tokens(tokens) => Ok(uncached(&tokens)),
        Granted::Ended(session) => {
            connections::end(&app, &[session]).await?;
            Err(oauth::error(Code::InvalidGrant, "It was used before; all that was given for it has ended."))
        }
    }
}

/// Ends the session of a token (RFC 7009).
#[utoipa::path(
    post,
    path = "/oauth/revoke_token",
    tag = "oauth",
    request_body(content = TokenName, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "It is good no more, or was no token."),
        (status = 400, response = RefusedRequest),
        (status = 401, response = RefusedClient),
    ),
    security((), ("client" = [])),
)]
async fn revoke_token(
    State(app): State<App>,
    headers: HeaderMap,
    admission: Admission,
    FormPairs(pairs): FormPairs,
) -> Result<StatusCode> {
    let parameters = Parameters::of(pairs)?;
    let client = authenticate(&app, &headers, &parameters).await?;
    oauth::admission(&app, &client, admission).pass(&app).await?;
    if let Some(session) = oauth::revoke(&app, &client, &parameters.secret("token")?).await? {
        connections::end(&app, &[session]).await?;
    }
    Ok(StatusCode::OK)
}

/// Says what is known of a token, to confidential clients (RFC 7662).
#[utoipa::path(
    post,
    path = "/oauth/introspect",
    tag = "oauth",
    request_body(content = TokenName, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "What is known.", body = Introspection),
        (status = 400, response = RefusedRequest),
        (status = 401, response = RefusedClient),
    ),
    security((), ("client" = [])),
)]
async fn introspect_token(
    State(app): State<App>,
    headers: HeaderMap,
    admission: Admission,
    FormPairs(pairs): FormPairs,
) -> Result<Json<Introspection>> {
    let parameters = Parameters::of(pairs)?;
    let client = authenticate(&app, &headers, &parameters).await?;
    oauth::admission(&app, &client, admission).pass(&app).await?;
    oauth::introspect(&app, &client, &parameters.secret("token")?).await.map(Json)
}

/// Shows who asks for what, and asks whoever reads it to sign in.
#[utoipa::path(
    get,
    path = "/oauth/authorize",
    tag = "oauth",
    params(AuthorizationRequest),
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html"),
        (status = 303, description = "Leads back to the client, with a code or an error.", headers(("Location" = String, description = "The redirect URI, and what is said to the client."))),
        (status = 400, description = "A parameter is there more than once.", body = String, content_type = "text/html"),
        (status = 422, description = "The client or its redirect URI is wrong, so that there is nowhere to lead back to.", body = String, content_type = "text/html"),
        Failures,
    ),
)]
async fn show_authorization_page(
    State(app): State<App>,
    admission: Admission,
    QueryPairs(pairs): QueryPairs,
) -> Response {
    let begun = async {
        admission.pass(&app).await?;
        begin(&app, pairs).await
    };
    match begun.await {
        Ok((parameters, authorization)) => match check(&authorization, &parameters) {
            Ok(_) => pages::authorize(&authorization, &parameters.asked(), None),
            Err(error) => redirect_with(&authorization, error),
        },
        Err(error) => pages::failed(error),
    }
}

/// What was decided at the page: signed in, which allows it, or not.
#[utoipa::path(
    post,
    path = "/oauth/authorize",
    tag = "oauth",
    request_body(content = AuthorizationForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Leads back to the client, with a code or an error.", headers(("Location" = String, description = "The redirect URI, and what is said to the client."))),
        (status = 400, description = "A parameter is there more than once.", body = String, content_type = "text/html"),
        (status = 401, description = "The account or the password is wrong.", body = String, content_type = "text/html"),
        (status = 403, description = "The account is disabled, or its address not verified.", body = String, content_type = "text/html"),
        (status = 422, description = "The client or its redirect URI is wrong, so that there is nowhere to lead back to.", body = String, content_type = "text/html"),
        Failures,
    ),
)]
async fn decide_authorization(
    State(app): State<App>,
    Where(device): Where,
    admission: Admission,
    FormPairs(pairs): FormPairs,
) -> Response {
    let begun = async {
        admission.pass(&app).await?;
        begin(&app, pairs).await
    };
    let (parameters, authorization) = match begun.await {
        Ok(begun) => begun,
        Err(error) => return pages::failed(error),
    };
    let decided = async {
        let challenge = check(&authorization, &parameters)?;
        if parameters.get("decision") == Some("deny") {
            return Err(oauth::error(Code::AccessDenied, "The person said no."));
        }
        let [name, password] = ["username", "password"].map(|name| parameters.get(name).unwrap_or_default());
        let password = TypedPassword::from(password.to_owned());
        authorization.allow(&app, name.trim(), &password, &device, challenge, admission.next()).await
    };
    match decided.await {
        Ok(url) => pages::redirect(&url),
        Err(error @ Error::OAuth { .. }) => redirect_with(&authorization, error),
        Err(error) => pages::authorize(&authorization, &parameters.asked(), Some(error)),
    }
}

async fn begin(app: &App, pairs: Vec<(String, String)>) -> Result<(Parameters, Authorization)> {
    let parameters = Parameters::of(pairs)?;
    let client_id = parameters.get("client_id").ok_or_else(|| Error::invalid("client_id", "is required"))?;
    let (redirect_uri, state) = (parameters.get("redirect_uri"), parameters.get("state"));
    let authorization = oauth::begin_authorization(app, client_id, redirect_uri, state).await?;
    Ok((parameters, authorization))
}

/// The code challenge of a request that is right.
fn check<'a>(authorization: &Authorization, parameters: &'a Parameters) -> Result<&'a str> {
    let challenge = parameters.get("code_challenge");
    authorization.check(
        parameters.get("response_type"),
        parameters.get("scope"),
        challenge,
        parameters.get("code_challenge_method"),
    )?;
    Ok(challenge.unwrap_or_default())
}

fn redirect_with(authorization: &Authorization, error: Error) -> Response {
    match error {
        Error::OAuth { code, description } => pages::redirect(&authorization.refuse(code, &description)),
        other => pages::failed(other),
    }
}

/// The client that asks, by HTTP Basic or by its parameters, never both (RFC 6749 §2.3).
async fn authenticate(app: &App, headers: &HeaderMap, parameters: &Parameters) -> Result<Client> {
    let (id, secret) = match headers.get(header::AUTHORIZATION) {
        Some(value) => {
            if parameters.get("client_secret").is_some() {
                let description = "The client authenticates in two ways at once.";
                return Err(oauth::error(Code::InvalidRequest, description));
            }
            let (id, secret) = basic(value).ok_or_else(|| {
                oauth::error(
                    Code::InvalidClient,
                    "The Authorization header must be Basic, of client and secret.",
                )
            })?;
            // A public client may leave its secret empty.
            (id, Some(secret).filter(|secret| !secret.is_empty()))
        }
        None => (
            parameters.get("client_id").unwrap_or_default().to_owned(),
            parameters.get("client_secret").map(str::to_owned),
        ),
    };
    if parameters.get("client_id").is_some_and(|named| named != id) {
        return Err(oauth::error(Code::InvalidRequest, "The client_id is not the one that authenticates."));
    }
    clients::authenticate(app, &id, secret.map(Secret::from).as_ref()).await
}

/// Client and secret, each form-encoded within (RFC 6749 §2.3.1).
fn basic(value: &HeaderValue) -> Option<(String, String)> {
    let (scheme, credentials) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(BASE64_STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decoded = |text: &str| {
        let first = form_urlencoded::parse(text.as_bytes()).next();
        first.map(|(name, _)| name.into_owned()).unwrap_or_default()
    };
    Some((decoded(id), decoded(secret)))
}

fn uncached(tokens: &Tokens) -> Response {
    let headers = [(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")];
    (headers, axum::Json(tokens)).into_response()
}

/// The parameters of a request: each at most once, and one without a value is none (RFC 6749 §3.1, §3.2).
struct Parameters(BTreeMap<String, String>);

impl Parameters {
    fn of(pairs: Vec<(String, String)>) -> Result<Self> {
        let mut parameters = BTreeMap::new();
        for (name, value) in pairs {
            if !value.is_empty() && parameters.insert(name, value).is_some() {
                return Err(oauth::error(Code::InvalidRequest, "A parameter is there more than once."));
            }
        }
        Ok(Self(parameters))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn require(&self, name: &str) -> Result<&str> {
        self.get(name).ok_or_else(|| oauth::error(Code::InvalidRequest, format!("{name} is required.")))
    }

    fn secret(&self, name: &str) -> Result<Secret> {
        self.require(name).map(|value| Secret::from(value.to_owned()))
    }

    /// What the form of the page hands on.
    fn asked(&self) -> Vec<(&str, &str)> {
        let of_request = |(name, _): &(&str, &str)| {
            [
                "response_type",
                "client_id",
                "redirect_uri",
                "scope",
                "state",
                "code_challenge",
                "code_challenge_method",
            ]
            .contains(name)
        };
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str())).filter(of_request).collect()
    }
}
