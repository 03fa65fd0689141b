//! The key ring in Secrets Manager: it rotates while everybody stays signed in.

use std::{collections::BTreeMap, process::Stdio};

use serde_json::{Value, json};
use support::{
    Handshake, PATIENCE, SECRET, SecretsManager, Settings, Stack, StackOptions, TestChat, tokens::Forgery,
};
use tokio::{process::Command, time::timeout};

/// What checks access tokens.
const CHECKING: [&str; 4] = ["auth", "conversations", "history", "ws-connect"];

/// A key as Secrets Manager draws one for a template: letters and figures.
fn drawn() -> String {
    json!({"kty": "oct", "alg": "HS256", "kid": "drawn", "k": "Q7".repeat(32)}).to_string()
}

/// A chat that takes its keys from there, with one process of each function, which lives as long as the story.
async fn chat_with_keys_of(secrets: &SecretsManager) -> TestChat {
    let variables =
        vec![("JWT_KEYS", SECRET.to_owned()), ("AWS_ENDPOINT_URL_SECRETS_MANAGER", secrets.url.clone())];
    let options =
        StackOptions { variables, concurrency: 1, strict: Some("freeze,shuffle"), ..StackOptions::default() };
    TestChat::alone(options).await
}

async fn step(chat: &TestChat, step: &str, version: &str) -> Result<Value, Value> {
    let event = json!({"Step": step, "SecretId": SECRET, "ClientRequestToken": version});
    chat.stack.try_invoke_with("rotate-keys", event).await
}

/// A rotation, each step of it twice, since Secrets Manager may repeat them.
async fn rotate(chat: &TestChat, secrets: &SecretsManager, version: &str) {
    secrets.begin_rotation(version);
    for name in ["createSecret", "setSecret", "testSecret", "finishSecret"] {
        for _ in 0..2 {
            step(chat, name, version).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}

fn kids(ring: &Value) -> Vec<&str> {
    ring["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap()).collect()
}

fn kid_of(token: &str) -> String {
    jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
}

async fn instances(chat: &TestChat) -> BTreeMap<&'static str, u32> {
    let mut instances = BTreeMap::new();
    for binary in CHECKING {
        let [process] = &chat.stack.processes(binary).await[..] else {
            panic!("not one process of {binary}")
        };
        instances.insert(binary, process.pid);
    }
    instances
}

#[tokio::test]
async fn keys_rotate_while_everybody_stays_signed_in() {
    let secrets = SecretsManager::start(&drawn()).await;
    let chat = chat_with_keys_of(&secrets).await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.start_conversation_with([&bob]).await;
    alice.send(&conversation, "before").await;
    let mut phone =
        bob.connect_by(Handshake::new().bearer(&bob.access_token).conversation(&conversation)).await;
    let before = instances(&chat).await;
    assert_eq!(kid_of(&alice.access_token), "drawn");
    assert_eq!(secrets.times_asked("GetSecretValue"), CHECKING.len(), "each has read it at its start");

    rotate(&chat, &secrets, "second").await;
    assert_eq!(kids(&secrets.current())[0], "drawn", "the new key is only announced");
    rotate(&chat, &secrets, "third").await;

    let ring = secrets.current();
    assert_eq!(kids(&ring)[2..], ["drawn"]);
    assert_eq!(secrets.times_asked("PutSecretValue"), 2);
    alice.send(&conversation, "by the key before").await;
    assert_eq!(phone.next_message().await.content, "by the key before");
    let asked = secrets.times_asked("GetSecretValue");

    // An instance that starts now signs by the new key, of which the others have not heard.
    Stack::kill(&chat.stack.processes("auth").await[0]);
    let again = alice.signed_in_again().await;
    assert_eq!(kid_of(&again.access_token), kids(&ring)[0]);
    again.send(&conversation, "by the new key").await;
    assert_eq!(phone.next_message().await.content, "by the new key");
    again.list_conversations().await;
    let mut own = again.connect_by(Handshake::new().bearer(&again.access_token)).await;
    own.send(&conversation, "over a connection").await;
    assert_eq!(phone.next_message().await.content, "over a connection");
    let asked = secrets.times_asked("GetSecretValue") - asked;
    let after = instances(&chat).await;
    assert_eq!(asked, CHECKING.len(), "the one that started, and each other once");
    for binary in &CHECKING[1..] {
        assert_eq!(after[binary], before[binary], "{binary} started with the ring before");
    }

    for version in ["fourth", "fifth"] {
        rotate(&chat, &secrets, version).await;
    }
    let ring = secrets.current();
    assert_eq!(ring["keys"].as_array().unwrap().len(), 3);
    assert!(!kids(&ring).contains(&"drawn"));
    again.list_conversations().await;
    let told = format!("{:?}", chat.stack.lines());
    for key in ring["keys"].as_array().unwrap() {
        assert!(!told.contains(key["k"].as_str().unwrap()), "a key stands in a log");
    }
}

#[tokio::test]
async fn a_step_out_of_turn_and_a_ring_that_is_none_are_refused() {
    let secrets = SecretsManager::start(&drawn()).await;
    let chat = chat_with_keys_of(&secrets).await;
    let refused = async |name: &str, version: &str, reason: &str| {
        let error = step(&chat, name, version).await.unwrap_err();
        assert!(error["errorMessage"].as_str().unwrap().contains(reason), "{error}");
    };

    refused("createSecret", "second", "has no version").await;
    secrets.begin_rotation("second");
    refused("testSecret", "second", "holds nothing yet").await;
    step(&chat, "createSecret", "second").await.unwrap();
    secrets.begin_rotation("third");
    refused("finishSecret", "second", "is not the pending one").await;
    let spoilt = SecretsManager::start(&json!({"keys": [{"kty": "oct"}]}).to_string()).await;
    let of_spoilt = vec![("AWS_ENDPOINT_URL_SECRETS_MANAGER", spoilt.url.clone())];
    let chat = TestChat::alone(StackOptions { variables: of_spoilt, ..StackOptions::default() }).await;
    spoilt.begin_rotation("second");
    step(&chat, "createSecret", "second").await.unwrap();
    let error = step(&chat, "testSecret", "second").await.unwrap_err();
    assert!(error["errorMessage"].as_str().unwrap().contains("is no key ring"), "{error}");
    assert_eq!(spoilt.current(), json!({"keys": [{"kty": "oct"}]}), "the ring is as it was");
}

#[tokio::test]
async fn whoever_runs_goes_on_with_its_keys_while_secrets_manager_fails() {
    let secrets = SecretsManager::start(&drawn()).await;
    let chat = chat_with_keys_of(&secrets).await;
    let alice = chat.user("alice").await;

    secrets.fail(true);
    let unknown = Forgery::of(&alice.access_token).header(|header| header["kid"] = json!("unknown"));
    let unknown = unknown.signed_by(b"a key that is not in the ring, but long enough");
    let refused = chat.call(reqwest::Method::GET, "/api/v1/auth/profile", Some(&unknown), None).await;

    refused.expect_error(401, "unauthenticated");
    alice.profile().await;
    let line = chat.stack.line("AuthFunction", |line| {
        line["message"]
            .as_str()
            .is_some_and(|message| message.starts_with("the key ring cannot be read anew"))
    });
    assert!(line.await["cause"].as_str().unwrap().contains("AccessDenied"));
}

#[tokio::test]
async fn a_function_without_a_key_ring_does_not_start_and_says_which_setting_is_wrong() {
    let secrets = SecretsManager::start("no ring, but a secret").await;
    let settings = Settings::get();
    let start = async |variables: &[(&str, &str)]| {
        let mut command = Command::new(settings.bin_dir.join("conversations"));
        command.env_clear().envs(variables.iter().copied()).stdin(Stdio::null()).kill_on_drop(true);
        for (name, value) in [
            ("DATABASE_URL", settings.postgres_url.as_str()),
            ("REDIS_URL", settings.redis_url.as_str()),
            ("PUBLIC_URL", "http://localhost"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", &secrets.url),
            ("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", "http://localhost"),
            ("FAN_OUT_FUNCTION", "fan-out"),
        ] {
            command.env(name, value);
        }
        let ended = timeout(PATIENCE, command.output()).await.expect("it ends by itself").unwrap();
        assert!(!ended.status.success());
        String::from_utf8_lossy(&ended.stdout).into_owned() + &String::from_utf8_lossy(&ended.stderr)
    };

    let none = start(&[]).await;
    assert!(none.contains("JWT_KEYS is missing"), "{none}");
    let wrong = start(&[("JWT_KEYS", "{}")]).await;
    assert!(wrong.contains("JWT_KEYS"), "{wrong}");
    let other = start(&[("JWT_KEYS", "arn:another")]).await;
    assert!(other.contains("JWT_KEYS") && other.contains("the secret arn:another cannot be read"), "{other}");
    let spoilt = start(&[("JWT_KEYS", SECRET)]).await;
    assert!(spoilt.contains("neither a JWK set nor a JWK") && !spoilt.contains("a secret"), "{spoilt}");
}
