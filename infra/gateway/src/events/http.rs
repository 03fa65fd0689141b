//! The events of requests to the HTTP API, and of the questions to its Lambda authorizers.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{self, HeaderMap};
use serde::Serialize;
use serde_json::Value;

use super::parts::{JoinedHeaders, cookies, encode_body, host_name, path_parameters, query_parameters, text};
use super::{Moment, to_bytes};
use crate::template::{ACCOUNT_ID, StageVariables};

/// A request to the HTTP API, matched to a route.
#[derive(Debug)]
pub(crate) struct HttpCall<'a> {
    /// The configured route, for example `GET /items/{id}`.
    pub(crate) route_key: &'a str,
    /// The request's method.
    pub(crate) method: &'a str,
    /// The path as requested.
    pub(crate) path: &'a str,
    /// The path without the name of the stage, which routes and policies see.
    pub(crate) path_in_stage: &'a str,
    /// The query as requested.
    pub(crate) query: &'a str,
    /// The values of the route's path variables, still encoded.
    pub(crate) path_parameters: Vec<(&'a str, &'a str)>,
    /// The headers, with those that API Gateway adds.
    pub(crate) headers: &'a HeaderMap,
    /// The body.
    pub(crate) body: &'a Bytes,
    /// The address of the peer.
    pub(crate) source_ip: &'a str,
    /// The API's id.
    pub(crate) api_id: &'a str,
    /// The API's stage.
    pub(crate) stage: &'a str,
    /// The stage's variables.
    pub(crate) stage_variables: &'a StageVariables,
    /// What an authorizer told of whoever makes the request.
    pub(crate) authorizer: Option<Value>,
    /// The request's id.
    pub(crate) request_id: &'a str,
    /// When the request came.
    pub(crate) moment: &'a Moment,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HttpEvent<'a> {
    version: &'static str,
    #[serde(flatten)]
    authorization: Option<HttpAuthorization<'a>>,
    route_key: &'a str,
    raw_path: &'a str,
    raw_query_string: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cookies: Option<Vec<Cow<'a, str>>>,
    headers: JoinedHeaders<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query_string_parameters: Option<BTreeMap<Cow<'a, str>, String>>,
    request_context: HttpContext<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_parameters: Option<BTreeMap<&'a str, Cow<'a, str>>>,
    #[serde(skip_serializing_if = "StageVariables::is_empty")]
    stage_variables: &'a StageVariables,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_base64_encoded: Option<bool>,
}

/// What only the events of authorizers tell.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HttpAuthorization<'a> {
    r#type: &'static str,
    route_arn: &'a str,
    identity_source: Option<&'a [String]>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HttpContext<'a> {
    account_id: &'static str,
    api_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer: Option<&'a Value>,
    domain_name: &'a str,
    domain_prefix: &'a str,
    http: HttpDescription<'a>,
    request_id: &'a str,
    route_key: &'a str,
    stage: &'a str,
    time: &'a str,
    time_epoch: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HttpDescription<'a> {
    method: &'a str,
    path: &'a str,
    protocol: &'static str,
    source_ip: &'a str,
    user_agent: Cow<'a, str>,
}

/// The event of a request to the HTTP API.
pub(crate) fn http_request(call: &HttpCall) -> Bytes {
    let (body, is_base64_encoded) = encode_body(call.headers.get(header::CONTENT_TYPE), call.body);
    to_bytes(&HttpEvent { body, is_base64_encoded: Some(is_base64_encoded), ..http_event(call, None) })
}

/// The event that asks a Lambda authorizer about a request, in payload format 2.0; it has no body.
pub(crate) fn http_authorization(call: &HttpCall, route_arn: &str, identity: &[String]) -> Bytes {
    let identity_source = (!identity.is_empty()).then_some(identity);
    let authorization = HttpAuthorization { r#type: "REQUEST", route_arn, identity_source };
    to_bytes(&http_event(call, Some(authorization)))
}

fn http_event<'a>(call: &'a HttpCall, authorization: Option<HttpAuthorization<'a>>) -> HttpEvent<'a> {
    HttpEvent {
        version: "2.0",
        authorization,
        route_key: call.route_key,
        raw_path: call.path,
        raw_query_string: call.query,
        cookies: cookies(call.headers),
        headers: JoinedHeaders(call.headers),
        query_string_parameters: query_parameters(call.query),
        request_context: http_context(call),
        path_parameters: path_parameters(&call.path_parameters),
        stage_variables: call.stage_variables,
        body: None,
        is_base64_encoded: None,
    }
}

fn http_context<'a>(call: &'a HttpCall) -> HttpContext<'a> {
    let domain_name = host_name(call.headers);
    HttpContext {
        account_id: ACCOUNT_ID,
        api_id: call.api_id,
        authorizer: call.authorizer.as_ref(),
        domain_name,
        domain_prefix: domain_name.split('.').next().unwrap_or_default(),
        http: HttpDescription {
            method: call.method,
            path: call.path,
            protocol: "HTTP/1.1",
            source_ip: call.source_ip,
            user_agent: text(call.headers, &header::USER_AGENT).unwrap_or_default(),
        },
        request_id: call.request_id,
        route_key: call.route_key,
        stage: call.stage,
        time: &call.moment.text,
        time_epoch: call.moment.epoch,
    }
}

/// A variable of `$context` (API Gateway Developer Guide, "Customize HTTP API access logs").
pub(crate) fn http_context_variable(call: &HttpCall, name: &str) -> Option<String> {
    let context = http_context(call);
    Some(match name {
        "accountId" => context.account_id.to_owned(),
        "apiId" => context.api_id.to_owned(),
        "domainName" => context.domain_name.to_owned(),
        "domainPrefix" => context.domain_prefix.to_owned(),
        "httpMethod" => context.http.method.to_owned(),
        "identity.sourceIp" => context.http.source_ip.to_owned(),
        "identity.userAgent" => context.http.user_agent.into_owned(),
        "path" => context.http.path.to_owned(),
        "protocol" => context.http.protocol.to_owned(),
        "requestId" => context.request_id.to_owned(),
        "requestTime" => context.time.to_owned(),
        "requestTimeEpoch" => context.time_epoch.to_string(),
        "routeKey" => context.route_key.to_owned(),
        "stage" => context.stage.to_owned(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use aws_lambda_events::apigw::{ApiGatewayV2CustomAuthorizerV2Request, ApiGatewayV2httpRequest};
    use http::HeaderValue;

    use super::*;

    fn request(headers: &HeaderMap, query: &str, body: &'static str) -> Bytes {
        let (body, moment) = (Bytes::from_static(body.as_bytes()), Moment::now());
        http_request(&call(headers, query, &body, &moment, &StageVariables::new()))
    }

    fn call<'a>(
        headers: &'a HeaderMap,
        query: &'a str,
        body: &'a Bytes,
        moment: &'a Moment,
        stage_variables: &'a StageVariables,
    ) -> HttpCall<'a> {
        HttpCall {
            route_key: "GET /items/{id}",
            method: "GET",
            path: "/items/a%20b",
            path_in_stage: "/items/a%20b",
            query,
            path_parameters: vec![("id", "a%20b")],
            headers,
            body,
            source_ip: "127.0.0.1",
            api_id: "httpapi",
            stage: "$default",
            stage_variables,
            authorizer: None,
            request_id: "AAAAAAAAAAAAAAA=",
            moment,
        }
    }

    #[test]
    fn an_http_event_is_what_lambda_http_reads() {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("chat.example.com:8080"));
        headers.append("accept", HeaderValue::from_static("a"));
        headers.append("accept", HeaderValue::from_static("b"));
        headers.insert("cookie", HeaderValue::from_static("x=1; y=2"));
        headers.insert("connection", HeaderValue::from_static("keep-alive"));

        let event = request(&headers, "q=a%20b&tag=1&tag=2", "");

        let parsed: ApiGatewayV2httpRequest = serde_json::from_slice(&event).unwrap();
        assert_eq!(parsed.raw_path.as_deref(), Some("/items/a%20b"));
        assert_eq!(parsed.raw_query_string.as_deref(), Some("q=a%20b&tag=1&tag=2"));
        assert_eq!(parsed.query_string_parameters.first("q"), Some("a b"));
        assert_eq!(parsed.path_parameters["id"], "a b");
        assert_eq!(parsed.headers["accept"], "a,b");
        assert!(!parsed.headers.contains_key("cookie") && !parsed.headers.contains_key("connection"));
        assert_eq!(parsed.cookies, Some(vec!["x=1".to_owned(), "y=2".to_owned()]));
        assert_eq!(parsed.body, None);
        assert_eq!(parsed.request_context.domain_name.as_deref(), Some("chat.example.com"));
        assert_eq!(parsed.request_context.domain_prefix.as_deref(), Some("chat"));
        assert_eq!(parsed.request_context.http.source_ip.as_deref(), Some("127.0.0.1"));
        let raw: Value = serde_json::from_slice(&event).unwrap();
        assert_eq!(raw["queryStringParameters"]["tag"], "1,2");
    }

    #[test]
    fn absent_parts_of_a_request_are_absent_in_its_event() {
        let event: Value = serde_json::from_slice(&request(&HeaderMap::new(), "", "")).unwrap();

        for absent in ["body", "cookies", "queryStringParameters", "stageVariables"] {
            assert!(event.get(absent).is_none(), "{absent}");
        }
        assert_eq!(event["isBase64Encoded"], false);
        assert_eq!(event["rawQueryString"], "");
    }

    #[test]
    fn an_authorizer_is_asked_about_a_request_in_format_2() {
        let mut headers = HeaderMap::new();
        headers.insert("x-key", HeaderValue::from_static("secret"));
        let variables = StageVariables::from([("tenant".to_owned(), "acme".to_owned())]);
        let (body, moment) = (Bytes::from_static(b"{}"), Moment::now());
        let call = call(&headers, "a=1", &body, &moment, &variables);

        let event = http_authorization(&call, "arn:aws:execute-api", &["secret".to_owned()]);

        let parsed: ApiGatewayV2CustomAuthorizerV2Request = serde_json::from_slice(&event).unwrap();
        assert_eq!(parsed.version.as_deref(), Some("2.0"));
        assert_eq!(parsed.type_.as_deref(), Some("REQUEST"));
        assert_eq!(parsed.route_arn.as_deref(), Some("arn:aws:execute-api"));
        assert_eq!(parsed.identity_source, Some(vec!["secret".to_owned()]));
        assert_eq!(parsed.stage_variables["tenant"], "acme");
        let raw: Value = serde_json::from_slice(&event).unwrap();
        assert!(raw.get("body").is_none() && raw.get("isBase64Encoded").is_none());
        let without = http_authorization(&call, "arn:aws:execute-api", &[]);
        assert_eq!(serde_json::from_slice::<Value>(&without).unwrap()["identitySource"], Value::Null);
    }
}
