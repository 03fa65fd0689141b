//! The routes under `/api/v1/auth`, and all of the function.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use shared::accounts::recovery::Purpose;
use shared::accounts::{
    self, Ended, Erasure, Export, Names, PasswordChange, Profile, Refresh, Refreshed, Session, SignIn,
    SignUp, SignedIn, SignedUp, TokenPair,
};
use shared::http::answers::{Conflict, Forbidden, NotFound, Unauthenticated};
use shared::http::{
    Caller, Client, Json, OfSession, OptionalCaller, OptionalJson, Query, RequestKey, Routes,
};
use shared::ids::SessionId;
use shared::page::{Listing, Page};
use shared::throttle::{Admission, Who};
use shared::tokens::{Secret, ticket};
use shared::{App, Error, Result, connections, mail};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{administration, oauth, oauth_clients, people, recovery};

/// The routes; `websocket_url` is where tickets are used.
pub fn routes(websocket_url: String) -> Routes {
    Routes::new(shared::routes![
        sign_out,
        list_sessions,
        sign_out_everywhere,
        end_session,
        show_profile,
        change_profile,
        export_profile,
        issue_ticket,
    ])
    .and(recovery::routes())
    .and(people::routes())
    .and(administration::routes())
    .and(oauth_clients::routes())
    .asking(shared::routes![sign_up, sign_in, refresh, change_password, erase_profile])
    .asking(recovery::asking())
    .asking(oauth::asking())
    .with(WebSocketUrl(websocket_url))
}

/// Where tickets are used.
#[derive(Clone)]
struct WebSocketUrl(String);

/// Makes an account and mails its owner a link to verify the address with.
#[utoipa::path(
    post,
    path = "/api/v1/auth/signup",
    tag = "auth",
    request_body = SignUp,
    responses(
        (status = 201, description = "The account, signed in unless the address must be verified first.", body = SignedUp),
        (status = 409, response = Conflict),
    ),
)]
async fn sign_up(
    State(app): State<App>,
    Client(device): Client,
    admission: Admission,
    Json(new): Json<SignUp>,
) -> Result<(StatusCode, Json<SignedUp>)> {
    admission.and(&app.throttles.signup, Who::Address(device.address())).pass(&app).await?;
    let signed_up = accounts::sign_up(&app, new, &device).await?;
    mail::start(&app, Purpose::Verify, signed_up.user.id).await;
    Ok((StatusCode::CREATED, Json(signed_up)))
}

/// Signs in with an e-mail address or a username.
#[utoipa::path(
    post,
    path = "/api/v1/auth/login",
    tag = "auth",
    request_body = SignIn,
    responses(
        (status = 200, description = "The account, and a session's tokens.", body = SignedIn),
        (status = 401, response = Unauthenticated),
        (status = 403, response = Forbidden),
    ),
)]
async fn sign_in(
    State(app): State<App>,
    Client(device): Client,
    admission: Admission,
    Json(credentials): Json<SignIn>,
) -> Result<Json<SignedIn>> {
    accounts::sign_in(&app, credentials, &device, admission).await.map(Json)
}

/// Exchanges a refresh token for another pair of tokens.
///
/// A token that was used before, longer than 10 s ago, ends its session.
#[utoipa::path(
    post,
    path = "/api/v1/auth/refresh",
    tag = "auth",
    request_body = Refresh,
    responses(
        (status = 200, description = "The tokens.", body = TokenPair),
        (status = 401, response = Unauthenticated),
        (status = 403, response = Forbidden),
    ),
)]
async fn refresh(
    State(app): State<App>,
    admission: Admission,
    Json(body): Json<Refresh>,
) -> Result<Json<TokenPair>> {
    match accounts::refresh(&app, &body.refresh_token, None, admission).await? {
        Refreshed::Now { identity, role, successor } => {
            accounts::pair(&app, identity, role, successor, OffsetDateTime::now_utc()).await.map(Json)
        }
        Refreshed::Ended(session) => {
            connections::end(&app, &[session]).await?;
            Err(Error::Unauthenticated("The session has ended."))
        }
    }
}

/// Lists the caller's live sessions, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/auth/sessions",
    tag = "auth",
    params(Listing),
    responses(
        (status = 200, description = "A page of them.", body = Page<Session>),
    ),
    security(("bearer" = [])),
)]
async fn list_sessions(
    State(app): State<App>,
    Caller(caller): Caller,
    Query(listing): Query<Listing>,
) -> Result<Json<Page<Session>>> {
    let cursor = listing.cursor.as_deref();
    accounts::list_sessions(&app, caller, caller.user, cursor, listing.limit).await.map(Json)
}

/// Ends one of the caller's sessions.
#[utoipa::path(
    delete,
    path = "/api/v1/auth/sessions/{id}",
    tag = "auth",
    params(("id" = SessionId, Path)),
    responses(
        (status = 204, description = "It has ended."),
        (status = 404, response = NotFound),
    ),
    security(("bearer" = [])),
)]
async fn end_session(
    State(app): State<App>,
    caller: Caller,
    OfSession(session): OfSession,
) -> Result<StatusCode> {
    match accounts::end_session(&app, caller.user(), session).await? {
        Ended::Now(session) => {
            connections::end(&app, &[session]).await?;
            Ok(StatusCode::NO_CONTENT)
        }
        Ended::Before(session) => {
            // The request that ended it may not have closed its connections.
            connections::end(&app, &[session]).await?;
            Err(Error::NotFound("session"))
        }
    }
}

/// Changes the caller's password, which ends their other sessions.
#[utoipa::path(
    post,
    path = "/api/v1/auth/password",
    tag = "auth",
    request_body = PasswordChange,
    responses(
        (status = 204, description = "The new password is set."),
    ),
    security(("bearer" = [])),
)]
async fn change_password(
    State(app): State<App>,
    Caller(caller): Caller,
    admission: Admission,
    Json(change): Json<PasswordChange>,
) -> Result<StatusCode> {
    admission.and(&app.throttles.login, Who::User(caller.user)).pass(&app).await?;
    let ended = accounts::change_password(&app, caller, change).await?;
    connections::end(&app, &ended).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends all of the caller's sessions.
#[utoipa::path(
    delete,
    path = "/api/v1/auth/sessions",
    tag = "auth",
    responses(
        (status = 204, description = "All have ended."),
    ),
    security(("bearer" = [])),
)]
async fn sign_out_everywhere(State(app): State<App>, caller: Caller) -> Result<StatusCode> {
    let ended = accounts::sign_out_everywhere(&app, caller.user()).await?;
    connections::end(&app, &ended).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends the session of the access token or of the refresh token.
#[utoipa::path(
    post,
    path = "/api/v1/auth/logout",
    tag = "auth",
    request_body = Option<SignOut>,
    responses(
        (status = 204, description = "The session has ended."),
        (status = 401, response = Unauthenticated),
    ),
    security((), ("bearer" = [])),
)]
async fn sign_out(
    State(app): State<App>,
    OptionalCaller(caller): OptionalCaller,
    OptionalJson(body): OptionalJson<SignOut>,
) -> Result<StatusCode> {
    let token = body.and_then(|body| body.refresh_token);
    let ended = accounts::sign_out(&app, caller, token.as_ref()).await?;
    connections::end(&app, &[ended]).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows the caller's account.
#[utoipa::path(
    get,
    path = "/api/v1/auth/profile",
    tag = "auth",
    responses(
        (status = 200, description = "The account.", body = Profile),
    ),
    security(("bearer" = [])),
)]
async fn show_profile(State(app): State<App>, caller: Caller) -> Result<Json<Profile>> {
    accounts::profile(&app, caller.user()).await.map(Json)
}

/// Changes the caller's names.
#[utoipa::path(
    patch,
    path = "/api/v1/auth/profile",
    tag = "auth",
    request_body = Names,
    responses(
        (status = 200, description = "The account.", body = Profile),
    ),
    security(("bearer" = [])),
)]
async fn change_profile(
    State(app): State<App>,
    caller: Caller,
    Json(names): Json<Names>,
) -> Result<Json<Profile>> {
    accounts::rename(&app, caller.user(), &names).await.map(Json)
}

/// Erases the caller's account. What they wrote stays, by a deleted user.
#[utoipa::path(
    delete,
    path = "/api/v1/auth/profile",
    tag = "auth",
    request_body = Erasure,
    responses(
        (status = 204, description = "It is erased."),
        (status = 409, response = Conflict),
    ),
    security(("bearer" = [])),
)]
async fn erase_profile(
    State(app): State<App>,
    caller: Caller,
    RequestKey(key): RequestKey,
    admission: Admission,
    Json(erasure): Json<Erasure>,
) -> Result<StatusCode> {
    admission.and(&app.throttles.login, Who::User(caller.user())).pass(&app).await?;
    let erased = accounts::erase(&app, caller.user(), &erasure, &key).await?;
    connections::end(&app, &erased.sessions).await?;
    erased.forget(&app).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Exports all there is of the caller, in pages: the first has their sessions and conversations, and all have messages.
#[utoipa::path(
    get,
    path = "/api/v1/auth/profile/export",
    tag = "auth",
    params(Listing),
    responses(
        (status = 200, description = "A page.", body = Export),
    ),
    security(("bearer" = [])),
)]
async fn export_profile(
    State(app): State<App>,
    Caller(caller): Caller,
    Query(listing): Query<Listing>,
) -> Result<Json<Export>> {
    accounts::export(&app, caller, listing.cursor.as_deref()).await.map(Json)
}

/// Draws a ticket to open a WebSocket with, so that no access token appears in an address.
#[utoipa::path(
    post,
    path = "/api/v1/auth/ws-ticket",
    tag = "auth",
    responses(
        (status = 201, description = "The ticket.", body = Issued),
    ),
    security(("bearer" = [])),
)]
async fn issue_ticket(
    State(app): State<App>,
    caller: Caller,
    Extension(WebSocketUrl(url)): Extension<WebSocketUrl>,
) -> Result<(StatusCode, Json<Issued>)> {
    let ticket = ticket::issue(&app, caller.0).await?;
    Ok((StatusCode::CREATED, Json(Issued { ticket, expires_in: ticket::LIFETIME, url })))
}

#[derive(serde::Deserialize, ToSchema)]
struct SignOut {
    /// One of the session to end; the access token's, if there is none.
    refresh_token: Option<Secret>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Ticket, examples(json!({
    "ticket": "Z3JlZW4tcmVkLWJsdWUtZ3JlZW4tcmVkLWJsdWUtZ3Jl",
    "expires_in": 60,
    "url": "wss://chat.example/ws",
})))]
struct Issued {
    /// What to connect with, once.
    ticket: Secret,
    /// For how long, in seconds.
    expires_in: u32,
    /// Where to connect to.
    #[schema(format = "uri")]
    url: String,
}
