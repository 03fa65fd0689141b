//! Authorizers of both APIs: the function of the template, and tokens.

use serde_json::{Value, json};

use crate::support::curl::{Request, request};
use crate::support::socket::{Handshake, Socket};
use crate::support::{Target, at, stage, text, unique};

fn guarded(path: &str, answer: &str) -> Request {
    request("GET", path).header("X-Answer", answer)
}

fn bearing(path: &str, token: &str) -> Request {
    request("GET", path).header("Authorization", token)
}

/// A request that makes the REQUEST authorizer of the WebSocket API answer in a way, and the status of the refusal.
async fn refused(authorize: &str) -> u16 {
    Handshake::answered(authorize).refusal().await.status
}

/// Source: DG "Create an AWS Lambda REQUEST authorizer".
#[tokio::test]
async fn a_denied_handshake_is_forbidden() {
    assert_eq!(refused("deny").await, 403);
}

/// Source: DG "Create an AWS Lambda REQUEST authorizer": the policy must be for the route;
/// aws-powertools/powertools-lambda-python issue 5800.
#[tokio::test]
async fn a_policy_for_another_resource_is_forbidden() {
    assert_eq!(refused("misdirected").await, 403);
}

/// Source: DG "Create an AWS Lambda REQUEST authorizer", "identity sources"; localstack/localstack issue 6368.
#[tokio::test]
async fn a_handshake_without_its_identity_is_unauthorized() {
    assert_eq!(Handshake::at(&Target::get().websocket_url).refusal().await.status, 401);
}

/// Source: DG "Create an AWS Lambda REQUEST authorizer"; the error `Unauthorized` of the examples.
#[tokio::test]
async fn an_authorizer_that_says_unauthorized_is_unauthorized() {
    assert_eq!(refused("unauthorized").await, 401);
}

/// Source: serverless/examples issue 557.
#[tokio::test]
async fn an_authorizer_that_fails_is_an_internal_server_error() {
    assert_eq!(refused("fail").await, 500);
}

/// Source: serverless/examples issue 557.
#[tokio::test]
async fn an_authorizer_that_answers_no_policy_is_an_internal_server_error() {
    assert_eq!(refused("malformed").await, 500);
}

/// Source: DG "Output from an API Gateway Lambda authorizer": no objects or lists in the context.
#[tokio::test]
async fn a_context_with_a_list_is_an_internal_server_error() {
    assert_eq!(refused("nested").await, 500);
}

/// Source: DG "Quotas for configuring and running a WebSocket API": an authorizer's result is at most 8 KB.
#[tokio::test]
async fn an_answer_larger_than_the_quota_opens_no_connection() {
    assert!(refused("large").await >= 400);
}

/// Source: DG "Manage connected users and client apps: $connect and $disconnect routes": the authorizer comes
/// first.
#[tokio::test]
async fn connect_does_not_see_a_denied_handshake() {
    let (mut watcher, id) = Socket::open_with_id().await;

    Handshake::answered("deny").watched_by(&id).refusal().await;
    let _other = Handshake::answered("allow-second").watched_by(&id).open().await.unwrap();

    let event = watcher.watched("CONNECT").await;
    assert_eq!(text(&event, "queryStringParameters.authorize"), "allow-second");
}

/// Source: RT fixture `example-apigw-v2-custom-authorizer-websocket-request.json`.
#[tokio::test]
async fn the_authorizer_is_told_of_the_handshake() {
    let mut socket = Handshake::new().header("x-own", "own").open().await.unwrap();

    let event = socket.event().await;

    let asked: Value = serde_json::from_str(text(&event, "requestContext.authorizer.asked")).unwrap();
    assert_eq!(text(&asked, "type"), "REQUEST");
    let arn = text(&asked, "methodArn");
    let end =
        format!("{}/{}/$connect", text(&event, "requestContext.apiId"), stage(&Target::get().websocket_url));
    assert!(arn.starts_with("arn:aws:execute-api:") && arn.ends_with(&end), "{arn}");
    assert_eq!(text(&asked, "headers.x-own"), "own");
    assert_eq!(at(&asked, "queryStringParameters"), &json!({ "authorize": "allow" }));
    assert_eq!(at(&asked, "multiValueQueryStringParameters"), &json!({ "authorize": ["allow"] }));
    assert_eq!(at(&asked, "stageVariables"), &json!({ "tenant": "acme" }));
    assert_eq!(text(&asked, "requestContext.eventType"), "CONNECT");
    for same in ["connectionId", "connectedAt", "domainName", "stage", "apiId"] {
        let path = format!("requestContext.{same}");
        assert_eq!(at(&asked, &path), at(&event, &path));
    }
}

/// Source: DG "Control access to HTTP APIs with AWS Lambda authorizers": the context keeps its types.
#[tokio::test]
async fn an_allowed_request_has_the_context_with_its_types() {
    let event = guarded("/guarded/1", "allow").event().await;

    let context = at(&event, "requestContext.authorizer.lambda");
    assert_eq!((at(context, "text"), at(context, "number")), (&json!("seven"), &json!(7)));
    assert_eq!((at(context, "truth"), at(context, "list")), (&json!(true), &json!(["a"])));
}

/// Source: DG "Control access to HTTP APIs with AWS Lambda authorizers"; RT fixture
/// `example-apigw-v2-custom-authorizer-v2-request.json`.
#[tokio::test]
async fn the_authorizer_is_told_of_the_request() {
    let event = guarded("/guarded/7?a=1", "allow").header("Cookie", "c=1").event().await;

    let asked = at(&event, "requestContext.authorizer.lambda.asked");
    assert_eq!((text(asked, "version"), text(asked, "type")), ("2.0", "REQUEST"));
    assert_eq!(at(asked, "identitySource"), &json!(["allow"]));
    let arn = text(asked, "routeArn");
    let end = format!("{}/$default/GET/guarded/7", text(&event, "requestContext.apiId"));
    assert!(arn.starts_with("arn:aws:execute-api:") && arn.ends_with(&end), "{arn}");
    assert_eq!(text(asked, "routeKey"), "GET /guarded/{item}");
    assert_eq!((text(asked, "rawPath"), text(asked, "rawQueryString")), ("/guarded/7", "a=1"));
    assert_eq!(at(asked, "cookies"), &json!(["c=1"]));
    assert_eq!(at(asked, "pathParameters"), &json!({ "item": "7" }));
    assert_eq!(at(asked, "stageVariables"), &json!({ "tenant": "acme" }));
    assert!(asked.get("body").is_none(), "{asked}");
}

/// Source: DG "Control access to HTTP APIs with AWS Lambda authorizers".
#[tokio::test]
async fn a_denied_request_is_forbidden() {
    guarded("/guarded/1", "deny").send().await.is(403, "Forbidden");
    guarded("/policed/1", "deny").send().await.is(403, "Forbidden");
}

/// Source: DG "Control access to HTTP APIs with AWS Lambda authorizers": without its identity sources the
/// function is not asked.
#[tokio::test]
async fn a_request_without_its_identity_is_unauthorized() {
    request("GET", "/guarded/1").send().await.is(401, "Unauthorized");
}

/// Source: DG "Control access to HTTP APIs with AWS Lambda authorizers", "Troubleshooting Lambda authorizers".
#[tokio::test]
async fn a_failing_authorizer_of_a_request_is_an_internal_server_error() {
    for answer in ["fail", "malformed"] {
        guarded("/guarded/1", answer).send().await.is(500, "Internal Server Error");
    }
}

/// Source: DG "Control access to HTTP APIs with AWS Lambda authorizers": the other format, an IAM policy.
#[tokio::test]
async fn a_policy_allows_what_it_names() {
    let event = guarded("/policed/7", "allow").event().await;

    assert_eq!(text(&event, "requestContext.authorizer.lambda.text"), "seven");
    assert_eq!(guarded("/policed/1", "first").send().await.status, 200);
    guarded("/policed/2", "first").send().await.is(403, "Forbidden");
}

/// Source: DG "Control access to HTTP APIs with AWS Lambda authorizers", "Caching authorizer responses": by the
/// identity sources.
#[tokio::test]
async fn an_answer_counts_again_for_the_same_identity() {
    let identity = format!("allow-{}", unique());
    let asked = |event: Value| {
        text(&event, "requestContext.authorizer.lambda.asked.requestContext.requestId").to_owned()
    };

    let first = asked(guarded("/remembered/1", &identity).event().await);
    let second = asked(guarded("/remembered/2", &identity).event().await);
    let other = asked(guarded("/remembered/1", &format!("{identity}x")).event().await);

    assert_eq!(first, second);
    assert_ne!(first, other);
}

/// Source: DG "Control access to HTTP APIs with AWS Lambda authorizers": a time to live of 0 turns that off.
#[tokio::test]
async fn without_a_time_to_live_every_request_is_asked_about() {
    let asked = async || {
        let event = guarded("/guarded/1", "allow").event().await;
        text(&event, "requestContext.authorizer.lambda.asked.requestContext.requestId").to_owned()
    };

    assert_ne!(asked().await, asked().await);
}

/// Source: DG "Control access to HTTP APIs with JWT authorizers in API Gateway".
#[tokio::test]
async fn a_request_without_a_token_is_unauthorized() {
    let answer = request("GET", "/token").send().await;

    answer.is(401, "Unauthorized");
    assert!(answer.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer")), "{answer:?}");
}

/// Source: DG "Control access to HTTP APIs with JWT authorizers in API Gateway"; DG "Troubleshooting issues with
/// HTTP API JWT authorizers": `error="invalid_token"`.
#[tokio::test]
async fn a_text_that_is_no_token_is_unauthorized() {
    let answer = bearing("/token", "Bearer nonsense").send().await;

    answer.is(401, "Unauthorized");
    assert!(
        answer.header("www-authenticate").is_some_and(|value| value.contains("invalid_token")),
        "{answer:?}"
    );
}

/// Source: DG "Control access to HTTP APIs with JWT authorizers in API Gateway": signed by a key of the issuer.
#[tokio::test]
async fn a_token_with_a_broken_signature_is_unauthorized() {
    let token = &Target::get().token;
    let (signed, signature) = token.rsplit_once('.').unwrap();
    // The first character is whole, the last one has spare bits.
    let first = if signature.starts_with('A') { 'B' } else { 'A' };

    bearing("/token", &format!("Bearer {signed}.{first}{}", &signature[1..]))
        .send()
        .await
        .is(401, "Unauthorized");
}

/// Source: DG "Control access to HTTP APIs with JWT authorizers in API Gateway", and its example of an event:
/// claims are texts.
#[tokio::test]
async fn a_good_token_has_its_claims_told_as_texts() {
    for prefix in ["Bearer ", ""] {
        let event = bearing("/token", &format!("{prefix}{}", Target::get().token)).event().await;

        let claims = at(&event, "requestContext.authorizer.jwt.claims");
        assert!(text(claims, "iss").starts_with("http"));
        assert!(text(claims, "exp").parse::<f64>().is_ok(), "{claims}");
    }
}

/// Source: DG "Control access to HTTP APIs with JWT authorizers in API Gateway": one of the route's scopes, else
/// 403.
#[tokio::test]
async fn a_token_without_the_scope_is_forbidden() {
    bearing("/scoped", &Target::get().token).send().await.is(403, "Forbidden");

    let event = bearing("/scoped", &Target::get().scoped_token).event().await;

    assert_eq!(text(&event, "routeKey"), "GET /scoped");
}
