//! The routes under `/api/v1/auth` of what mails lead to: verifying an address and setting a new password.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use shared::accounts::recovery::{self, NewPasswords, Purpose};
use shared::accounts::{Email, NewPassword, TypedPassword};
use shared::http::{Form, Json, OfLink, OptionalCaller, OptionalJson};
use shared::throttle::Admission;
use shared::tokens::Secret;
use shared::{App, Error, Result, connections, mail};

use crate::pages::{self, Refused};

/// The router.
pub(crate) fn router() -> Router<App> {
    Router::new()
        .route("/api/v1/auth/verify-email", post(verify))
        .route("/api/v1/auth/resend-verification", post(resend))
        .route("/api/v1/auth/password-reset", post(request_reset))
        .route("/api/v1/auth/password-reset/confirm", post(reset))
}

/// The pages, which also say on a page that there were too many requests.
pub(crate) fn asking() -> Router<App> {
    Router::new()
        .route("/api/v1/auth/verify-email/{token}", get(verification).post(verify_by_page))
        .route("/api/v1/auth/password-reset/{token}", get(new_password).post(reset_by_page))
}

async fn verification(State(app): State<App>, admission: Admission) -> Response {
    match admission.pass(&app).await {
        Ok(()) => pages::verify(),
        Err(error) => pages::failed(error),
    }
}

async fn new_password(State(app): State<App>, admission: Admission) -> Response {
    match admission.pass(&app).await {
        Ok(()) => pages::reset(),
        Err(error) => pages::failed(error),
    }
}

async fn verify(State(app): State<App>, Json(body): Json<Verification>) -> Result<StatusCode> {
    recovery::verify_email(&app, &body.token).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn verify_by_page(State(app): State<App>, admission: Admission, OfLink(token): OfLink) -> Response {
    let verified = async {
        admission.pass(&app).await?;
        recovery::verify_email(&app, &token).await
    };
    match verified.await {
        Ok(()) => pages::verified(),
        Err(error) => pages::refused(error, Refused::Verification),
    }
}

async fn resend(
    State(app): State<App>,
    OptionalCaller(caller): OptionalCaller,
    OptionalJson(body): OptionalJson<Resend>,
) -> Result<(StatusCode, Json<Accepted>)> {
    match (caller, body.and_then(|body| body.email)) {
        (Some(caller), _) => mail::start(&app, Purpose::Verify, caller.user).await,
        (None, Some(email)) => mail::start_for_address(&app, Purpose::Verify, email.as_str()).await?,
        (None, None) => return Err(Error::invalid("email", "is required of whoever is not signed in")),
    }
    Ok((StatusCode::ACCEPTED, Json(Accepted {})))
}

async fn request_reset(
    State(app): State<App>,
    Json(body): Json<ResetRequest>,
) -> Result<(StatusCode, Json<Accepted>)> {
    mail::start_for_address(&app, Purpose::Reset, body.email.as_str()).await?;
    Ok((StatusCode::ACCEPTED, Json(Accepted {})))
}

async fn reset(State(app): State<App>, Json(body): Json<Reset>) -> Result<StatusCode> {
    let new = NewPasswords { password: body.password, password_confirm: body.password_confirm };
    set_password(&app, &body.token, &new).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn reset_by_page(
    State(app): State<App>,
    admission: Admission,
    OfLink(token): OfLink,
    form: Result<Form<NewPasswords>>,
) -> Response {
    let set = async {
        admission.pass(&app).await?;
        set_password(&app, &token, &form?.0).await
    };
    match set.await {
        Ok(()) => pages::password_set(),
        Err(error) => pages::refused(error, Refused::Reset),
    }
}

async fn set_password(app: &App, token: &Secret, new: &NewPasswords) -> Result<()> {
    let ended = recovery::reset_password(app, token, new).await?;
    connections::end(app, &ended).await
}

/// What is said of every request for a mail: nothing.
#[derive(Serialize)]
struct Accepted {}

#[derive(Deserialize)]
struct Verification {
    token: Secret,
}

#[derive(Deserialize)]
struct Resend {
    email: Option<Email>,
}

#[derive(Deserialize)]
struct ResetRequest {
    email: Email,
}

#[derive(Deserialize)]
struct Reset {
    token: Secret,
    password: NewPassword,
    password_confirm: TypedPassword,
}
