//! The WebSocket connections and their frames, as JSON.

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;
use serde_json::{Map, Value};

use super::frames::{Frame, Kind};
use super::number;
use crate::gateway::Gateway;
use crate::responses::{empty, json, message, timestamp, timestamp_of};
use crate::websocket::{Connection, Ended};

/// One connection.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    id: &'a str,
    state: &'static str,
    connected_at: String,
    last_active_at: String,
    source_ip: &'a str,
    user_agent: Option<&'a str>,
    principal_id: Option<&'a str>,
    received: u64,
    sent: u64,
    queued_frames: usize,
    queued_bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed: Option<Closed<'a>>,
}

#[derive(Serialize)]
struct Closed<'a> {
    at: String,
    code: u16,
    reason: &'a str,
}

impl<'a> Row<'a> {
    fn of(connection: &'a Connection, end: Option<&'a Ended>) -> Self {
        let facts = connection.facts();
        let (received, sent) = connection.frames().messages();
        let (queued_frames, queued_bytes) = connection.queued();
        let principal = facts.authorizer.as_ref().and_then(|told| told.get("principalId"));
        Self {
            id: &facts.id,
            state: if end.is_some() { "closed" } else { "open" },
            connected_at: timestamp_of(facts.connected_at),
            last_active_at: timestamp_of(connection.last_active_at()),
            source_ip: &facts.source_ip,
            user_agent: facts.user_agent.as_deref(),
            principal_id: principal.and_then(Value::as_str),
            received,
            sent,
            queued_frames,
            queued_bytes,
            closed: end.map(|end| Closed { at: timestamp(end.at), code: end.code, reason: &end.reason }),
        }
    }
}

/// How many are listed unless more are asked for.
const LISTED: usize = 500;

/// The open connections, the newest first, and then those that ended lately; `?limit=` says how many.
pub(super) fn list(gateway: &Gateway, query: &str) -> Response<Full<Bytes>> {
    let limit = match number(query, "limit") {
        Ok(limit) => limit.unwrap_or(LISTED),
        Err(problem) => return message(StatusCode::BAD_REQUEST, &problem),
    };
    let mut open = gateway.connections.open();
    open.sort_by_key(|connection| std::cmp::Reverse(connection.facts().connected_at));
    let ended = gateway.connections.ended();
    let rows = open.iter().map(|connection| Row::of(connection, None));
    let rows = rows.chain(ended.iter().map(|end| Row::of(&end.connection, Some(end))));
    json(&serde_json::json!({
        "startedAt": timestamp(gateway.journal.activity().started_at()),
        "open": open.len(),
        "connections": rows.take(limit).collect::<Vec<_>>(),
    }))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FrameRow<'a> {
    number: u64,
    at: String,
    direction: &'static str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    size: usize,
    text: &'a str,
}

impl<'a> FrameRow<'a> {
    fn of(frame: &'a Frame) -> Self {
        let (direction, kind, code) = match frame.kind {
            Kind::Received => ("in", "text", None),
            Kind::Sent => ("out", "text", None),
            Kind::Binary => ("in", "binary", None),
            Kind::Refused(status) => ("out", "refused", Some(status)),
            Kind::ClosedByClient(code) => ("in", "close", Some(code)),
            Kind::ClosedByGateway(code) => ("out", "close", Some(code)),
        };
        let (number, size, text) = (frame.number, frame.size, &*frame.text);
        Self { number, at: timestamp(frame.at), direction, kind, code, size, text }
    }
}

#[derive(Serialize)]
struct Detail<'a> {
    #[serde(flatten)]
    row: Row<'a>,
    authorizer: Option<&'a Map<String, Value>>,
    frames: Vec<FrameRow<'a>>,
}

/// One connection with the frames kept of it, the newest first; with `?after=` those after a frame's number.
pub(super) fn show(gateway: &Gateway, id: &str, query: &str) -> Response<Full<Bytes>> {
    let after = match number(query, "after") {
        Ok(after) => after.unwrap_or(0),
        Err(problem) => return message(StatusCode::BAD_REQUEST, &problem),
    };
    let ended = gateway.connections.ended();
    let end = ended.iter().find(|end| end.connection.facts().id == id);
    let open = gateway.connections.find(id);
    let Some(connection) = open.as_ref().or(end.map(|end| &end.connection)) else {
        return message(StatusCode::NOT_FOUND, "No such connection is kept");
    };
    let frames = connection.frames().newest(after);
    json(&Detail {
        row: Row::of(connection, end.filter(|_| open.is_none())),
        authorizer: connection.facts().authorizer.as_ref(),
        frames: frames.iter().map(FrameRow::of).collect(),
    })
}

/// Closes a connection as `DeleteConnection` does.
pub(super) fn close(gateway: &Gateway, id: &str) -> Response<Full<Bytes>> {
    let Some(connection) = gateway.connections.find(id) else {
        return message(StatusCode::NOT_FOUND, "No such connection is open");
    };
    gateway.connections.close(&connection);
    empty(StatusCode::NO_CONTENT)
}
