//! The routes under `/api/v1/auth` of what mails lead to: verifying an address and setting a new password.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use shared::accounts::recovery::{self, NewPasswords, Purpose};
use shared::accounts::{Email, NewPassword, TypedPassword};
use shared::http::{Form, Json, OfLink, OptionalCaller, OptionalJson, Route};
use shared::throttle::Admission;
use shared::tokens::Secret;
use shared::{App, Error, Result, connections, mail};
use utoipa::ToSchema;

use crate::pages::{self, Failures, Refusals, Refused};

/// The routes.
pub(crate) fn routes() -> impl IntoIterator<Item = Route> {
    shared::routes![verify_email, resend_verification, request_password_reset, reset_password]
}

/// The pages, which also say on a page that there were too many requests.
pub(crate) fn asking() -> impl IntoIterator<Item = Route> {
    shared::routes![show_verification_page, verify_email_by_page, show_reset_page, reset_password_by_page]
}

/// The page that the link in a mail leads to. It verifies nothing yet, because mail scanners follow links.
#[utoipa::path(
    get,
    path = "/api/v1/auth/verify-email/{token}",
    tag = "auth",
    params(("token" = String, Path)),
    responses(
        (status = 200, description = "A page with a button.", body = String, content_type = "text/html"),
        Failures,
    ),
)]
async fn show_verification_page(State(app): State<App>, admission: Admission) -> Response {
    match admission.pass(&app).await {
        Ok(()) => pages::verify(),
        Err(error) => pages::failed(error),
    }
}

/// The page that the link in a mail leads to, where a new password is set.
#[utoipa::path(
    get,
    path = "/api/v1/auth/password-reset/{token}",
    tag = "auth",
    params(("token" = String, Path)),
    responses(
        (status = 200, description = "A page with a form.", body = String, content_type = "text/html"),
        Failures,
    ),
)]
async fn show_reset_page(State(app): State<App>, admission: Admission) -> Response {
    match admission.pass(&app).await {
        Ok(()) => pages::reset(),
        Err(error) => pages::failed(error),
    }
}

/// Verifies an address.
#[utoipa::path(
    post,
    path = "/api/v1/auth/verify-email",
    tag = "auth",
    request_body = Verification,
    responses(
        (status = 204, description = "It is verified."),
    ),
)]
async fn verify_email(State(app): State<App>, Json(body): Json<Verification>) -> Result<StatusCode> {
    recovery::verify_email(&app, &body.token).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Verifies an address: what the button of the page does.
#[utoipa::path(
    post,
    path = "/api/v1/auth/verify-email/{token}",
    tag = "auth",
    params(("token" = String, Path)),
    responses(
        (status = 200, description = "It is verified.", body = String, content_type = "text/html"),
        Refusals,
        Failures,
    ),
)]
async fn verify_email_by_page(
    State(app): State<App>,
    admission: Admission,
    OfLink(token): OfLink,
) -> Response {
    let verified = async {
        admission.pass(&app).await?;
        recovery::verify_email(&app, &token).await
    };
    match verified.await {
        Ok(()) => pages::verified(),
        Err(error) => pages::refused(error, Refused::Verification),
    }
}

/// Mails the link to verify an address with once more, to the caller or to an address.
#[utoipa::path(
    post,
    path = "/api/v1/auth/resend-verification",
    tag = "auth",
    request_body = Option<Resend>,
    responses(
        (status = 202, description = "Whether there is somebody to mail it to is not said.", body = Accepted),
    ),
    security((), ("bearer" = [])),
)]
async fn resend_verification(
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

/// Mails a link to set a new password with.
#[utoipa::path(
    post,
    path = "/api/v1/auth/password-reset",
    tag = "auth",
    request_body = ResetRequest,
    responses(
        (status = 202, description = "Whether there is somebody to mail it to is not said.", body = Accepted),
    ),
)]
async fn request_password_reset(
    State(app): State<App>,
    Json(body): Json<ResetRequest>,
) -> Result<(StatusCode, Json<Accepted>)> {
    mail::start_for_address(&app, Purpose::Reset, body.email.as_str()).await?;
    Ok((StatusCode::ACCEPTED, Json(Accepted {})))
}

/// Sets a new password, which ends all sessions.
#[utoipa::path(
    post,
    path = "/api/v1/auth/password-reset/confirm",
    tag = "auth",
    request_body = Reset,
    responses(
        (status = 204, description = "It is set."),
    ),
)]
async fn reset_password(State(app): State<App>, Json(body): Json<Reset>) -> Result<StatusCode> {
    let new = NewPasswords { password: body.password, password_confirm: body.password_confirm };
    set_password(&app, &body.token, &new).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sets a new password: what the form of the page does.
#[utoipa::path(
    post,
    path = "/api/v1/auth/password-reset/{token}",
    tag = "auth",
    params(("token" = String, Path)),
    request_body(content = NewPasswords, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "It is set.", body = String, content_type = "text/html"),
        (status = 413, description = "What was posted is too large.", body = String, content_type = "text/html"),
        Refusals,
        Failures,
    ),
)]
async fn reset_password_by_page(
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
#[derive(Serialize, ToSchema)]
struct Accepted {}

#[derive(Deserialize, ToSchema)]
struct Verification {
    /// The one of the link that was mailed.
    token: Secret,
}

#[derive(Deserialize, ToSchema)]
struct Resend {
    /// The address; it need not be there with an access token.
    email: Option<Email>,
}

#[derive(Deserialize, ToSchema)]
struct ResetRequest {
    /// The address of the account.
    email: Email,
}

#[derive(Deserialize, ToSchema)]
struct Reset {
    /// The one of the link that was mailed.
    token: Secret,
    /// The password.
    password: NewPassword,
    /// The same again.
    password_confirm: TypedPassword,
}
