//! The `@connections` management API.
//!
//! Requests must be signed for `execute-api`, but the signature itself is not verified (API Gateway Developer Guide,
//! "Use @connections commands in your backend service").

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::events::Identity;
use crate::gateway::Gateway;
use crate::ids;
use crate::responses::{empty, failure, json, timestamp_of};
use crate::websocket::{Connection, MESSAGE_LIMIT, PostError, hold_back};

/// Answers one request to a connection of a stage.
pub(crate) async fn serve(
    gateway: &Gateway,
    stage: &str,
    id: &str,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let known_stage = gateway.websocket_api.as_ref().is_some_and(|api| api.stage == stage);
    if !known_stage || !is_signed(request.headers(), "execute-api") {
        return failure(StatusCode::FORBIDDEN, "ForbiddenException", "Forbidden");
    }
    let id = percent_decode_str(id).decode_utf8_lossy();
    if !ids::is_gateway_id(&id) {
        return failure(
            StatusCode::BAD_REQUEST,
            "BadRequestException",
            &format!("Invalid connectionId: {id}"),
        );
    }
    let method = request.method().clone();
    if method == Method::POST {
        return post(gateway, &id, request.into_body()).await;
    }
    let Some(connection) = gateway.connections.find(&id) else { return gone() };
    match method {
        Method::GET => json(&Described::of(&connection)),
        Method::DELETE => {
            gateway.connections.close(&connection);
            empty(StatusCode::NO_CONTENT)
        }
        _ => failure(StatusCode::FORBIDDEN, "ForbiddenException", "Forbidden"),
    }
}

async fn post(gateway: &Gateway, id: &str, body: Incoming) -> Response<Full<Bytes>> {
    if !gateway.throttles.admits_post().await {
        return failure(StatusCode::TOO_MANY_REQUESTS, "LimitExceededException", "Too Many Requests");
    }
    let Ok(payload) = Limited::new(body, MESSAGE_LIMIT).collect().await else {
        return failure(
            StatusCode::PAYLOAD_TOO_LARGE,
            "PayloadTooLargeException",
            "Request Entity Too Large",
        );
    };
    // Frames are text, and text is UTF-8.
    let Ok(text) = Utf8Bytes::try_from(payload.to_bytes()) else {
        return failure(StatusCode::BAD_REQUEST, "BadRequestException", "The payload is not valid UTF-8");
    };
    // Whoever posts waits meanwhile, so only frames that are posted at the same time overtake each other.
    hold_back(gateway.strict.delay()).await;
    let Some(connection) = gateway.connections.find(id) else {
        gateway.connections.note_gone(id, &text);
        return gone();
    };
    match connection.post(text) {
        Ok(()) => empty(StatusCode::OK),
        Err(PostError::Gone) => gone(),
        Err(PostError::Full) => failure(
            StatusCode::TOO_MANY_REQUESTS,
            "LimitExceededException",
            "The client does not read fast enough",
        ),
    }
}

/// Whether a request claims to be signed for a service.
pub(crate) fn is_signed(headers: &HeaderMap, service: &str) -> bool {
    let authorization =
        headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    authorization.starts_with("AWS4-HMAC-SHA256 ")
        && authorization.contains(&format!("/{service}/aws4_request"))
}

/// The answer to `GetConnection`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Described<'a> {
    connected_at: String,
    identity: Identity<'a>,
    last_active_at: String,
}

impl<'a> Described<'a> {
    fn of(connection: &'a Connection) -> Self {
        let facts = connection.facts();
        Self {
            connected_at: timestamp_of(facts.connected_at),
            identity: facts.identity(),
            last_active_at: timestamp_of(connection.last_active_at()),
        }
    }
}

/// A connection that is not open: the body is empty, so only the header tells the type.
fn gone() -> Response<Full<Bytes>> {
    let mut response = empty(StatusCode::GONE);
    response.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static("GoneException"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_signed_for_another_service_is_not_signed() {
        let mut headers = HeaderMap::new();
        assert!(!is_signed(&headers, "execute-api"));
        headers.insert(
            header::AUTHORIZATION,
            HeaderValue::from_static(
                "AWS4-HMAC-SHA256 Credential=A/20261121/us-east-1/execute-api/aws4_request, Signature=x",
            ),
        );
        assert!(is_signed(&headers, "execute-api"));
        headers.insert(
            header::AUTHORIZATION,
            HeaderValue::from_static(
                "AWS4-HMAC-SHA256 Credential=A/20261121/us-east-1/lambda/aws4_request, Signature=x",
            ),
        );
        assert!(!is_signed(&headers, "execute-api"));
    }
}
