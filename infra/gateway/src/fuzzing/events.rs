//! Any request makes an event that its function can read, and that says what the request said.

use std::collections::BTreeMap;

use aws_lambda_events::apigw::{
    ApiGatewayCustomAuthorizerRequestTypeRequest, ApiGatewayV2CustomAuthorizerV2Request,
    ApiGatewayV2httpRequest, ApiGatewayWebsocketProxyRequest,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value};

use super::fuzz;
use crate::events::{self, ConnectionFacts, HttpCall, Moment, NamedValues};
use crate::template::StageVariables;

const ID: &str = "AAAAAAAAAAAAAAA=";

#[derive(Debug, Clone)]
struct Request {
    method: String,
    path: String,
    query: String,
    parameters: Vec<(String, String)>,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    variables: StageVariables,
}

fn text() -> BoxedStrategy<String> {
    prop_oneof![any::<String>(), "[ -~]{0,20}", "[a-c%=&+;,/ .2F~]{0,16}", Just(String::new())].boxed()
}

fn header_name() -> BoxedStrategy<String> {
    let known = prop::sample::select(vec![
        "Host",
        "cookie",
        "content-type",
        "connection",
        "TE",
        "user-agent",
        "x-forwarded-for",
        "Keep-Alive",
        "accept",
    ]);
    prop_oneof![known.prop_map(str::to_owned), "[a-zA-Z0-9!#$&'*+.^_`|~-]{1,12}"].boxed()
}

fn header_value() -> BoxedStrategy<Vec<u8>> {
    let byte = any::<u8>().prop_map(|byte| if (byte < 32 && byte != 9) || byte == 127 { b';' } else { byte });
    let kind = prop::sample::select(vec![
        "text/plain",
        "application/json; charset=utf-8",
        "TEXT/html",
        "application/xml",
        "application/problem+json",
        "",
        "a=1; b=2",
        "a=1;b=2;;",
        "localhost:8080",
        "[::1]:80",
        "multipart/form-data; boundary=x",
        "application/javascript",
    ]);
    prop_oneof![vec(byte, 0..24), kind.prop_map(|kind| kind.as_bytes().to_vec())].boxed()
}

fn request() -> impl Strategy<Value = Request> {
    (
        prop_oneof![Just("GET".to_owned()), Just("POST".to_owned()), "[A-Z!#$%&'*+.^_`|~0-9-]{1,9}"],
        text(),
        text(),
        vec((text(), text()), 0..4),
        vec((header_name(), header_value()), 0..8),
        prop_oneof![vec(any::<u8>(), 0..40), text().prop_map(String::into_bytes)],
        prop::collection::btree_map("[a-z_]{1,5}", "[a-z0-9/:.-]{0,8}", 0..3),
    )
        .prop_map(|(method, path, query, parameters, headers, body, variables)| Request {
            method,
            path,
            query,
            parameters,
            headers,
            body,
            variables,
        })
}

/// Percent-decoding by hand.
fn decoded(text: &str, plus: bool) -> String {
    let bytes = text.as_bytes();
    let (mut decoded, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| bytes.get(at + 1..at + 3)).flatten();
        let hex = hex.filter(|hex| hex.iter().all(u8::is_ascii_hexdigit));
        if let Some(hex) = hex {
            let digit = |digit: u8| char::from(digit).to_digit(16).unwrap();
            decoded.push(u8::try_from(digit(hex[0]) * 16 + digit(hex[1])).unwrap());
            at += 3;
        } else {
            decoded.push(if plus && bytes[at] == b'+' { b' ' } else { bytes[at] });
            at += 1;
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// The query's values by name, read by hand.
fn query_values(query: &str) -> BTreeMap<String, Vec<String>> {
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        values.entry(decoded(name, true)).or_default().push(decoded(value, true));
    }
    values
}

fn header_map(headers: &[(String, Vec<u8>)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_bytes(value).expect("made of bytes that a header may have"),
        );
    }
    map
}

/// The values of one header, in their order.
fn values_of<'a>(request: &'a Request, name: &str) -> Vec<String> {
    let same = |(other, _): &&'a (String, Vec<u8>)| other.eq_ignore_ascii_case(name);
    request
        .headers
        .iter()
        .filter(same)
        .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        .collect()
}

fn check_headers(request: &Request, event: &Value) {
    let told = event["headers"].as_object().unwrap();
    for (name, _) in &request.headers {
        let name = name.to_ascii_lowercase();
        let dropped = ["cookie", "connection", "te", "keep-alive", "transfer-encoding", "upgrade", "trailer"];
        if dropped.contains(&name.as_str()) || name == "proxy-connection" {
            assert!(!told.contains_key(&name), "{name}");
        } else {
            assert_eq!(told[&name], values_of(request, &name).join(","), "{name}");
        }
    }
    for name in told.keys() {
        assert!(!values_of(request, name).is_empty(), "{name} was not sent");
    }
    let cookies: Vec<String> = values_of(request, "cookie");
    match event.get("cookies") {
        None => assert!(cookies.is_empty()),
        Some(told) => {
            let squeeze = |text: String| text.replace([';', ' ', '\t'], "");
            let told: Vec<&str> =
                told.as_array().unwrap().iter().map(|cookie| cookie.as_str().unwrap()).collect();
            assert_eq!(squeeze(told.concat()), squeeze(cookies.concat()));
        }
    }
}

fn check_body(request: &Request, event: &Value) {
    let kind = values_of(request, "content-type").first().cloned().unwrap_or_default().to_ascii_lowercase();
    let kind = kind.split(';').next().unwrap().trim();
    let is_text = kind.starts_with("text/")
        || ["application/json", "application/xml", "application/javascript"].contains(&kind);
    let Some(body) = event.get("body") else {
        assert!(request.body.is_empty() && event["isBase64Encoded"] == false);
        return;
    };
    let body = body.as_str().unwrap();
    if event["isBase64Encoded"] == true {
        assert!(!is_text || std::str::from_utf8(&request.body).is_err(), "{kind} is text");
        assert_eq!(STANDARD.decode(body).unwrap(), request.body);
    } else {
        assert!(is_text, "{kind} is no text");
        assert_eq!(body.as_bytes(), request.body);
    }
}

#[test]
fn an_http_event_says_what_the_request_said() {
    fuzz("events: HTTP requests", 40, &request(), |request| {
        let (headers, body) = (header_map(&request.headers), Bytes::from(request.body.clone()));
        let moment = Moment::now();
        let parameters: Vec<_> =
            request.parameters.iter().map(|(name, value)| (&name[..], &value[..])).collect();
        let call = HttpCall {
            route_key: "ANY /{proxy+}",
            method: &request.method,
            path: &request.path,
            path_in_stage: &request.path,
            query: &request.query,
            path_parameters: parameters,
            headers: &headers,
            body: &body,
            source_ip: "127.0.0.1",
            api_id: "api",
            stage: "$default",
            stage_variables: &request.variables,
            authorizer: None,
            request_id: ID,
            moment: &moment,
        };

        let event = events::http_request(&call);

        let read: ApiGatewayV2httpRequest = serde_json::from_slice(&event).unwrap();
        assert_eq!(read.request_context.http.method.as_str(), request.method);
        assert_eq!(read.raw_path.as_deref(), Some(&request.path[..]));
        assert_eq!(read.raw_query_string.as_deref(), Some(&request.query[..]));
        let event: Value = serde_json::from_slice(&event).unwrap();
        let told = event.get("queryStringParameters").cloned().unwrap_or_else(|| Map::new().into());
        let expected =
            query_values(&request.query).into_iter().map(|(name, values)| (name, values.join(",")));
        assert_eq!(told, expected.collect::<BTreeMap<_, _>>().into_iter().collect::<Value>());
        let parameters: BTreeMap<_, _> =
            request.parameters.iter().map(|(name, value)| (name, value)).collect();
        for (name, value) in parameters {
            assert_eq!(event["pathParameters"][name], decoded(value, false));
        }
        check_headers(&request, &event);
        check_body(&request, &event);
        let identity = values_of(&request, "x-forwarded-for");
        let question = events::http_authorization(&call, "arn", &identity);
        let question: ApiGatewayV2CustomAuthorizerV2Request = serde_json::from_slice(&question).unwrap();
        assert_eq!(question.identity_source.unwrap_or_default(), identity);
    });
}

fn named(pairs: &[(String, Vec<u8>)]) -> NamedValues {
    let mut named = NamedValues::default();
    for (name, value) in pairs {
        named.add(name.clone(), String::from_utf8_lossy(value).into_owned());
    }
    named
}

fn facts(request: &Request, context: Option<BTreeMap<String, String>>) -> ConnectionFacts {
    ConnectionFacts {
        id: "L0SM9cOFvHcCIhw=".to_owned(),
        connected_at: 1_700_000_000_000,
        source_ip: "127.0.0.1".to_owned(),
        user_agent: values_of(request, "user-agent").pop(),
        domain_name: request.path.clone(),
        api_id: "ws".to_owned(),
        stage: "ws".to_owned(),
        stage_variables: request.variables.clone(),
        authorizer: context
            .map(|context| context.into_iter().map(|(name, value)| (name, value.into())).collect()),
    }
}

#[test]
fn the_events_of_a_connection_say_what_the_client_said() {
    let context = proptest::option::of(prop::collection::btree_map(text(), text(), 0..3));
    let inputs = (request(), text(), text(), any::<u16>(), context);
    fuzz(
        "events: WebSocket handshakes, messages and ends",
        60,
        &inputs,
        |(request, message, reason, code, context)| {
            let facts = facts(&request, context);
            let (headers, query) = (named(&request.headers), NamedValues::of_query(&request.query));

            let connect = events::connect(&facts, ID, &headers, &query);

            let read: ApiGatewayWebsocketProxyRequest = serde_json::from_slice(&connect).unwrap();
            assert_eq!(read.request_context.connection_id.as_deref(), Some(&facts.id[..]));
            let connect: Value = serde_json::from_slice(&connect).unwrap();
            let all = &connect["multiValueHeaders"];
            let count: usize =
                all.as_object().unwrap().values().map(|values| values.as_array().unwrap().len()).sum();
            assert_eq!(count, request.headers.len());
            for (name, values) in all.as_object().unwrap() {
                assert_eq!(*values, Value::from(values_of(&request, name)), "{name}");
                assert_eq!(connect["headers"][name], *values.as_array().unwrap().last().unwrap(), "{name}");
            }
            let expected = query_values(&request.query);
            let told = connect.get("multiValueQueryStringParameters");
            assert_eq!(told.is_none(), expected.is_empty());
            for (name, values) in expected {
                assert_eq!(told.unwrap()[&name], Value::from(values.clone()), "{name}");
                assert_eq!(connect["queryStringParameters"][&name], *values.last().unwrap(), "{name}");
            }
            let question = events::connect_authorization(&facts, ID, "arn", &headers, &query);
            serde_json::from_slice::<ApiGatewayCustomAuthorizerRequestTypeRequest>(&question).unwrap();

            let event = events::message(&facts, ID, &reason, &message);
            let read: ApiGatewayWebsocketProxyRequest = serde_json::from_slice(&event).unwrap();
            assert_eq!(read.body.as_deref(), Some(&message[..]));
            assert_eq!(read.request_context.route_key.as_deref(), Some(&reason[..]));

            let event = events::disconnect(&facts, ID, code, &reason);
            let read: ApiGatewayWebsocketProxyRequest = serde_json::from_slice(&event).unwrap();
            assert_eq!(read.request_context.disconnect_status_code, Some(i64::from(code)));
            let event: Value = serde_json::from_slice(&event).unwrap();
            assert_eq!(event["requestContext"]["disconnectReason"], reason);
            assert_eq!(event["requestContext"].get("authorizer").cloned(), facts.authorizer.map(Value::from));
        },
    );
}
