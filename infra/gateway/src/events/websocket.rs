//! The events of WebSocket connections, and of the questions to their authorizer.

use bytes::Bytes;
use serde::Serialize;

use super::connection::{ConnectionFacts, WebSocketContext};
use super::named_values::{AllOf, FirstOf, NamedValues};
use super::to_bytes;
use crate::template::StageVariables;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WebSocketEvent<'a> {
    #[serde(flatten)]
    authorization: Option<WebSocketAuthorization<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<FirstOf<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_value_headers: Option<AllOf<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query_string_parameters: Option<FirstOf<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_value_query_string_parameters: Option<AllOf<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage_variables: Option<&'a StageVariables>,
    request_context: WebSocketContext<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_base64_encoded: Option<bool>,
}

/// What only the events of authorizers tell.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WebSocketAuthorization<'a> {
    r#type: &'static str,
    method_arn: &'a str,
}

impl ConnectionFacts {
    fn event<'a>(&'a self, request_context: WebSocketContext<'a>) -> WebSocketEvent<'a> {
        WebSocketEvent {
            authorization: None,
            headers: None,
            multi_value_headers: None,
            query_string_parameters: None,
            multi_value_query_string_parameters: None,
            stage_variables: (!self.stage_variables.is_empty()).then_some(&self.stage_variables),
            request_context,
            body: None,
            is_base64_encoded: Some(false),
        }
    }
}

/// The event of a handshake.
pub(crate) fn connect(
    facts: &ConnectionFacts,
    request_id: &str,
    headers: &NamedValues,
    query: &NamedValues,
) -> Bytes {
    let has_query = !query.is_empty();
    to_bytes(&WebSocketEvent {
        headers: Some(FirstOf(headers)),
        multi_value_headers: Some(AllOf(headers)),
        query_string_parameters: has_query.then_some(FirstOf(query)),
        multi_value_query_string_parameters: has_query.then_some(AllOf(query)),
        ..facts.event(facts.context("$connect", "CONNECT", request_id))
    })
}

/// The event that asks the authorizer about a handshake; its maps are there even if they are empty.
pub(crate) fn connect_authorization(
    facts: &ConnectionFacts,
    request_id: &str,
    method_arn: &str,
    headers: &NamedValues,
    query: &NamedValues,
) -> Bytes {
    to_bytes(&WebSocketEvent {
        authorization: Some(WebSocketAuthorization { r#type: "REQUEST", method_arn }),
        headers: Some(FirstOf(headers)),
        multi_value_headers: Some(AllOf(headers)),
        query_string_parameters: Some(FirstOf(query)),
        multi_value_query_string_parameters: Some(AllOf(query)),
        stage_variables: Some(&facts.stage_variables),
        is_base64_encoded: None,
        ..facts.event(facts.context("$connect", "CONNECT", request_id))
    })
}

/// The event of a message.
pub(crate) fn message(facts: &ConnectionFacts, request_id: &str, route_key: &str, body: &str) -> Bytes {
    to_bytes(&WebSocketEvent {
        body: Some(body),
        ..facts.event(WebSocketContext {
            message_id: Some(crate::ids::gateway_id()),
            ..facts.context(route_key, "MESSAGE", request_id)
        })
    })
}

/// The event of a connection's end.
pub(crate) fn disconnect(facts: &ConnectionFacts, request_id: &str, code: u16, reason: &str) -> Bytes {
    let mut headers = NamedValues::default();
    headers.set("Host", facts.domain_name.clone());
    headers.set("x-api-key", String::new());
    headers.set("X-Forwarded-For", String::new());
    headers.set("x-restapi", String::new());
    to_bytes(&WebSocketEvent {
        headers: Some(FirstOf(&headers)),
        multi_value_headers: Some(AllOf(&headers)),
        ..facts.event(WebSocketContext {
            disconnect_status_code: Some(code),
            disconnect_reason: Some(reason),
            ..facts.context("$disconnect", "DISCONNECT", request_id)
        })
    })
}

#[cfg(test)]
mod tests {
    use aws_lambda_events::apigw::{
        ApiGatewayCustomAuthorizerRequestTypeRequest, ApiGatewayWebsocketProxyRequest,
    };
    use serde_json::{Value, json};

    use super::super::connection::tests::facts;
    use super::*;

    #[test]
    fn a_connect_event_carries_the_handshake_in_its_own_case() {
        let mut headers = NamedValues::default();
        headers.add("Host".to_owned(), "localhost:8080".to_owned());
        headers.add("X-many".to_owned(), "1".to_owned());
        headers.add("x-Many".to_owned(), "2".to_owned());
        let query = NamedValues::of_query("token=a%2Bb&token=c");

        let event = connect(&facts(), "AAAAAAAAAAAAAAA=", &headers, &query);

        let raw: Value = serde_json::from_slice(&event).unwrap();
        assert_eq!(raw["headers"]["Host"], "localhost:8080");
        assert_eq!(raw["multiValueHeaders"]["X-many"], serde_json::json!(["1", "2"]));
        assert_eq!(raw["queryStringParameters"]["token"], "c");
        assert_eq!(raw["multiValueQueryStringParameters"]["token"], serde_json::json!(["a+b", "c"]));
        assert!(raw["requestContext"].get("messageId").is_none());
        let parsed: ApiGatewayWebsocketProxyRequest = serde_json::from_slice(&event).unwrap();
        assert_eq!(parsed.request_context.event_type.as_deref(), Some("CONNECT"));
        assert_eq!(parsed.request_context.connected_at, 1_700_000_000_000);
        assert_eq!(parsed.request_context.connection_id.as_deref(), Some("L0SM9cOFvHcCIhw="));
    }

    #[test]
    fn a_message_event_repeats_no_headers_and_has_a_message_id() {
        let event = message(&facts(), "AAAAAAAAAAAAAAA=", "$default", "{\"a\":1}");

        let raw: Value = serde_json::from_slice(&event).unwrap();
        assert!(raw.get("headers").is_none() && raw.get("queryStringParameters").is_none());
        let parsed: ApiGatewayWebsocketProxyRequest = serde_json::from_slice(&event).unwrap();
        assert_eq!(parsed.body.as_deref(), Some("{\"a\":1}"));
        assert_eq!(parsed.request_context.route_key.as_deref(), Some("$default"));
        assert_eq!(parsed.request_context.request_id, parsed.request_context.extended_request_id);
        assert!(parsed.request_context.message_id.is_some());
    }

    #[test]
    fn a_disconnect_event_tells_code_and_reason() {
        let event = disconnect(&facts(), "AAAAAAAAAAAAAAA=", 1005, "Client-side close frame status not set");

        let parsed: ApiGatewayWebsocketProxyRequest = serde_json::from_slice(&event).unwrap();
        assert_eq!(parsed.request_context.disconnect_status_code, Some(1005));
        assert_eq!(
            parsed.request_context.disconnect_reason.as_deref(),
            Some("Client-side close frame status not set")
        );
        assert_eq!(parsed.headers["x-restapi"], "");
    }

    #[test]
    fn an_authorizer_is_asked_about_a_handshake_with_all_its_maps() {
        let mut headers = NamedValues::default();
        headers.add("X-Key".to_owned(), "secret".to_owned());

        let event = connect_authorization(
            &facts(),
            "AAAAAAAAAAAAAAA=",
            "arn:aws:execute-api:x/ws/$connect",
            &headers,
            &NamedValues::default(),
        );

        let parsed: ApiGatewayCustomAuthorizerRequestTypeRequest = serde_json::from_slice(&event).unwrap();
        assert_eq!(parsed.type_.as_deref(), Some("REQUEST"));
        assert_eq!(parsed.method_arn.as_deref(), Some("arn:aws:execute-api:x/ws/$connect"));
        let raw: Value = serde_json::from_slice(&event).unwrap();
        for map in ["queryStringParameters", "multiValueQueryStringParameters", "stageVariables"] {
            assert_eq!(raw[map], json!({}), "{map}");
        }
        assert_eq!(raw["headers"]["X-Key"], "secret");
        assert_eq!(raw["requestContext"]["eventType"], "CONNECT");
    }

    #[test]
    fn stage_variables_and_the_authorizers_context_are_in_every_event_of_a_connection() {
        let mut facts = facts();
        facts.stage_variables.insert("tenant".to_owned(), "acme".to_owned());
        let authorizer = json!({"principalId": "ann", "level": "3"});
        facts.authorizer = authorizer.as_object().cloned();
        let (headers, query) = (NamedValues::default(), NamedValues::default());

        for event in [
            connect(&facts, "AAAAAAAAAAAAAAA=", &headers, &query),
            message(&facts, "AAAAAAAAAAAAAAA=", "$default", ""),
            disconnect(&facts, "AAAAAAAAAAAAAAA=", 1000, ""),
        ] {
            let raw: Value = serde_json::from_slice(&event).unwrap();
            assert_eq!(raw["stageVariables"], json!({"tenant": "acme"}));
            assert_eq!(raw["requestContext"]["authorizer"], authorizer);
            serde_json::from_slice::<ApiGatewayWebsocketProxyRequest>(&event).unwrap();
        }
    }
}
