//! What functions return to HTTP requests, and what becomes of it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::curl::{Answer, order, request};
use crate::support::returning;

async fn answer_to(value: &Value) -> Answer {
    order("/echo", &returning(value)).await
}

#[track_caller]
fn assert_failed(answer: &Answer) {
    answer.is(500, "Internal Server Error");
}

/// Source: DG "Create AWS Lambda proxy integrations for HTTP APIs", "Lambda function response for format 2.0".
#[tokio::test]
async fn status_headers_and_body_are_passed_on() {
    let headers = json!({ "Content-Type": "text/csv", "X-Own": "own" });

    let answer = answer_to(&json!({ "statusCode": 201, "headers": headers, "body": "a;é" })).await;

    assert_eq!((answer.status, answer.text().as_str()), (201, "a;é"));
    assert_eq!((answer.header("content-type"), answer.header("x-own")), (Some("text/csv"), Some("own")));
    assert_eq!(answer.header("content-length"), Some("4"));
}

/// Source: DG "Create AWS Lambda proxy integrations for HTTP APIs": `cookies`.
#[tokio::test]
async fn every_cookie_has_a_header_of_its_own() {
    let answer = answer_to(&json!({ "statusCode": 200, "cookies": ["a=1; Secure", "b=2"] })).await;

    assert_eq!(answer.all("set-cookie"), ["a=1; Secure", "b=2"]);
}

/// Source: ministackorg/ministack pull request 758.
#[tokio::test]
async fn a_cookie_among_the_headers_is_kept_beside_the_others() {
    let answer =
        answer_to(&json!({ "statusCode": 200, "headers": { "Set-Cookie": "c=3" }, "cookies": ["a=1"] }))
            .await;

    let mut cookies = answer.all("set-cookie");
    cookies.sort_unstable();
    assert_eq!(cookies, ["a=1", "c=3"]);
}

/// Source: DG "Create AWS Lambda proxy integrations for HTTP APIs": `isBase64Encoded`.
#[tokio::test]
async fn a_base64_body_is_decoded() {
    let value = json!({ "statusCode": 200, "body": "AAH/", "isBase64Encoded": true });

    assert_eq!(answer_to(&value).await.body, [0, 1, 255]);
}

/// Source: DG "Create AWS Lambda proxy integrations for HTTP APIs", "Lambda function response for format 2.0": without
/// a `statusCode` the whole answer is the body.
#[tokio::test]
async fn an_object_without_a_status_is_the_body() {
    let answer = answer_to(&json!({ "hello": ["world"] })).await;

    assert_eq!((answer.status, answer.json()), (200, json!({ "hello": ["world"] })));
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

/// Source: DG "Create AWS Lambda proxy integrations for HTTP APIs", "Lambda function response for format 2.0", whose
/// example is such a text.
#[tokio::test]
async fn a_text_is_the_body() {
    let answer = answer_to(&json!("Hello from Lambda!")).await;

    assert_eq!((answer.status, answer.text().as_str()), (200, "Hello from Lambda!"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

/// Source: RFC 9110, sections 15.3.5 and 15.4.5; the status is passed on.
#[tokio::test]
async fn a_status_without_content_has_none() {
    for status in [204, 304] {
        let answer = answer_to(&json!({ "statusCode": status })).await;

        assert_eq!((answer.status, answer.body.len()), (status, 0));
    }
}

/// Source: RFC 9110, section 9.3.2; DG "Create routes for HTTP APIs": ANY takes every method.
#[tokio::test]
async fn head_is_answered_without_a_body() {
    let value = json!({ "statusCode": 200, "headers": { "x-own": "own" }, "body": "never sent" });

    let answer = request("HEAD", "/echo").order(&returning(&value)).send().await;

    assert_eq!((answer.status, answer.header("x-own"), answer.body.len()), (200, Some("own"), 0));
}

/// Source: DG "Troubleshooting issues with HTTP API Lambda integrations": capitals, unlike the frame.
#[tokio::test]
async fn an_error_of_the_function_is_an_internal_server_error() {
    assert_failed(&order("/echo", &json!({ "do": "fail" })).await);
}

/// Source: LDG "Using the Lambda runtime API for custom runtimes" (invocation error).
#[tokio::test]
async fn a_panic_of_the_function_is_an_internal_server_error() {
    assert_failed(&order("/echo", &json!({ "do": "panic" })).await);
}

/// Source: LDG "Understanding the Lambda execution environment lifecycle".
#[tokio::test]
async fn an_exit_of_the_function_is_an_internal_server_error() {
    assert_failed(&order("/echo", &json!({ "do": "exit" })).await);
}

/// Source: `CodeGenieApp`/serverless-express issue 355: a header with a list of values.
#[tokio::test]
async fn an_answer_in_another_format_is_an_internal_server_error() {
    assert_failed(&answer_to(&json!({ "statusCode": 200, "headers": { "x-many": ["1", "2"] } })).await);
}

/// Source: cortexlabs/cortex #1225; serverless/serverless #11222; DG "Quotas for configuring and running an HTTP
/// API".
#[tokio::test]
async fn a_function_slower_than_its_integration_may_be_is_unavailable() {
    let begun = Instant::now();

    let answer = order("/hurried", &json!({ "do": "sleep", "ms": 3000 })).await;

    answer.is(503, "Service Unavailable");
    assert!(begun.elapsed() < Duration::from_millis(2500), "{:?}", begun.elapsed());
}

/// Source: LDG "Configure Lambda function timeout"; DG "Troubleshooting issues with HTTP API Lambda
/// integrations".
#[tokio::test]
async fn a_function_slower_than_its_own_timeout_is_an_internal_server_error() {
    assert_failed(&order("/brief", &json!({ "do": "sleep", "ms": 5000 })).await);
}

/// Source: cortexlabs/cortex #1225, where such an answer has the header.
#[tokio::test]
async fn what_is_unavailable_has_the_id_of_its_request_too() {
    let answer = order("/hurried", &json!({ "do": "sleep", "ms": 1500 })).await;

    assert_eq!(answer.status, 503);
    assert!(answer.header("apigw-requestid").is_some_and(|id| id.ends_with('=')), "{answer:?}");
}
