//! CORS: what API Gateway answers itself, and what it says instead of the function.

use serde_json::json;

use crate::support::curl::{Answer, Request, bare, request};
use crate::support::returning;

const ORIGIN: &str = "https://app.example.com";

fn preflight(path: &str, origin: &str) -> Request {
    let request = request("OPTIONS", path).header("Origin", origin);
    request.header("Access-Control-Request-Method", "PUT")
}

fn list(answer: &Answer, name: &str) -> Vec<String> {
    let mut items: Vec<_> =
        answer.header(name).unwrap_or_default().split(',').map(|item| item.trim().to_lowercase()).collect();
    items.sort();
    items
}

/// Source: DG "Configure CORS for HTTP APIs": preflights are answered even without a route for them.
#[tokio::test]
async fn a_preflight_is_answered_without_a_route() {
    for path in ["/read", "/echo", "/guarded/1"] {
        let answer = preflight(path, ORIGIN).send().await;

        assert_eq!((answer.status, answer.body.len()), (204, 0), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
    }
}

/// Source: DG "Configure CORS for HTTP APIs", the table of what is configured.
#[tokio::test]
async fn a_preflight_is_told_all_that_is_configured() {
    let answer = preflight("/echo", ORIGIN).send().await;

    assert_eq!(list(&answer, "access-control-allow-methods"), ["get", "put"]);
    assert_eq!(list(&answer, "access-control-allow-headers"), ["content-type", "x-order"]);
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(answer.header("access-control-max-age"), Some("600"));
}

/// Source: DG "Configure CORS for HTTP APIs": without a match there are no CORS headers.
#[tokio::test]
async fn another_origin_is_told_nothing() {
    let asked = preflight("/echo", "https://evil.example.com").send().await;
    let answered = request("GET", "/echo").header("Origin", "https://evil.example.com").send().await;

    for answer in [asked, answered] {
        let told = answer.headers.iter().find(|(name, _)| name.starts_with("access-control-"));
        assert!(told.is_none(), "{told:?}");
    }
}

/// Source: DG "Configure CORS for HTTP APIs".
#[tokio::test]
async fn an_answer_says_who_may_read_it() {
    let answer = request("GET", "/echo").header("Origin", ORIGIN).send().await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(list(&answer, "access-control-expose-headers"), ["x-exposed"]);
}

/// Source: DG "Configure CORS for HTTP APIs": CORS headers of the integration are ignored.
#[tokio::test]
async fn what_the_function_says_is_replaced() {
    let headers = json!({
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Expose-Headers": "x-other",
        "Access-Control-Allow-Headers": "x-other",
    });
    let value = json!({ "statusCode": 200, "headers": headers, "body": "" });

    let answer = request("GET", "/echo").header("Origin", ORIGIN).order(&returning(&value)).send().await;

    assert_eq!(answer.all("access-control-allow-origin"), [ORIGIN]);
    assert_eq!(list(&answer, "access-control-expose-headers"), ["x-exposed"]);
    assert_eq!(answer.header("access-control-allow-headers"), None);
}

/// Source: DG "Configure CORS for HTTP APIs": only API Gateway's own configuration makes it answer.
#[tokio::test]
async fn without_a_configuration_the_function_answers() {
    let headers = json!({ "Access-Control-Allow-Origin": "https://own.example.com" });
    let value = json!({ "statusCode": 202, "headers": headers });

    let answer = bare("OPTIONS", "/anything")
        .header("Origin", ORIGIN)
        .header("Access-Control-Request-Method", "PUT")
        .order(&returning(&value))
        .send()
        .await;

    assert_eq!(answer.status, 202);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://own.example.com"));
}
