//! The pages: those behind the links of mails, and the one where somebody lets an OAuth client act for them. To look at one
//! changes nothing, because mail scanners follow links: only its form does, which posts to the page's own address.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use shared::Error;
use shared::html::escape;
use shared::oauth::Authorization;
use shared::tokens::Secret;
use utoipa::IntoResponses;

const LAYOUT: &str = include_str!("layout.html");
const VERIFY: &str = include_str!("verify.html");
const RESET: &str = include_str!("reset.html");
const AUTHORIZE: &str = include_str!("authorize.html");

/// The page that verifies an address.
pub(crate) fn verify() -> Response {
    page(StatusCode::OK, "Verify your address", VERIFY)
}

/// The page that says so.
pub(crate) fn verified() -> Response {
    let content = "<p>Thank you.</p><p><a href=\"/\">Go on to the chat</a></p>";
    page(StatusCode::OK, "Your address is verified", content)
}

/// The page that sets a new password.
pub(crate) fn reset() -> Response {
    page(StatusCode::OK, "Set a new password", RESET)
}

/// The page that says so.
pub(crate) fn password_set() -> Response {
    let content = "<p>All devices are signed out.</p><p><a href=\"/\">Sign in with the new password</a></p>";
    page(StatusCode::OK, "Your new password is set", content)
}

/// What is wrong with what the form of a page posted, with the form again if that can help.
pub(crate) fn refused(error: Error, form: Refused) -> Response {
    let wrong_token = error.fields().iter().any(|field| field.field == "token");
    let named = error.fields().iter().filter_map(|field| {
        let name = match field.field.as_str() {
            "token" => "This link",
            "password" => "The password",
            "password_confirm" => "The second password",
            _ => return None,
        };
        Some(format!("<p role=\"alert\">{name} {}.</p>", escape(&field.message)))
    });
    let mut reasons: String = named.collect();
    if reasons.is_empty() {
        reasons = format!("<p role=\"alert\">{}</p>", escape(&error.to_string()));
    }
    let (title, form) = match form {
        _ if wrong_token => {
            ("This link is not valid", "<p>Ask for another mail.</p><p><a href=\"/\">Go to the chat</a></p>")
        }
        Refused::Verification => ("Your address is not verified", VERIFY),
        Refused::Reset => ("Set a new password", RESET),
    };
    as_page(error, title, &(reasons + form), "")
}

/// An error, shown to a person. What it is for a client, and for the log, it stays; only the text is a page.
fn as_page(error: Error, title: &str, content: &str, target: &str) -> Response {
    let mut response = error.into_response();
    let page = page_leading_to(response.status(), title, content, target);
    let (parts, body) = page.into_parts();
    response.headers_mut().extend(parts.headers);
    *response.body_mut() = body;
    response
}

/// The page where somebody signs in to let a client act for them, or does not; after a try, with what was wrong.
pub(crate) fn authorize(
    authorization: &Authorization,
    asked: &[(&str, &str)],
    refused: Option<Error>,
) -> Response {
    let hidden = |(name, value): &(&str, &str)| {
        format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", escape(name), escape(value))
    };
    let uri = &authorization.redirect_uri;
    let shown = uri.host_str().map_or_else(|| format!("the app {}", uri.scheme()), str::to_owned);
    let reason =
        refused.as_ref().map(|error| format!("<p role=\"alert\">{}</p>", escape(&error.to_string())));
    // One after the other, the client's name last: it could have a placeholder in it.
    let content = AUTHORIZE
        .replace("{{hidden}}", "\u{1}")
        .replace("{{place}}", &escape(&shown))
        .replace("{{reason}}", &reason.unwrap_or_default())
        .replace("{{client}}", &escape(&authorization.client.name))
        .replace('\u{1}', &asked.iter().map(hidden).collect::<String>());
    // A form's redirect is held to this, too, by some browsers.
    let origin = uri.origin();
    let target = if origin.is_tuple() { origin.ascii_serialization() } else { format!("{}:", uri.scheme()) };
    match refused {
        Some(error) => as_page(error, "Sign in", &content, &target),
        None => page_leading_to(StatusCode::OK, "Sign in", &content, &target),
    }
}

/// The page that says what is wrong with a request.
pub(crate) fn failed(error: Error) -> Response {
    let fields = error.fields().iter().map(|field| format!("{} {}", field.field, field.message));
    let mut reason = fields.collect::<Vec<_>>().join(", ");
    if reason.is_empty() {
        reason = error.to_string();
    }
    let content = format!("<p role=\"alert\">{}</p>", escape(&reason));
    as_page(error, "This does not work", &content, "")
}

/// Leads the browser to a client. Nobody keeps the answer, and its address is told to nobody else.
pub(crate) fn redirect(url: &url::Url) -> Response {
    let headers = [
        (header::LOCATION, url.as_str()),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// What a page says in place of its content, for the published document.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub(crate) enum Failures {
    /// Too often.
    #[response(status = 429, content_type = "text/html")]
    Throttled(String),
    /// A fault on the side of the server.
    #[response(status = 500, content_type = "text/html")]
    Internal(String),
    /// A store is down.
    #[response(status = 503, content_type = "text/html")]
    Unavailable(String),
}

/// What a page says of what its form posted, for the published document.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub(crate) enum Refusals {
    /// The link is not valid any more, or the form is not filled in as it should be.
    #[response(status = 422, content_type = "text/html")]
    Invalid(String),
}

/// Which form was refused.
#[derive(Clone, Copy)]
pub(crate) enum Refused {
    /// The one that verifies an address.
    Verification,
    /// The one that sets a new password.
    Reset,
}

/// A page that loads nothing, runs nothing, is framed by nobody, kept by nobody, and tells nobody its address.
fn page(status: StatusCode, title: &str, content: &str) -> Response {
    page_leading_to(status, title, content, "")
}

/// The same, whose form leads to another place in the end.
fn page_leading_to(status: StatusCode, title: &str, content: &str, target: &str) -> Response {
    let nonce = Secret::draw();
    let text = LAYOUT
        .replace("{{title}}", title)
        .replace("{{nonce}}", nonce.reveal())
        .replace("{{content}}", content);
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{}'; form-action 'self' {target}; base-uri 'none'; frame-ancestors 'none'",
        nonce.reveal()
    );
    let mut response = (status, Body::from(text)).into_response();
    let headers: [(HeaderName, HeaderValue); 5] = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::try_from(policy).expect("a nonce is base64url, which a header can hold"),
        ),
    ];
    response.headers_mut().extend(headers);
    response
}
