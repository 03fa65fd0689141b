//! Access tokens that no honest client has.

use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::{StreamExt, stream};
use jsonwebtoken::Algorithm;
use reqwest::Method;
use serde_json::{Value, json};
use support::tokens::{self, Forgery};
use support::{Handshake, TestChat, User};

const PROFILE: &str = "/api/v1/auth/profile";

/// What is wrong with each, and the token.
fn hostile(user: &User) -> Vec<(&'static str, String)> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let token = user.access_token.as_str();
    let forge = || Forgery::of(token);
    let without = |claim: &'static str| {
        forge().claims(move |claims| {
            claims.as_object_mut().unwrap().remove(claim);
        })
    };
    let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let unsigned = tokens::unsigned(token);
    let header_without_algorithm = unsigned.split('.').next().unwrap();
    let admin = forge().claims(|claims| claims["role"] = json!("admin")).signed();
    let changed_claims = admin.split('.').nth(1).unwrap();
    vec![
        ("no algorithm", unsigned.clone()),
        (
            "no algorithm, by another spelling",
            forge().header(|h| h["alg"] = json!("nOnE")).with_signature(""),
        ),
        (
            "no algorithm, and the signature of one",
            format!("{header_without_algorithm}.{claims}.{signature}"),
        ),
        ("HS384", forge().header(|h| h["alg"] = json!("HS384")).signed_with(Algorithm::HS384)),
        ("HS512", forge().header(|h| h["alg"] = json!("HS512")).signed_with(Algorithm::HS512)),
        ("said to be RS256", forge().header(|h| h["alg"] = json!("RS256")).signed()),
        ("said to be ES256", forge().header(|h| h["alg"] = json!("ES256")).signed()),
        ("an algorithm there is not", forge().header(|h| h["alg"] = json!("HS1")).signed()),
        ("a foreign key id", forge().header(|h| h["kid"] = json!("another")).signed()),
        ("a path as key id", forge().header(|h| h["kid"] = json!("../../dev/null")).signed()),
        ("no key id", forge().header(|h| drop(h.as_object_mut().unwrap().remove("kid"))).signed()),
        ("a foreign key", tokens::forged(token)),
        (
            "a key of its own in the header",
            forge().header(|h| h["jwk"] = json!({"kty": "oct", "k": "AAAA"})).signed_by(&[0; 3]),
        ),
        ("an empty key", forge().signed_by(b"")),
        ("another type", forge().header(|h| h["typ"] = json!("JWT")).signed()),
        ("no signature", format!("{header}.{claims}.")),
        ("two parts", format!("{header}.{claims}")),
        ("four parts", format!("{token}.{signature}")),
        ("a truncated signature", token[..token.len() - 8].to_owned()),
        ("another's signature", format!("{header}.{changed_claims}.{signature}")),
        ("no end", without("exp").signed()),
        ("no beginning", without("nbf").signed()),
        ("no user", without("sub").signed()),
        ("no session", without("sid").signed()),
        ("no issuer", without("iss").signed()),
        ("no audience", without("aud").signed()),
        ("expired one second ago", forge().claims(move |c| c["exp"] = json!(now - 1)).signed()),
        ("an end that is text", forge().claims(|c| c["exp"] = json!("tomorrow")).signed()),
        ("not yet valid", forge().claims(move |c| c["nbf"] = json!(now + 60)).signed()),
        ("another audience", forge().claims(|c| c["aud"] = json!("another")).signed()),
        ("another issuer", forge().claims(|c| c["iss"] = json!("http://another")).signed()),
        ("a user that is none", forge().claims(|c| c["sub"] = json!("root")).signed()),
        ("claims that are no object", Forgery::of(token).claims(|c| *c = json!([])).signed()),
        ("a refresh token", user.refresh_token.clone()),
        ("nothing", String::new()),
    ]
}

#[tokio::test]
async fn hostile_access_tokens_are_refused_by_every_way_in() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let as_it_is = Forgery::of(&alice.access_token).signed();
    chat.call(Method::GET, PROFILE, Some(&as_it_is), None).await.expect(200);

    let hostile = hostile(&alice);

    assert!(hostile.len() >= 20);
    for (what, token) in hostile {
        for path in [PROFILE, "/api/v1/conversations", "/api/v1/search?q=anything"] {
            let answer = chat.call(Method::GET, path, Some(&token), None).await;
            assert_eq!(answer.status, 401, "{what}: {path}");
            assert!(answer.header("www-authenticate").is_some(), "{what}: {path}");
        }
        for handshake in [Handshake::new().bearer(&token), Handshake::new().token(&token)] {
            assert_eq!(chat.connect(handshake).await.err(), Some(401), "{what}");
        }
    }
}

#[tokio::test]
async fn a_ticket_is_no_access_token() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let ticket = alice.ticket().await;

    chat.call(Method::GET, PROFILE, Some(&ticket), None).await.expect_error(401, "unauthenticated");
}

#[tokio::test]
async fn a_thousand_racing_refreshes_of_one_token_leave_one_session_that_lives_on() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;

    let racing = (0..1000).map(async |_| chat.refresh(&alice.refresh_token).await.expect(200));
    let pairs: Vec<Value> = stream::iter(racing).buffer_unordered(32).collect().await;

    let session = |pair: &Value| tokens::claim(pair["access_token"].as_str().unwrap(), "sid");
    assert!(pairs.iter().all(|pair| session(pair) == tokens::claim(&alice.access_token, "sid")));
    let sessions = alice.get("/api/v1/auth/sessions").await.expect(200);
    assert_eq!(sessions["items"].as_array().unwrap().len(), 1);
    // Whichever answer the client kept.
    for pair in [&pairs[0], &pairs[999]] {
        chat.refresh(pair["refresh_token"].as_str().unwrap()).await.expect(200);
    }
}

#[tokio::test]
async fn a_stolen_refresh_token_that_is_used_later_ends_the_session_and_its_connections() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let mut connection = alice.connect().await;
    let pair = chat.refresh(&alice.refresh_token).await.expect(200);
    // The grace of 10 s has passed.
    let postgres = chat.stack.postgres_connection(None).await;
    let age = "update refresh_tokens set rotated_at = rotated_at - interval '11 s'
               from sessions s where s.id = session_id and s.user_id = $1::text::uuid and rotated_at is not null";
    assert_eq!(postgres.execute(age, &[&alice.id]).await.unwrap(), 1);

    chat.refresh(&alice.refresh_token).await.expect_error(401, "unauthenticated");

    assert_eq!(connection.closed().await, 1000);
    chat.refresh(pair["refresh_token"].as_str().unwrap()).await.expect_error(401, "unauthenticated");
    alice.signed_in_again().await;
}
