//! The events functions are invoked with.
//!
//! HTTP requests become payload format 2.0 (API Gateway Developer Guide, "Create AWS Lambda proxy
//! integrations for HTTP APIs"); what happens on a WebSocket becomes the events of "Set up integrations for
//! WebSocket APIs". Fields that AWS leaves out are left out. Everything is borrowed and serialised once.

mod connection;
mod http;
mod named_values;
mod parts;
mod websocket;

use bytes::Bytes;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::StaticFormatDescription;
use time::macros::format_description;

pub(crate) use connection::{ConnectionFacts, Identity, websocket_context_variable};
pub(crate) use http::{HttpCall, http_authorization, http_context_variable, http_request};
pub(crate) use named_values::NamedValues;
pub(crate) use parts::{host_name, is_hop_by_hop, text};
pub(crate) use websocket::{connect, connect_authorization, disconnect, message};

const COMMON_LOG_FORMAT: StaticFormatDescription =
    format_description!("[day]/[month repr:short]/[year]:[hour]:[minute]:[second] +0000");

/// The moment of a request, as events tell it.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    /// Unix milliseconds.
    pub(crate) epoch: i64,
    /// Common log format.
    pub(crate) text: String,
}

impl Moment {
    /// This moment.
    pub(crate) fn now() -> Self {
        let now = OffsetDateTime::now_utc();
        // The format has no component that a date can lack.
        let text = now.format(COMMON_LOG_FORMAT).unwrap_or_default();
        Self { epoch: now.unix_timestamp() * 1000 + i64::from(now.millisecond()), text }
    }
}

fn to_bytes(event: &impl Serialize) -> Bytes {
    serde_json::to_vec(event).expect("events hold only text, numbers and maps with text keys").into()
}
