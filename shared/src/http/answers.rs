//! What the published document says of the answers that refuse: problem documents, by status, and what OAuth's RFCs want.

use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::schema::{Object, ObjectBuilder, Schema, Type};
use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{PartialSchema, ToResponse, ToSchema};

use super::Problem;
use crate::oauth::OAuthError;

/// The header that names a request.
pub const REQUEST_ID: &str = "x-request-id";
/// The media type of a problem document.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// The schemas of these answers, by name.
pub fn schemas() -> Vec<(String, RefOr<Schema>)> {
    let mut schemas = vec![
        (Problem::name().into(), Problem::schema()),
        (PlatformAnswer::name().into(), PlatformAnswer::schema()),
        (OAuthError::name().into(), OAuthError::schema()),
    ];
    Problem::schemas(&mut schemas);
    schemas
}

/// What the platform itself answers when it refuses a request, or a function fails.
#[derive(ToSchema)]
#[schema(examples(json!({ "message": "Too Many Requests" })))]
pub struct PlatformAnswer {
    /// Why, in a few words.
    #[expect(dead_code, reason = "API Gateway writes it; here it is only described")]
    message: String,
}

macro_rules! refusals {
    ($($(#[doc = $doc:literal])* $name:ident $status:literal)*) => {
        $(
            $(#[doc = $doc])*
            pub struct $name;

            impl<'r> ToResponse<'r> for $name {
                fn response() -> (&'r str, RefOr<Response>) {
                    (stringify!($name), refusal($status, concat!($($doc),*).trim()).into())
                }
            }
        )*

        /// Those that any operation may be answered, by status and name.
        pub fn common() -> Vec<(&'static str, &'static str, RefOr<Response>)> {
            vec![$((stringify!($status), stringify!($name), $name::response().1)),*]
        }

        /// All of them, by name.
        pub fn refusals() -> Vec<(&'static str, RefOr<Response>)> {
            vec![$($name::response(),)* RefusedRequest::response(), RefusedClient::response()]
        }
    };
}

refusals! {
    /// The body is not JSON.
    Malformed 400
    /// No, bad or expired credentials.
    Unauthenticated 401
    /// Known, but not allowed.
    Forbidden 403
    /// Not there, or not for this caller to know of.
    NotFound 404
    /// It contradicts what is there; `errors` names the field.
    Conflict 409
    /// The body is larger than 64 KiB.
    TooLarge 413
    /// The input is not what was asked for; `errors` names the fields.
    Invalid 422
    /// Too often. A function's answer says by which policy and for how long; the platform's does not.
    Throttled 429
    /// A fault on the side of the server.
    Internal 500
    /// A store is down or the platform is; the outcome is open, so the request should be repeated as it was.
    Unavailable 503
}

/// An OAuth request is refused, as the RFC names it.
pub struct RefusedRequest;

impl<'r> ToResponse<'r> for RefusedRequest {
    fn response() -> (&'r str, RefOr<Response>) {
        let response = ResponseBuilder::new().description("The request is refused, as the RFCs name it.");
        ("RefusedRequest", response.content("application/json", of_schema(&OAuthError::name())).into())
    }
}

/// Who asks is no OAuth client, or does not prove to be it.
pub struct RefusedClient;

impl<'r> ToResponse<'r> for RefusedClient {
    fn response() -> (&'r str, RefOr<Response>) {
        let response = ResponseBuilder::new()
            .description("Who asks is no client, or does not prove to be it.")
            .header("WWW-Authenticate", header(text(), "How to authenticate."));
        ("RefusedClient", response.content("application/json", of_schema(&OAuthError::name())).into())
    }
}

fn of_schema(name: &str) -> Content {
    Content::new(Some(Ref::from_schema_name(name)))
}

fn header(schema: Object, description: &str) -> Header {
    HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build()
}

fn text() -> Object {
    Object::with_type(Type::String)
}

fn refusal(status: u16, description: &str) -> Response {
    let response =
        ResponseBuilder::new().description(description).content(PROBLEM_JSON, of_schema(&Problem::name()));
    let seconds = || ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).build();
    let response = match status {
        401 => response.header("WWW-Authenticate", header(text(), "How to authenticate.")),
        429 => response
            .header("Retry-After", header(seconds(), "Seconds until the same request would pass."))
            .header("RateLimit", header(text(), "The policy that refused, what remains, and for how long."))
            .header("RateLimit-Policy", header(text(), "Its quotas and windows.")),
        503 => response.header("Retry-After", header(seconds(), "Seconds to wait.")),
        _ => response,
    };
    match status {
        429 | 500 | 503 => response.content("application/json", of_schema(&PlatformAnswer::name())).build(),
        _ => response.build(),
    }
}
