//! The events of HTTP routes, payload format 2.0, asked for by curl.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::support::curl::{bare, request};
use crate::support::{Target, at, host, text};

/// Source: DG "Create AWS Lambda proxy integrations for HTTP APIs".
#[tokio::test]
async fn a_request_is_told_in_format_2_0() {
    let event = request("PUT", "/echo?a=1").event().await;

    assert_eq!(text(&event, "version"), "2.0");
    assert_eq!(text(&event, "routeKey"), "ANY /echo");
    assert_eq!(text(&event, "rawPath"), "/echo");
    assert_eq!(text(&event, "rawQueryString"), "a=1");
    let context = at(&event, "requestContext");
    assert_eq!(text(context, "routeKey"), "ANY /echo");
    assert_eq!(text(context, "stage"), "$default");
    assert_eq!(text(context, "http.method"), "PUT");
    assert_eq!(text(context, "http.path"), "/echo");
    assert_eq!(text(context, "http.protocol"), "HTTP/1.1");
}

/// Source: DG "Create AWS Lambda proxy integrations for HTTP APIs"; RT fixture
/// `example-apigw-v2-request-no-authorizer.json`.
#[tokio::test]
async fn the_context_names_the_api_and_the_client() {
    let event = request("GET", "/echo").header("User-Agent", "suite").event().await;

    let context = at(&event, "requestContext");
    let host = host(&Target::get().http_url);
    assert_eq!(text(context, "domainName"), host);
    assert_eq!(text(context, "domainPrefix"), host.split('.').next().unwrap());
    assert!(text(context, "accountId").len() == 12 && !text(context, "apiId").is_empty());
    assert!(text(context, "http.sourceIp").parse::<IpAddr>().is_ok());
    assert_eq!(text(context, "http.userAgent"), "suite");
}

/// Source: DG "Create AWS Lambda proxy integrations for HTTP APIs": common log format and milliseconds.
#[tokio::test]
async fn the_time_is_told_twice() {
    let event = request("GET", "/echo").event().await;

    let epoch = at(&event, "requestContext.timeEpoch").as_i64().unwrap();
    let time = text(&event, "requestContext.time");
    assert!((OffsetDateTime::now_utc().unix_timestamp() - epoch / 1000).abs() < 300, "{epoch}");
    let moment = OffsetDateTime::from_unix_timestamp(epoch / 1000).unwrap();
    let clock = format!("{:02}:{:02}:{:02} +0000", moment.hour(), moment.minute(), moment.second());
    assert!(time.ends_with(&clock), "{time} and {clock}");
}

/// Source: DG "Customize HTTP API access logs": `requestId`; cortexlabs/cortex #1225 for the header.
#[tokio::test]
async fn the_answer_has_the_id_of_the_request() {
    let answer = request("GET", "/echo").send().await;

    let event = answer.json();
    assert_eq!(answer.header("apigw-requestid"), Some(text(&event, "requestContext.requestId")));
    assert!(text(&event, "requestContext.requestId").ends_with('='));
}

/// Source: DG "Create AWS Lambda proxy integrations for HTTP APIs": names in lower case, duplicates joined by
/// commas.
#[tokio::test]
async fn headers_are_in_lower_case_and_joined() {
    let event = request("GET", "/echo").header("X-Many", "one").header("x-mANY", "two").event().await;

    assert_eq!(text(&event, "headers.x-many"), "one,two");
    assert!(event.get("multiValueHeaders").is_none());
}

/// Source: DG "Create AWS Lambda proxy integrations for HTTP APIs": cookies have a list of their own.
#[tokio::test]
async fn cookies_are_told_apart() {
    let event = request("GET", "/echo").header("Cookie", "a=1; b=2").event().await;

    assert_eq!(at(&event, "cookies"), &json!(["a=1", "b=2"]));
    assert!(at(&event, "headers").get("cookie").is_none(), "{event}");
}

/// Source: DG "Create AWS Lambda proxy integrations for HTTP APIs": fields that a request does not fill are left
/// out.
#[tokio::test]
async fn what_a_request_does_not_have_is_left_out() {
    let event = request("GET", "/echo").event().await;

    assert_eq!(text(&event, "rawQueryString"), "");
    assert_eq!(at(&event, "isBase64Encoded"), false);
    for absent in ["cookies", "queryStringParameters", "pathParameters", "body"] {
        assert!(event.get(absent).is_none_or(Value::is_null), "{absent} in {event}");
    }
}

/// Source: DG "Create AWS Lambda proxy integrations for HTTP APIs": `queryStringParameters` joins,
/// `rawQueryString` does not.
#[tokio::test]
async fn a_query_is_told_raw_and_decoded() {
    let query = "many=1&many=2&name=a%20b&encoded=%C3%A9%26";

    let event = request("GET", &format!("/echo?{query}")).event().await;

    assert_eq!(text(&event, "rawQueryString"), query);
    let parameters = json!({ "many": "1,2", "name": "a b", "encoded": "é&" });
    assert_eq!(at(&event, "queryStringParameters"), &parameters);
}

/// Source: DG "Create routes for HTTP APIs".
#[tokio::test]
async fn path_parameters_are_told() {
    let event = request("GET", "/things/7/parts/wheel").event().await;

    assert_eq!(text(&event, "routeKey"), "GET /things/{id}/parts/{part}");
    assert_eq!(at(&event, "pathParameters"), &json!({ "id": "7", "part": "wheel" }));
    let event = request("GET", "/files/a/b/c").event().await;
    assert_eq!(at(&event, "pathParameters"), &json!({ "proxy": "a/b/c" }));
}

/// Source: DG "Use stage variables for HTTP APIs".
#[tokio::test]
async fn stage_variables_are_told() {
    let event = request("GET", "/echo").event().await;

    assert_eq!(at(&event, "stageVariables"), &json!({ "tenant": "acme" }));
    assert!(bare("GET", "/anything").event().await.get("stageVariables").is_none_or(Value::is_null));
}

/// Source: ministackorg/ministack pull request 766, which names the four kinds of text that it found on AWS.
#[tokio::test]
async fn a_body_of_text_is_text() {
    for kind in [
        "text/plain",
        "application/json",
        "application/xml",
        "application/javascript",
        "text/html; charset=utf-8",
    ] {
        let event = request("POST", "/echo").header("Content-Type", kind).body(r#"{"é":1}"#).event().await;

        assert_eq!(
            (at(&event, "isBase64Encoded"), text(&event, "body")),
            (&json!(false), r#"{"é":1}"#),
            "{kind}"
        );
    }
}

/// Source: ministackorg/ministack pull request 766: all else is base64.
#[tokio::test]
async fn any_other_body_is_base64() {
    for kind in [
        "application/octet-stream",
        "application/x-www-form-urlencoded",
        "application/vnd.api+json",
        "multipart/form-data; boundary=x",
        "image/png",
    ] {
        let event = request("POST", "/echo").header("Content-Type", kind).body("a=1").event().await;

        assert_eq!(at(&event, "isBase64Encoded"), true, "{kind}");
        assert_eq!(STANDARD.decode(text(&event, "body")).unwrap(), b"a=1", "{kind}");
    }
}

/// Source: ministackorg/ministack pull request 766.
#[tokio::test]
async fn a_body_without_a_content_type_is_base64() {
    let event = request("POST", "/echo").header("Content-Type", "").body("plain").event().await;

    assert_eq!((at(&event, "isBase64Encoded"), text(&event, "body")), (&json!(true), "cGxhaW4="));
}

/// Source: DG "Create AWS Lambda proxy integrations for HTTP APIs".
#[tokio::test]
async fn bytes_survive_as_base64() {
    let bytes: Vec<u8> = (0..=255).collect();

    let event = request("POST", "/echo")
        .header("Content-Type", "application/octet-stream")
        .body(bytes.clone())
        .event()
        .await;

    assert_eq!(STANDARD.decode(text(&event, "body")).unwrap(), bytes);
}

/// Source: RT fixture `example-apigw-v2-request-no-authorizer.json`: headers that API Gateway adds.
#[tokio::test]
async fn where_the_client_is_and_a_trace_are_added() {
    let event = request("POST", "/echo").header("Content-Type", "text/plain").body("12345").event().await;

    let headers = at(&event, "headers");
    let encrypted = Target::get().http_url.starts_with("https:");
    assert_eq!(text(headers, "x-forwarded-proto"), if encrypted { "https" } else { "http" });
    assert!(text(headers, "x-forwarded-port").parse::<u16>().is_ok());
    assert!(text(headers, "x-forwarded-for").contains(text(&event, "requestContext.http.sourceIp")));
    assert!(text(headers, "x-amzn-trace-id").starts_with("Root=1-"));
    assert_eq!(text(headers, "content-length"), "5");
    assert!(text(headers, "host").starts_with(&host(&Target::get().http_url)));
}

/// Source: RFC 9110, section 7.6.1; the RT fixtures have none either.
#[tokio::test]
async fn headers_of_the_connection_are_not_passed_on() {
    let event =
        request("GET", "/echo").header("Connection", "keep-alive").header("TE", "trailers").event().await;

    for absent in ["connection", "te", "transfer-encoding", "upgrade"] {
        assert!(at(&event, "headers").get(absent).is_none(), "{absent} in {event}");
    }
}

/// Source: aws-powertools/powertools-lambda-python issue 621; logandk/serverless-wsgi issue 191.
#[tokio::test]
async fn the_path_has_the_name_of_a_named_stage() {
    let event = bare("GET", "/named/7").event().await;

    assert_eq!(text(&event, "rawPath"), "/v1/named/7");
    assert_eq!(text(&event, "requestContext.http.path"), "/v1/named/7");
    assert_eq!(text(&event, "requestContext.stage"), "v1");
    assert_eq!(text(&event, "routeKey"), "GET /named/{item}");
}

/// Source: DG "Create routes for HTTP APIs": `$default`.
#[tokio::test]
async fn the_default_route_is_told_by_its_name() {
    let event = bare("DELETE", "/any/thing").event().await;

    assert_eq!(text(&event, "routeKey"), "$default");
    assert_eq!(text(&event, "requestContext.http.method"), "DELETE");
}
