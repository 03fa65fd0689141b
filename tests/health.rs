//! `/healthz`: whether the stores answer, told quickly also when they do not.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use support::{
    PATIENCE, Settings, StackOptions, TestChat,
    proxy::{Proxy, Seeming},
};

/// Within what the answer is there, whatever a store does.
const LIMIT: Duration = Duration::from_secs(2);

/// A chat whose stores seem to be as the story says.
struct Scene {
    chat: TestChat,
    postgres: Proxy,
    redis: Proxy,
}

impl Scene {
    async fn start() -> Self {
        let settings = Settings::get();
        let postgres = Proxy::start(&settings.postgres_url).await;
        let redis = Proxy::start(&settings.redis_url).await;
        let options = StackOptions {
            concurrency: 1,
            postgres_through: Some(postgres.address),
            redis_through: Some(redis.address),
            ..StackOptions::default()
        };
        Self { chat: TestChat::alone(options).await, postgres, redis }
    }

    /// What is answered, in time.
    async fn health(&self) -> (u16, Value) {
        let asked = Instant::now();
        let answer = self.chat.get("/healthz").await;
        let took = asked.elapsed();
        assert!(took < LIMIT, "answered after {took:?}: {}", answer.body);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let status = answer.status;
        (status, answer.expect(status))
    }

    async fn until_healthy(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.health().await != healthy() {
            assert!(Instant::now() < deadline, "not healthy again within {PATIENCE:?}");
        }
    }
}

fn healthy() -> (u16, Value) {
    (200, json!({"status": "healthy", "checks": {"postgres": true, "redis": true}}))
}

fn unhealthy(postgres: bool, redis: bool) -> (u16, Value) {
    (503, json!({"status": "unhealthy", "checks": {"postgres": postgres, "redis": redis}}))
}

#[tokio::test]
async fn a_store_that_stops_or_hangs_is_named_within_two_seconds_and_well_again_when_it_is() {
    let scene = Scene::start().await;
    scene.until_healthy().await;
    for seeming in [Seeming::Stopped, Seeming::Hanging] {
        for (store, expected) in
            [(&scene.postgres, unhealthy(false, true)), (&scene.redis, unhealthy(true, false))]
        {
            store.let_seem(seeming);
            assert_eq!(scene.health().await, expected, "{seeming:?}");
            assert_eq!(scene.health().await, expected, "{seeming:?}, still");

            store.let_seem(Seeming::Well);
            scene.until_healthy().await;
        }
    }
}

#[tokio::test]
async fn a_function_that_starts_while_the_stores_hang_says_so_in_time_too() {
    for seeming in [Seeming::Stopped, Seeming::Hanging] {
        let scene = Scene::start().await;
        scene.postgres.let_seem(seeming);
        scene.redis.let_seem(seeming);

        assert_eq!(scene.health().await, unhealthy(false, false), "{seeming:?}");

        scene.postgres.let_seem(Seeming::Well);
        scene.redis.let_seem(Seeming::Well);
        scene.until_healthy().await;
    }
}

#[tokio::test]
async fn anybody_may_ask_as_often_as_they_like_and_nothing_else_is_there() {
    let throttles = vec![("ANONYMOUS", "1/3600".to_owned())];
    let chat = TestChat::alone(StackOptions { throttles, ..StackOptions::default() }).await;

    for path in ["/healthz", "/healthz/", "/healthz", "/healthz"] {
        assert_eq!(chat.get(path).await.expect(200), healthy().1);
    }
    chat.post("/healthz", json!({})).await.expect_error(404, "not_found");
    chat.call(Method::DELETE, "/metrics", None, None).await.expect_error(404, "not_found");
}
