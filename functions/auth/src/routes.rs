//! The routes under `/api/v1/auth`, and all of the function.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{delete, get, post};
use serde::Serialize;
use shared::accounts::recovery::Purpose;
use shared::accounts::{
    self, Ended, Erasure, Export, Names, PasswordChange, Profile, Refresh, Refreshed, Session, SignIn,
    SignUp, SignedIn, SignedUp, TokenPair,
};
use shared::http::{
    Caller, Client, Json, OfSession, OptionalCaller, OptionalJson, Query, RequestKey, Routes,
};
use shared::page::{Limit, Page};
use shared::throttle::{Admission, Who};
use shared::tokens::{Secret, ticket};
use shared::{App, Error, Result, connections, mail};
use time::OffsetDateTime;

use crate::{administration, oauth, oauth_clients, people, recovery};

/// Which page of a list.
#[derive(serde::Deserialize)]
pub(crate) struct Listing {
    pub(crate) cursor: Option<String>,
    #[serde(default)]
    pub(crate) limit: Limit,
}

/// The routes; `websocket_url` is where tickets are used.
pub(crate) fn routes(websocket_url: String) -> Routes {
    Routes::new(router(websocket_url))
        .asking(
            Router::new()
                .route("/api/v1/auth/signup", post(sign_up))
                .route("/api/v1/auth/login", post(sign_in))
                .route("/api/v1/auth/refresh", post(refresh))
                .route("/api/v1/auth/password", post(change_password))
                .route("/api/v1/auth/profile", delete(erase)),
        )
        .asking(recovery::asking())
        .asking(oauth::asking())
}

fn router(websocket_url: String) -> Router<App> {
    Router::new()
        .merge(recovery::router())
        .route("/api/v1/auth/logout", post(sign_out))
        .route("/api/v1/auth/sessions", get(list_sessions).delete(sign_out_everywhere))
        .route("/api/v1/auth/sessions/{id}", delete(end_session))
        .route("/api/v1/auth/profile", get(profile).patch(rename))
        .route("/api/v1/auth/profile/export", get(export))
        .route(
            "/api/v1/auth/ws-ticket",
            post(async |state, caller| issue_ticket(state, caller, websocket_url).await),
        )
        .merge(people::router())
        .merge(administration::router())
        .merge(oauth_clients::router())
}

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

async fn sign_in(
    State(app): State<App>,
    Client(device): Client,
    admission: Admission,
    Json(credentials): Json<SignIn>,
) -> Result<Json<SignedIn>> {
    accounts::sign_in(&app, credentials, &device, admission).await.map(Json)
}

async fn refresh(
    State(app): State<App>,
    admission: Admission,
    Json(body): Json<Refresh>,
) -> Result<Json<TokenPair>> {
    match accounts::refresh(&app, &body.refresh_token, None, admission).await? {
        Refreshed::Now { identity, role, successor } => {
            accounts::pair(&app, identity, role, successor, OffsetDateTime::now_utc()).map(Json)
        }
        Refreshed::Ended(session) => {
            connections::end(&app, &[session]).await?;
            Err(Error::Unauthenticated("The session has ended."))
        }
    }
}

async fn list_sessions(
    State(app): State<App>,
    Caller(caller): Caller,
    Query(listing): Query<Listing>,
) -> Result<Json<Page<Session>>> {
    let cursor = listing.cursor.as_deref();
    accounts::list_sessions(&app, caller, caller.user, cursor, listing.limit).await.map(Json)
}

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

async fn sign_out_everywhere(State(app): State<App>, caller: Caller) -> Result<StatusCode> {
    let ended = accounts::sign_out_everywhere(&app, caller.user()).await?;
    connections::end(&app, &ended).await?;
    Ok(StatusCode::NO_CONTENT)
}

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

async fn profile(State(app): State<App>, caller: Caller) -> Result<Json<Profile>> {
    accounts::profile(&app, caller.user()).await.map(Json)
}

async fn rename(State(app): State<App>, caller: Caller, Json(names): Json<Names>) -> Result<Json<Profile>> {
    accounts::rename(&app, caller.user(), &names).await.map(Json)
}

async fn erase(
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

async fn export(
    State(app): State<App>,
    Caller(caller): Caller,
    Query(listing): Query<Listing>,
) -> Result<Json<Export>> {
    accounts::export(&app, caller, listing.cursor.as_deref()).await.map(Json)
}

async fn issue_ticket(
    State(app): State<App>,
    caller: Caller,
    websocket_url: String,
) -> Result<(StatusCode, Json<Issued>)> {
    let ticket = ticket::issue(&app, caller.0).await?;
    Ok((StatusCode::CREATED, Json(Issued { ticket, expires_in: ticket::LIFETIME, url: websocket_url })))
}

#[derive(serde::Deserialize)]
struct SignOut {
    refresh_token: Option<Secret>,
}

#[derive(Serialize)]
struct Issued {
    ticket: Secret,
    expires_in: u32,
    url: String,
}
