//! What all events of one WebSocket connection tell alike.

use serde::Serialize;
use serde_json::{Map, Value};

use super::Moment;
use crate::template::StageVariables;

/// What every event of a WebSocket connection repeats.
#[derive(Debug)]
pub(crate) struct ConnectionFacts {
    /// The connection's id.
    pub(crate) id: String,
    /// Unix milliseconds of the handshake.
    pub(crate) connected_at: i64,
    /// The address of the peer.
    pub(crate) source_ip: String,
    /// The client's `User-Agent`, if it sent one.
    pub(crate) user_agent: Option<String>,
    /// The host that the client asked for, without its port.
    pub(crate) domain_name: String,
    /// The API's id.
    pub(crate) api_id: String,
    /// The API's stage.
    pub(crate) stage: String,
    /// The stage's variables.
    pub(crate) stage_variables: StageVariables,
    /// What the authorizer told of whoever connected.
    pub(crate) authorizer: Option<Map<String, Value>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WebSocketContext<'a> {
    pub(super) route_key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) authorizer: Option<&'a Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) disconnect_status_code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message_id: Option<String>,
    pub(super) event_type: &'static str,
    pub(super) extended_request_id: &'a str,
    pub(super) request_time: String,
    pub(super) message_direction: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) disconnect_reason: Option<&'a str>,
    pub(super) stage: &'a str,
    pub(super) connected_at: i64,
    pub(super) request_time_epoch: i64,
    pub(super) identity: Identity<'a>,
    pub(super) request_id: &'a str,
    pub(super) domain_name: &'a str,
    pub(super) connection_id: &'a str,
    pub(super) api_id: &'a str,
}

/// Who is at the other end of a connection.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Identity<'a> {
    source_ip: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
}

impl ConnectionFacts {
    /// Who is at the other end.
    pub(crate) fn identity(&self) -> Identity<'_> {
        Identity { source_ip: &self.source_ip, user_agent: self.user_agent.as_deref() }
    }

    pub(super) fn context<'a>(
        &'a self,
        route_key: &'a str,
        event_type: &'static str,
        request_id: &'a str,
    ) -> WebSocketContext<'a> {
        let moment = Moment::now();
        WebSocketContext {
            route_key,
            authorizer: self.authorizer.as_ref(),
            disconnect_status_code: None,
            message_id: None,
            event_type,
            extended_request_id: request_id,
            request_time: moment.text,
            message_direction: "IN",
            disconnect_reason: None,
            stage: &self.stage,
            connected_at: self.connected_at,
            request_time_epoch: moment.epoch,
            identity: self.identity(),
            request_id,
            domain_name: &self.domain_name,
            connection_id: &self.id,
            api_id: &self.api_id,
        }
    }
}

/// A variable of `context`, which here is a field of the request's context.
pub(crate) fn websocket_context_variable(
    facts: &ConnectionFacts,
    request_id: &str,
    name: &str,
) -> Option<String> {
    let context = serde_json::to_value(facts.context("$connect", "CONNECT", request_id)).ok()?;
    match name.split('.').try_fold(&context, |value, key| value.get(key))? {
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn facts() -> ConnectionFacts {
        ConnectionFacts {
            id: "L0SM9cOFvHcCIhw=".to_owned(),
            connected_at: 1_700_000_000_000,
            source_ip: "127.0.0.1".to_owned(),
            user_agent: Some("test".to_owned()),
            domain_name: "localhost".to_owned(),
            api_id: "ws".to_owned(),
            stage: "ws".to_owned(),
            stage_variables: StageVariables::new(),
            authorizer: None,
        }
    }

    #[test]
    fn identity_sources_find_variables_of_the_context() {
        let of = |name: &str| websocket_context_variable(&facts(), "AAAAAAAAAAAAAAA=", name);

        assert_eq!(of("identity.sourceIp").as_deref(), Some("127.0.0.1"));
        assert_eq!(of("connectedAt").as_deref(), Some("1700000000000"));
        assert_eq!(of("routeKey").as_deref(), Some("$connect"));
        assert_eq!(of("principalId"), None);
    }
}
