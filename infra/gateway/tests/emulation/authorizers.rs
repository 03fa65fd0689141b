//! Authorizers of the HTTP API and of the WebSocket API.

use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::{SinkExt, StreamExt};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::{Response, Url};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::issuer::{Issuer, SigningKey};
use crate::support::{EMULATION, Gateway, PATIENCE, Project};

const TEMPLATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/emulation/authorizers.yaml");

fn start(issuer: &str) -> Gateway {
    Gateway::of(
        &Project { template: TEMPLATE, overrides: &[("Dir", "*"), ("Issuer", issuer)], ..EMULATION },
        &[],
    )
}

/// A gateway whose issuer nobody asks.
fn without_issuer() -> Gateway {
    start("http://127.0.0.1:1")
}

async fn get(gateway: &Gateway, path: &str, header: Option<(&str, &str)>) -> Response {
    let request = gateway.http.get(format!("{}{path}", gateway.url));
    header
        .into_iter()
        .fold(request, |request, (name, value)| request.header(name, value))
        .send()
        .await
        .unwrap()
}

/// Status, challenge and message of an answer.
async fn refusal(response: Response) -> (u16, String, String) {
    let status = response.status().as_u16();
    let challenge = response.headers().get("www-authenticate").map(|it| it.to_str().unwrap().to_owned());
    assert!(response.headers().contains_key("apigw-requestid"));
    let body: Value = response.json().await.unwrap();
    (status, challenge.unwrap_or_default(), body["message"].as_str().unwrap().to_owned())
}

/// What the functions of a name were given.
fn events_of(gateway: &Gateway, function: &str) -> Vec<Value> {
    gateway.given().into_iter().filter(|given| given.function == function).map(|given| given.event).collect()
}

/// A policy as the authorizer's function is to return it.
fn policy(effect: &str, resource: &str, context: &Value) -> Value {
    json!({
        "principalId": "ann",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}],
        },
        "context": context,
    })
}

#[tokio::test]
async fn a_good_token_passes_and_its_claims_are_in_the_event() {
    let issuer = Issuer::start().await;
    let gateway = start(&issuer.url);
    let token = issuer.token(&json!({"level": 3, "admin": true, "groups": ["a", "b"]}));

    for given in [format!("Bearer {token}"), token] {
        assert_eq!(get(&gateway, "/token", Some(("authorization", &given))).await.status(), 200);
    }

    let events = events_of(&gateway, "Probe");
    let jwt = &events[1]["requestContext"]["authorizer"]["jwt"];
    assert_eq!(events.len(), 2);
    assert_eq!(jwt["scopes"], Value::Null);
    let claims = &jwt["claims"];
    assert_eq!((&claims["sub"], &claims["aud"]), (&json!("ann"), &json!("app")));
    assert_eq!((&claims["level"], &claims["admin"]), (&json!("3"), &json!("true")));
    assert_eq!(claims["groups"], "[a b]");
    assert_eq!(events[0]["stageVariables"], json!({"tenant": "acme"}));
    assert_eq!(issuer.fetches(), 1);
}

#[tokio::test]
async fn a_token_that_is_not_good_is_refused_and_told_why() {
    let issuer = Issuer::start().await;
    let gateway = start(&issuer.url);
    let claims = issuer.claims(&json!({}));
    let symmetric = EncodingKey::from_secret(b"secret");
    let header = Header { kid: Some("first".to_owned()), ..Header::new(Algorithm::HS256) };
    let tampered = {
        let token = issuer.token(&json!({}));
        let other = issuer.token(&json!({"sub": "bob"}));
        let (mut parts, other): (Vec<_>, Vec<_>) = (token.split('.').collect(), other.split('.').collect());
        parts[1] = other[1];
        parts.join(".")
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();

    for (token, reason) in [
        ("nonsense".to_owned(), "malformed"),
        (jsonwebtoken::encode(&header, &claims, &symmetric).unwrap(), "RSA-based"),
        (SigningKey::new("unknown").sign(Algorithm::RS256, &claims), "not among"),
        (SigningKey::new("first").sign(Algorithm::RS256, &claims), "signature"),
        (tampered, "signature"),
        (issuer.token(&json!({"aud": "other"})), "the token does not have a valid audience"),
        (issuer.token(&json!({"iss": "https://other.example.com"})), "issuer"),
        (issuer.token(&json!({"exp": now - 1})), "the token has expired"),
        (issuer.token(&json!({"nbf": now + 60})), "not valid yet"),
    ] {
        let refused = get(&gateway, "/token", Some(("authorization", &format!("Bearer {token}")))).await;

        let (status, challenge, message) = refusal(refused).await;
        assert_eq!((status, message.as_str()), (401, "Unauthorized"));
        let expected = r#"Bearer scope="" error="invalid_token" error_description=""#;
        assert!(challenge.starts_with(expected) && challenge.contains(reason), "{challenge}");
    }
    let (status, challenge, _) = refusal(get(&gateway, "/token", None).await).await;
    assert_eq!((status, challenge.as_str()), (401, "Bearer"));
    assert_eq!(gateway.given().len(), 0);
}

#[tokio::test]
async fn every_algorithm_of_rsa_passes_and_no_curve() {
    let issuer = Issuer::start().await;
    let gateway = start(&issuer.url);
    let pass = async |token: String| get(&gateway, "/token", Some(("authorization", &token))).await;

    for algorithm in [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512] {
        let token = issuer.key.sign(algorithm, &issuer.claims(&json!({})));
        assert_eq!(pass(token).await.status(), 200, "{algorithm:?}");
    }
    let token = issuer.token(&json!({}));
    let (_, rest) = token.split_once('.').unwrap();
    // {"alg":"ES256","kid":"first"}
    let (status, challenge, _) =
        refusal(pass(format!("eyJhbGciOiJFUzI1NiIsImtpZCI6ImZpcnN0In0.{rest}")).await).await;

    assert_eq!(status, 401);
    assert!(challenge.contains("RSA-based"), "{challenge}");
}

#[tokio::test]
async fn a_route_with_scopes_needs_one_of_them() {
    let issuer = Issuer::start().await;
    let gateway = start(&issuer.url);
    let with_scope = async |scope: &str| {
        get(&gateway, "/scoped", Some(("authorization", &issuer.token(&json!({"scope": scope}))))).await
    };

    assert_eq!(with_scope("read write").await.status(), 200);
    let (status, challenge, message) = refusal(with_scope("read").await).await;

    assert_eq!((status, message.as_str()), (403, "Forbidden"));
    assert!(challenge.contains(r#"scope="write admin" error="insufficient_scope""#), "{challenge}");
    let events = events_of(&gateway, "Probe");
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["requestContext"]["authorizer"]["jwt"]["scopes"], json!(["write"]));
}

#[tokio::test]
async fn a_key_that_the_issuer_publishes_later_is_found() {
    let mut issuer = Issuer::start().await;
    let gateway = start(&issuer.url);
    let old = issuer.token(&json!({}));
    assert_eq!(get(&gateway, "/token", Some(("authorization", &old))).await.status(), 200);

    issuer.rotate("second");

    let token = issuer.token(&json!({}));
    crate::support::until("the new key is known", async || {
        get(&gateway, "/token", Some(("authorization", &token))).await.status() == 200
    })
    .await;
    assert_eq!(get(&gateway, "/token", Some(("authorization", &old))).await.status(), 401);
}

#[tokio::test]
async fn an_issuer_that_does_not_answer_lets_nobody_pass_and_is_told_to_the_operator() {
    let issuer = Issuer::start().await;
    let gateway = without_issuer();

    let token = issuer.token(&json!({}));
    let (status, challenge, _) =
        refusal(get(&gateway, "/token", Some(("authorization", &token))).await).await;

    assert_eq!(status, 401);
    assert!(challenge.contains("OIDC discovery endpoint communication error"), "{challenge}");
    crate::support::until("the operator is told", async || {
        let stderr = gateway.stderr();
        stderr.contains("authorizer Tokens: OIDC discovery") && !stderr.contains(&token)
    })
    .await;
}

#[tokio::test]
async fn a_route_without_authorizer_and_preflights_need_nothing() {
    let gateway = without_issuer();

    assert_eq!(get(&gateway, "/open", None).await.status(), 200);
    let preflight = gateway
        .http
        .request(reqwest::Method::OPTIONS, format!("{}/token", gateway.url))
        .header("origin", "https://app.example.com")
        .header("access-control-request-method", "GET");

    assert_eq!(preflight.send().await.unwrap().status(), 204);
    assert!(events_of(&gateway, "Probe")[0]["requestContext"].get("authorizer").is_none());
    let refused =
        gateway.http.get(format!("{}/token", gateway.url)).header("origin", "https://app.example.com");
    let refused = refused.send().await.unwrap();
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.headers()["access-control-allow-origin"], "https://app.example.com");
}

#[tokio::test]
async fn a_function_says_yes_with_a_context_no_or_nothing_usable() {
    let gateway = without_issuer();
    let ask = async |answer: &Value| {
        get(&gateway, "/simple/a%20b?q=1", Some(("x-answer", &answer.to_string()))).await
    };
    let context = json!({"who": "ann", "level": 3, "rooms": ["a"]});

    assert_eq!(ask(&json!({"isAuthorized": true, "context": context})).await.status(), 200);
    for (answer, status, message) in [
        (json!({"isAuthorized": false}), 403, "Forbidden"),
        (json!({"isAuthorized": "yes"}), 500, "Internal Server Error"),
        (policy("Allow", "*", &json!({})), 500, "Internal Server Error"),
        (json!({"raise": "broken"}), 500, "Internal Server Error"),
        (json!({"raise": "Unauthorized"}), 500, "Internal Server Error"),
    ] {
        let refused = refusal(ask(&answer).await).await;
        assert_eq!((refused.0, refused.2.as_str()), (status, message), "{answer}");
    }

    let events = events_of(&gateway, "Probe");
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["requestContext"]["authorizer"], json!({"lambda": context}));
    let asked = &events_of(&gateway, "Guard")[0];
    assert_eq!(asked["routeArn"], "arn:aws:execute-api:us-east-1:123456789012:api/$default/GET/simple/a%20b");
    assert_eq!((&asked["type"], &asked["version"]), (&json!("REQUEST"), &json!("2.0")));
    assert_eq!(asked["identitySource"][1], "acme");
    assert_eq!(asked["pathParameters"], json!({"item": "a b"}));
    assert_eq!(asked["queryStringParameters"], json!({"q": "1"}));
    assert_eq!(asked["requestContext"]["http"]["method"], "GET");
}

#[tokio::test]
async fn without_its_identity_sources_a_request_is_refused_and_no_function_asked() {
    let gateway = without_issuer();

    for header in [None, Some(("x-answer", ""))] {
        let (status, _, message) = refusal(get(&gateway, "/simple/a", header).await).await;
        assert_eq!((status, message.as_str()), (401, "Unauthorized"));
    }

    assert_eq!(gateway.given().len(), 0);
}

#[tokio::test]
async fn a_cached_policy_is_asked_for_once_and_held_against_each_route() {
    let gateway = without_issuer();
    let only_a = policy("Allow", "arn:aws:execute-api:*:*:api/$default/GET/cached/a", &json!({})).to_string();
    let all = policy("Allow", "*", &json!({"who": "ann"})).to_string();
    let status =
        async |path: &str, answer: &str| get(&gateway, path, Some(("x-answer", answer))).await.status();

    assert_eq!(status("/cached/a", &only_a).await, 200);
    assert_eq!(status("/cached/b", &only_a).await, 403);
    assert_eq!(status("/cached/a", &only_a).await, 200);
    assert_eq!(events_of(&gateway, "Guard").len(), 1);
    assert_eq!(status("/cached/b", &all).await, 200);

    assert_eq!(events_of(&gateway, "Guard").len(), 2);
    let last = events_of(&gateway, "Probe").pop().unwrap();
    assert_eq!(last["requestContext"]["authorizer"]["lambda"], json!({"who": "ann"}));
}

#[tokio::test]
async fn what_is_not_cached_is_asked_each_time() {
    let gateway = without_issuer();

    for _ in 0..2 {
        let failed = get(&gateway, "/cached/a", Some(("x-answer", r#"{"raise": "broken"}"#))).await;
        assert_eq!(failed.status(), 500);
        let yes = get(&gateway, "/simple/a", Some(("x-answer", r#"{"isAuthorized": true}"#))).await;
        assert_eq!(yes.status(), 200);
    }

    assert_eq!(events_of(&gateway, "Guard").len(), 4);
}

/// The URL of a handshake whose authorizer is to give an answer.
fn handshake(gateway: &Gateway, answer: Option<&Value>) -> String {
    let mut url = Url::parse(&gateway.websocket_url).unwrap();
    if let Some(answer) = answer {
        url.query_pairs_mut().append_pair("answer", &answer.to_string());
    }
    url.into()
}

#[tokio::test]
async fn an_authorizers_context_is_in_every_event_of_the_connection() {
    let gateway = without_issuer();
    let answer = policy("Allow", "{arn}", &json!({"level": 3, "admin": true, "name": "Ann"}));

    let (mut socket, _) = tokio_tungstenite::connect_async(handshake(&gateway, Some(&answer))).await.unwrap();
    socket.send(Message::text("{}")).await.unwrap();
    timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
    socket.close(None).await.unwrap();

    let of_disconnect = |event: &Value| event["requestContext"]["routeKey"] == "$disconnect";
    gateway.given_when(|given| given.iter().any(|given| of_disconnect(&given.event))).await;
    let events = events_of(&gateway, "Probe");
    assert_eq!(events.len(), 3);
    for event in events {
        let authorizer = &event["requestContext"]["authorizer"];
        assert_eq!(authorizer["principalId"], "ann");
        assert_eq!((&authorizer["level"], &authorizer["admin"]), (&json!("3"), &json!("true")));
        assert_eq!(authorizer["name"], "Ann");
        assert!(authorizer["integrationLatency"].is_u64());
    }
    let asked = &events_of(&gateway, "Guard")[0];
    assert_eq!(asked["methodArn"], "arn:aws:execute-api:us-east-1:123456789012:ws/ws/$connect");
    assert_eq!(asked["headers"]["Upgrade"], "websocket");
    let connected = &events_of(&gateway, "Probe")[0];
    assert!(connected["headers"].get("Upgrade").is_none());
    assert_eq!(asked["requestContext"]["connectionId"], connected["requestContext"]["connectionId"]);
}

#[tokio::test]
async fn a_refused_handshake_has_the_status_of_its_reason_and_reaches_no_route() {
    let gateway = without_issuer();

    for (answer, expected) in [
        (Some(policy("Deny", "*", &json!({}))), 403),
        (Some(policy("Allow", "arn:aws:execute-api:*:*:ws/ws/GET/*", &json!({}))), 403),
        (Some(json!({"raise": "Unauthorized"})), 401),
        (Some(json!({"raise": "broken"})), 500),
        (Some(json!({"isAuthorized": true})), 500),
        (Some(policy("Allow", "*", &json!({"rooms": ["a"]}))), 500),
        (None, 401),
    ] {
        let refused = tokio_tungstenite::connect_async(handshake(&gateway, answer.as_ref())).await;

        let Err(Error::Http(response)) = refused else { panic!("{answer:?}: {refused:?}") };
        assert_eq!(response.status().as_u16(), expected, "{answer:?}");
    }

    assert_eq!(events_of(&gateway, "Guard").len(), 6);
    assert_eq!(events_of(&gateway, "Probe").len(), 0);
}
