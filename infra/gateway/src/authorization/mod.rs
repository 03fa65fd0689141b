//! What a request needs before its function sees it: JWT and Lambda authorizers of the HTTP API, the `REQUEST`
//! authorizer of the WebSocket API (API Gateway Developer Guide, "Control access to HTTP APIs with JWT
//! authorizers", "Control access to HTTP APIs with AWS Lambda authorizers", "Create an AWS Lambda REQUEST
//! authorizer").
//!
//! Neither a token nor what a refused request brought is ever logged.

mod jwt;
mod lambda;
mod policy;
mod websocket;

use anyhow::Result;
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

pub(crate) use websocket::authorize as authorize_handshake;

use crate::events::{self, HttpCall};
use crate::gateway::Gateway;
use crate::responses::message;
use crate::template::{HttpAuthorizer, HttpAuthorizerKind, IdentitySource, RouteAuthorization};

/// The authorizers of the HTTP API, in the order of the template.
#[derive(Debug, Default)]
pub(crate) struct Authorizers(Vec<Authorizer>);

#[derive(Debug)]
enum Authorizer {
    Jwt { name: String, verifier: Box<jwt::Verifier> },
    Lambda(lambda::Authorizer),
}

impl Authorizers {
    /// Authorizers that have seen nothing yet.
    pub(crate) fn new(authorizers: &[HttpAuthorizer]) -> Result<Self> {
        let start = |authorizer: &HttpAuthorizer| {
            let name = authorizer.name.clone();
            Ok(match &authorizer.kind {
                HttpAuthorizerKind::Jwt(configuration) => {
                    Authorizer::Jwt { name, verifier: Box::new(jwt::Verifier::new(configuration.clone())?) }
                }
                HttpAuthorizerKind::Lambda(configuration) => {
                    Authorizer::Lambda(lambda::Authorizer::new(name, configuration.clone()))
                }
            })
        };
        authorizers.iter().map(start).collect::<Result<_>>().map(Self)
    }
}

/// Lets a request pass with what its event tells as `requestContext.authorizer`, or answers it.
pub(crate) async fn authorize(
    gateway: &Gateway,
    call: &HttpCall<'_>,
    needed: &RouteAuthorization,
    trace_root: &str,
) -> Result<Value, Response<Full<Bytes>>> {
    match &gateway.authorizers.0[needed.authorizer] {
        Authorizer::Jwt { name, verifier } => {
            let scopes = &needed.scopes;
            let Some(token) = identity(verifier.source(), call) else {
                return Err(challenge(StatusCode::UNAUTHORIZED, "Bearer".to_owned()));
            };
            let verified = verifier.verify(&token, scopes, call.moment.epoch / 1000).await;
            let jwt = verified.map_err(|denial| {
                if let jwt::Denial::Keys { cause, .. } = &denial {
                    gateway.journal.note(format!("authorizer {name}: {cause}"));
                }
                refuse_token(&denial, scopes)
            })?;
            Ok(json!({ "jwt": jwt }))
        }
        Authorizer::Lambda(authorizer) => {
            let context = authorizer.authorize(gateway, call, trace_root).await.map_err(refuse)?;
            Ok(json!({ "lambda": context }))
        }
    }
}

/// What an identity source of the HTTP API finds in a request; nothing if it is empty.
fn identity(source: &IdentitySource, call: &HttpCall) -> Option<String> {
    let found = match source {
        IdentitySource::Header(name) => {
            let name = HeaderName::try_from(name).ok()?;
            let values: Vec<_> = call.headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
            String::from_utf8_lossy(&values.join(&b',')).into_owned()
        }
        IdentitySource::Query(name) => {
            let values: Vec<_> = url::form_urlencoded::parse(call.query.as_bytes())
                .filter_map(|(key, value)| (key == name.as_str()).then_some(value))
                .collect();
            values.join(",")
        }
        IdentitySource::StageVariable(name) => call.stage_variables.get(name).cloned()?,
        IdentitySource::Context(name) => events::http_context_variable(call, name)?,
    };
    (!found.is_empty()).then_some(found)
}

/// Why a Lambda authorizer let nothing pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// It was not asked, because the request says too little.
    Unidentified,
    /// It said no.
    Denied,
    /// It failed, took too long or gave an invalid answer.
    Failed,
}

fn refuse(refusal: Refusal) -> Response<Full<Bytes>> {
    match refusal {
        Refusal::Unidentified => message(StatusCode::UNAUTHORIZED, "Unauthorized"),
        Refusal::Denied => message(StatusCode::FORBIDDEN, "Forbidden"),
        Refusal::Failed => message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
    }
}

/// API Gateway Developer Guide, "Troubleshooting issues with HTTP API JWT authorizers".
fn refuse_token(denial: &jwt::Denial, scopes: &[String]) -> Response<Full<Bytes>> {
    let (status, error) = match denial {
        jwt::Denial::Scope => (StatusCode::FORBIDDEN, "insufficient_scope"),
        jwt::Denial::Token(_) | jwt::Denial::Keys { .. } => (StatusCode::UNAUTHORIZED, "invalid_token"),
    };
    let (scopes, description) = (scopes.join(" "), denial.description());
    challenge(status, format!(r#"Bearer scope="{scopes}" error="{error}" error_description="{description}""#))
}

fn challenge(status: StatusCode, challenge: String) -> Response<Full<Bytes>> {
    let text = if status == StatusCode::FORBIDDEN { "Forbidden" } else { "Unauthorized" };
    let mut response = message(status, text);
    if let Ok(challenge) = HeaderValue::try_from(challenge) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}
