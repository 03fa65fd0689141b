//! The WebSocket API: handshakes, open connections, and the messages they carry.
//!
//! Every message is an invocation of its own without any order among them (API Gateway Developer Guide,
//! "Working with WebSocket APIs"); every connection that was opened ends with a `$disconnect`.

mod connection;
#[cfg(test)]
mod fuzz;
mod handshake;
mod route_selection;
mod socket;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use hyper::upgrade::OnUpgrade;
use tokio::sync::oneshot;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::Utf8Bytes;

pub(crate) use connection::{Connection, Connections, Ended, PostError};
pub(crate) use handshake::{handshake, is_upgrade};

use crate::events::{self, ConnectionFacts};
use crate::functions::Pending;
use crate::gateway::Gateway;
use crate::ids;
use crate::journal::Record;
use crate::responses::{self, WebSocketResponse};
use crate::template::WebSocketRoute;

/// The largest message in either direction.
pub(crate) const MESSAGE_LIMIT: usize = 128 * 1024;

/// Opens a connection, serves it until it ends, and tells `$disconnect`.
async fn open(
    gateway: Arc<Gateway>,
    facts: ConnectionFacts,
    upgrade: OnUpgrade,
    response: Response<Full<Bytes>>,
    verdict: oneshot::Sender<Response<Full<Bytes>>>,
) {
    let (connection, outgoing) = gateway.connections.admit(facts);
    // If the client has left, the upgrade below fails.
    let _ = verdict.send(response);
    let (code, reason) = match upgrade.await.ok().and_then(socket::into_stream) {
        Some((stream, read)) => socket::serve(&gateway, &connection, stream, read, outgoing).await,
        None => (1006, String::new()),
    };
    gateway.connections.remove(&connection.facts.id);
    gateway.connections.note_end(&connection, code, &reason);
    let route = gateway.websocket_api.as_ref().and_then(|api| api.routes.get("$disconnect"));
    if let Some(route) = route.filter(|_| !gateway.stop.is_cancelled()) {
        if gateway.strict.drops_disconnect() {
            let mut report =
                gateway.journal.report(record(&gateway, *route, &connection.facts, "$disconnect"));
            report.record().error = Some("dropped, as --strict=drop-disconnect says".to_owned());
            return;
        }
        let request_id = ids::gateway_id();
        let event = events::disconnect(&connection.facts, &request_id, code, &reason);
        let trace_root = ids::trace_root(connection.facts.connected_at / 1000);
        // What $disconnect returns is ignored.
        invoke(&gateway, *route, &connection.facts, "$disconnect", &request_id, event, &trace_root).await;
    }
}

/// Hands a message to its route, at once and in the order of arrival unless strict mode holds it back, and lets
/// a task await the answer.
fn dispatch(gateway: &Arc<Gateway>, connection: &Arc<Connection>, text: &Utf8Bytes) {
    let Some(api) = &gateway.websocket_api else { return };
    let request_id = ids::gateway_id();
    let Some((key, route)) = route_selection::select(api, text) else {
        answer_error(connection, "Forbidden", &request_id);
        return;
    };
    if !gateway.throttles.admits_event(key) {
        answer_error(connection, "Too Many Requests", &request_id);
        return;
    }
    let event = events::message(&connection.facts, &request_id, key, text);
    let (key, route) = (key.to_owned(), *route);
    let trace_root = ids::trace_root(connection.facts.connected_at / 1000);
    let (gateway, connection) = (Arc::clone(gateway), Arc::clone(connection));
    let submit = move |gateway: &Gateway| {
        gateway.functions.submit(route.function, event.clone(), &trace_root, route.integration_timeout)
    };
    let held_back = gateway.strict.delay();
    let submitted = held_back.is_none().then(|| submit(&gateway));
    tokio::spawn(async move {
        let pending = if let Some(pending) = submitted {
            pending
        } else {
            hold_back(held_back).await;
            submit(&gateway)
        };
        let response = outcome(&gateway, route, &connection.facts, &key, &request_id, pending).await;
        hold_back(gateway.strict.delay()).await;
        match response {
            None => answer_error(&connection, "Internal server error", &request_id),
            // No larger than any other message (Developer Guide, WebSocket quotas).
            Some(WebSocketResponse { body: Some(body), .. })
                if route.two_way && body.len() > MESSAGE_LIMIT =>
            {
                answer_error(&connection, "Internal server error", &request_id);
            }
            Some(WebSocketResponse { body: Some(body), .. }) if route.two_way => {
                // A client that left or does not read misses the answer, as it would miss a post.
                let _ = connection.post(text_frame(&body));
            }
            Some(_) => {}
        }
    });
}

/// Waits as long as strict mode says.
pub(crate) async fn hold_back(delay: Option<Duration>) {
    if let Some(delay) = delay {
        sleep(delay).await;
    }
}

/// Text of a frame; bytes that are no UTF-8 cannot be sent in one and are replaced.
fn text_frame(body: &Bytes) -> Utf8Bytes {
    Utf8Bytes::try_from(body.clone()).unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned().into())
}

fn answer_error(connection: &Connection, message: &str, request_id: &str) {
    let frame = serde_json::json!({
        "message": message,
        "connectionId": connection.facts.id,
        "requestId": request_id,
    });
    let _ = connection.post(frame.to_string().into());
}

async fn invoke(
    gateway: &Gateway,
    route: WebSocketRoute,
    facts: &ConnectionFacts,
    key: &str,
    request_id: &str,
    event: Bytes,
    trace_root: &str,
) -> Option<WebSocketResponse> {
    let pending = gateway.functions.submit(route.function, event, trace_root, route.integration_timeout);
    outcome(gateway, route, facts, key, request_id, pending).await
}

fn record(gateway: &Gateway, route: WebSocketRoute, facts: &ConnectionFacts, key: &str) -> Record {
    Record {
        function: gateway.name(route.function).to_owned(),
        route: key.to_owned(),
        connection_id: Some(facts.id.clone()),
        ..Record::default()
    }
}

/// Waits for a function's response and reports it; none when there is no valid one in time.
async fn outcome(
    gateway: &Gateway,
    route: WebSocketRoute,
    facts: &ConnectionFacts,
    key: &str,
    request_id: &str,
    pending: Pending,
) -> Option<WebSocketResponse> {
    let mut report = gateway
        .journal
        .report(Record { api_request_id: request_id.to_owned(), ..record(gateway, route, facts, key) });
    report.follow(&pending);
    let Some(answer) = pending.answer().await else {
        report.record().error = Some("integration timeout".to_owned());
        return None;
    };
    report.executed(answer.execution);
    let response = match answer.result {
        Ok(response) => responses::websocket(&response).ok_or_else(|| "invalid response".to_owned()),
        Err(error) => Err(String::from_utf8_lossy(&error).into_owned()),
    };
    match response {
        Ok(response) => {
            report.record().status = Some(response.status);
            Some(response)
        }
        Err(error) => {
            report.record().error = Some(error);
            None
        }
    }
}
