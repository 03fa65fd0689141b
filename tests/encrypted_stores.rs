//! Over stores with TLS: the same chat, its functions sure whom they talk to, and let in by passwords or by tokens of IAM.

use std::{fs, time::Duration};

use futures_util::future;
use reqwest::Url;
use serde_json::{Value, json};
use support::{
    Authority, Behind, Door, EncryptedPostgres, Handshake, Login, PATIENCE, RedisCluster, StackOptions,
    TestChat, redis_users,
};
use tokio::time::{Instant, sleep};

/// The function that looks after the stores' health.
const OPS: &str = "OpsFunction";
/// Of the cache that the tokens are for.
const CACHE: &str = "chat-cache";

/// What people do all day.
async fn talk(chat: &TestChat) {
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let ticket = bob.ticket().await;
    let mut phone = bob.connect_by(Handshake::new().ticket(&ticket)).await;
    phone.subscribe(&conversation).await;

    let sent = alice.send(&conversation, "hello").await;

    assert_eq!(phone.next_message().await, sent);
    assert_eq!(bob.history(&conversation).await, std::slice::from_ref(&sent));
    assert_eq!(phone.ping().await["heads"][&conversation.id], sent.seq);
    phone.close().await;
}

async fn health(chat: &TestChat) -> Value {
    let answer = chat.get("/healthz").await;
    let status = answer.status;
    answer.expect(status)["checks"].clone()
}

async fn until_healthy(chat: &TestChat) {
    let deadline = Instant::now() + PATIENCE;
    while health(chat).await != json!({"postgres": true, "redis": true}) {
        assert!(Instant::now() < deadline, "not healthy within {PATIENCE:?}");
    }
}

/// Both stores have TLS, and are certified by one authority each.
async fn chat_over(cluster: &RedisCluster, certified_by: &Authority, login: Login) -> TestChat {
    let postgres = EncryptedPostgres::shared().await;
    let mut variables = vec![("DATABASE_CA", postgres.authority.file()), ("REDIS_CA", certified_by.file())];
    if login == Login::Token {
        variables.push(("REDIS_IAM_CACHE", CACHE.to_owned()));
    }
    TestChat::alone(StackOptions {
        postgres: Some(postgres.url("localhost", "require")),
        redis_cluster: Some(cluster.url_with_tls(login)),
        variables,
        ..StackOptions::default()
    })
    .await
}

#[tokio::test]
async fn a_chat_over_stores_with_tls_works_for_functions_of_few_rights() {
    let authority = Authority::new();
    let cluster = RedisCluster::start_with_tls(&authority).await;
    for login in [Login::Password, Login::Token] {
        let chat = chat_over(&cluster, &authority, login).await;

        talk(&chat).await;

        assert_eq!(health(&chat).await, json!({"postgres": true, "redis": true}), "by {login:?}");
    }
}

#[tokio::test]
async fn a_node_of_a_cluster_that_shows_another_hosts_certificate_is_told_nothing() {
    let authority = Authority::new();
    let cluster = RedisCluster::start_with_tls(&authority).await;
    let chat = chat_over(&cluster, &authority, Login::Password).await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let (mut there, mut elsewhere) = (None, None);
    while there.is_none() || elsewhere.is_none() {
        let conversation = alice.start_conversation_with([&bob]).await;
        alice.send(&conversation, "first").await;
        let home = cluster.server_with(&format!("conversation:{}", conversation.id)).await;
        *(if home == Some(2) { &mut there } else { &mut elsewhere }) = Some(conversation);
    }
    let (there, elsewhere) = (there.unwrap(), elsewhere.unwrap());
    assert_eq!(health(&chat).await, json!({"postgres": true, "redis": true}));

    cluster.show(2, &authority.certify("other.example")).await;
    let not_believed = |line: &Value| cause_of(line).contains("certificate not valid for name \"localhost\"");
    let deadline = Instant::now() + PATIENCE;
    while !chat.stack.lines_of(OPS).iter().any(not_believed) {
        health(&chat).await;
        assert!(Instant::now() < deadline, "{:#?}", chat.stack.lines_of(OPS));
    }
    assert_eq!(health(&chat).await["redis"], false);

    let message = json!({"content": "hello", "client_id": "1"});
    alice.post_message(&there, message.clone()).await.expect_error(503, "unavailable");
    alice.post_message(&elsewhere, message).await.expect(201);
}

fn cause_of(line: &Value) -> &str {
    line["cause"].as_str().unwrap_or_default()
}

/// Of a stack whose functions are told to believe the authority in a file, which store is not believed, and why.
struct Refused {
    what: &'static str,
    options: StackOptions,
    store: &'static str,
    setting: &'static str,
    cause: &'static str,
}

impl Refused {
    async fn check(self) {
        let chat = TestChat::alone(StackOptions { concurrency: 1, ..self.options }).await;

        let names_it =
            |line: &Value| line["message"].as_str().is_some_and(|text| text.contains(self.setting));
        let says_why = |line: &Value| cause_of(line).contains(self.cause);
        let deadline = Instant::now() + PATIENCE;
        loop {
            // What takes too long on a busy machine says only that; then it is asked again.
            assert_eq!(health(&chat).await[self.store], false, "{}", self.what);
            let lines = chat.stack.lines_of(OPS);
            if lines.iter().any(names_it) && lines.iter().any(says_why) {
                break;
            }
            assert!(Instant::now() < deadline, "{}: {lines:#?}", self.what);
        }
    }
}

fn at_postgres(what: &'static str, url: Url, authority: String, cause: &'static str) -> Refused {
    Refused {
        what,
        options: StackOptions {
            postgres: Some(url),
            variables: vec![("DATABASE_CA", authority)],
            ..StackOptions::default()
        },
        store: "postgres",
        setting: "DATABASE_URL",
        cause,
    }
}

fn at_redis(what: &'static str, url: Url, authority: String, cause: &'static str) -> Refused {
    Refused {
        what,
        options: StackOptions {
            redis: Some(url),
            variables: vec![("REDIS_CA", authority)],
            ..StackOptions::default()
        },
        store: "redis",
        setting: "REDIS_URL",
        cause,
    }
}

#[tokio::test]
async fn a_postgres_that_is_not_to_be_believed_is_refused_and_the_cause_logged() {
    let postgres = EncryptedPostgres::shared().await;
    let known = postgres.authority.file();
    let old = postgres.authority.certify_until_2020("localhost");
    let expired = Door::to(Behind::Postgres(postgres.password.clone()), &old).await;
    let plain = Door::to(Behind::PostgresWithoutTls, &old).await;
    let at_door = EncryptedPostgres::url_at_door;

    future::join_all(
        [
            at_postgres(
                "an authority that nobody named",
                postgres.url("localhost", "require"),
                Authority::new().file(),
                "invalid peer certificate: UnknownIssuer",
            ),
            at_postgres(
                "an authority that is none of the public ones",
                postgres.url("localhost", "require"),
                "public".to_owned(),
                "invalid peer certificate: UnknownIssuer",
            ),
            at_postgres(
                "an authority that is none of RDS",
                postgres.url("localhost", "require"),
                "rds".to_owned(),
                "invalid peer certificate: UnknownIssuer",
            ),
            at_postgres(
                "a certificate for another host",
                postgres.url("127.0.0.1", "require"),
                known.clone(),
                "certificate not valid for name \"127.0.0.1\"",
            ),
            at_postgres(
                "a certificate of the past",
                at_door(expired.port),
                known.clone(),
                "invalid peer certificate: certificate expired",
            ),
            at_postgres(
                "a server without TLS",
                at_door(plain.port),
                known.clone(),
                "server does not support TLS",
            ),
            at_postgres(
                "a function without TLS, where the server demands it",
                postgres.url("localhost", "disable"),
                "public".to_owned(),
                "pg_hba.conf rejects connection",
            ),
        ]
        .map(Refused::check),
    )
    .await;

    assert_eq!(expired.told(), [""; 0], "no password is told to whoever is not believed");
}

#[tokio::test]
async fn a_redis_that_is_not_to_be_believed_is_refused_and_the_cause_logged() {
    let authority = Authority::new();
    let good = Door::to(Behind::Redis, &authority.certify("localhost")).await;
    let elsewhere = Door::to(Behind::Redis, &authority.certify("other.example")).await;
    let expired = Door::to(Behind::Redis, &authority.certify_until_2020("localhost")).await;
    let at_door = redis_users::url_at_door;

    future::join_all(
        [
            at_redis(
                "an authority that nobody named",
                at_door(good.port).await,
                Authority::new().file(),
                "invalid peer certificate: UnknownIssuer",
            ),
            at_redis(
                "an authority that is none of the public ones",
                at_door(good.port).await,
                "public".to_owned(),
                "invalid peer certificate: UnknownIssuer",
            ),
            at_redis(
                "a certificate for another host",
                at_door(elsewhere.port).await,
                authority.file(),
                "certificate not valid for name \"localhost\"",
            ),
            at_redis(
                "a certificate of the past",
                at_door(expired.port).await,
                authority.file(),
                "invalid peer certificate: certificate expired",
            ),
        ]
        .map(Refused::check),
    )
    .await;

    for door in [good, elsewhere, expired] {
        assert_eq!(door.told(), [""; 0], "no password is told to whoever is not believed");
    }
}

/// Two stores behind doors, and a chat whose functions sign in there by tokens.
struct ByTokens {
    chat: TestChat,
    postgres: Door,
    redis: Door,
}

impl ByTokens {
    async fn start() -> Self {
        let (authority, password) = (Authority::new(), &EncryptedPostgres::shared().await.password);
        let certified = authority.certify("localhost");
        let postgres = Door::to(Behind::Postgres(password.clone()), &certified).await;
        let redis = Door::to(Behind::Redis, &certified).await;
        let chat = TestChat::alone(StackOptions {
            postgres: Some(EncryptedPostgres::url_at_door(postgres.port)),
            redis: Some(redis_users::url_at_door(redis.port).await),
            variables: vec![
                ("DATABASE_CA", authority.file()),
                ("DATABASE_IAM", "true".to_owned()),
                ("REDIS_CA", authority.file()),
                ("REDIS_IAM_CACHE", CACHE.to_owned()),
            ],
            concurrency: 1,
            ..StackOptions::default()
        })
        .await;
        Self { chat, postgres, redis }
    }

    /// The moments that the tokens were signed at which were told so far, at Postgres and at Redis.
    fn signed(&self) -> [Vec<String>; 2] {
        let at_postgres = format!("localhost:{}/?Action=connect&DBUser=by_token&", self.postgres.port);
        let at_redis = format!("{CACHE}/?Action=connect&ResourceType=ServerlessCache&User=by_token&");
        [signed(self.postgres.told(), &at_postgres), signed(self.redis.told(), &at_redis)]
    }

    /// No log has anything of a token.
    fn logs_have_no_token(&self) {
        let mut read = 0;
        for file in fs::read_dir(self.chat.stack.logs()).unwrap() {
            let path = file.unwrap().path();
            let log = fs::read(&path).unwrap();
            let log = String::from_utf8_lossy(&log);
            assert!(!log.contains("X-Amz-Signature"), "{}", path.display());
            read += log.len();
        }
        assert!(read > 0, "there are logs");
    }
}

/// When each of these tokens, which begin so, was signed.
fn signed(tokens: Vec<String>, beginning: &str) -> Vec<String> {
    let signed = |token: String| {
        let rest = token.strip_prefix(beginning).unwrap_or_else(|| panic!("{token} is no {beginning}"));
        let values = |name: &str| rest.split('&').find_map(|one| one.strip_prefix(name).map(str::to_owned));
        assert_eq!(values("X-Amz-Expires=").as_deref(), Some("900"), "{token}");
        assert_eq!(values("X-Amz-Security-Token=").as_deref(), Some("local"), "{token}");
        assert_eq!(values("X-Amz-Signature=").map(|hex| hex.len()), Some(64), "{token}");
        values("X-Amz-Date=").unwrap_or_else(|| panic!("{token}"))
    };
    tokens.into_iter().map(signed).collect()
}

#[tokio::test]
async fn functions_sign_in_at_both_stores_by_a_token_of_the_moment_for_each_connection() {
    let scene = ByTokens::start().await;
    talk(&scene.chat).await;
    until_healthy(&scene.chat).await;
    let before = scene.signed();
    let latest = before.clone().map(|moments| moments.into_iter().max().expect("somebody signed in"));

    // Tokens are dated by the second: only one of a later second is another one.
    let deadline = Instant::now() + PATIENCE;
    let after = loop {
        scene.postgres.hang_up();
        scene.redis.hang_up();
        until_healthy(&scene.chat).await;
        let now = scene.signed();
        let later = |store: usize| now[store].last().is_some_and(|moment| *moment > latest[store]);
        if later(0) && later(1) {
            break now;
        }
        assert!(Instant::now() < deadline, "signed at {now:?}");
        sleep(Duration::from_millis(50)).await;
    };

    for (before, after) in before.iter().zip(&after) {
        assert!(after.len() > before.len(), "{after:?}");
    }
    scene.logs_have_no_token();
}

#[tokio::test]
async fn a_token_that_is_refused_is_in_no_log() {
    let scene = ByTokens::start().await;
    until_healthy(&scene.chat).await;

    scene.postgres.close();
    let deadline = Instant::now() + PATIENCE;
    let says_so = |line: &Value| cause_of(line).contains("password authentication failed");
    while !scene.chat.stack.lines_of(OPS).iter().any(says_so) {
        assert_eq!(health(&scene.chat).await["postgres"], false);
        assert!(Instant::now() < deadline, "it was not refused within {PATIENCE:?}");
    }

    scene.logs_have_no_token();
}

#[tokio::test]
async fn a_function_told_of_authorities_that_are_nowhere_says_so_when_it_starts() {
    for (setting, url) in [
        (
            "DATABASE_CA",
            StackOptions {
                postgres: Some(EncryptedPostgres::shared().await.url("localhost", "require")),
                ..StackOptions::default()
            },
        ),
        (
            "REDIS_CA",
            StackOptions { redis: Some(redis_users::url_at_door(1).await), ..StackOptions::default() },
        ),
    ] {
        let variables = vec![(setting, "/there/is/none.pem".to_owned())];
        let chat = TestChat::alone(StackOptions { variables, ..url }).await;

        assert!(chat.get("/healthz").await.status >= 500);

        let deadline = Instant::now() + PATIENCE;
        loop {
            let files = fs::read_dir(chat.stack.logs()).unwrap();
            let logs = files.map(|file| fs::read(file.unwrap().path()).unwrap());
            let logs: Vec<_> = logs.map(|log| String::from_utf8_lossy(&log).into_owned()).collect();
            let says_it = |log: &String| log.contains(setting) && log.contains("/there/is/none.pem");
            if logs.iter().any(says_it) {
                break;
            }
            assert!(Instant::now() < deadline, "{logs:?}");
            sleep(Duration::from_millis(20)).await;
        }
    }
}
