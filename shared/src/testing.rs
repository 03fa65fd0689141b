//! For tests of operations: an app over a private database and the shared Redis, and the people in it.
//!
//! The database is cloned from the migrated template, so each test has its own; keys in Redis hold random ids.

use crate::ids::{ConversationId, UserId};
use crate::postgres::{self, Type};
use crate::throttle::Throttles;
use crate::{App, config};

/// An app of one's own, without throttles.
pub(crate) async fn app() -> App {
    app_with(Throttles::off()).await
}

/// The same with these.
pub(crate) async fn app_with(throttles: Throttles) -> App {
    let (postgres_url, template, redis_url) = config::test_stores();
    let name = format!("operations_{}", uuid::Uuid::now_v7().simple());
    let server =
        postgres::connect(config::Database::at(format!("{postgres_url}/postgres"))).await.expect("Postgres");
    server.batch_execute(&format!("create database {name} template {template}")).await.expect("a database");
    let database_url = format!("{postgres_url}/{name}");
    let nowhere = config::Push {
        endpoint: "http://127.0.0.1:1".to_owned(),
        fan_out_function: "fan-out".to_owned(),
        lambda_endpoint: Some("http://127.0.0.1:1".to_owned()),
        aws: config::Aws {
            region: "nowhere".to_owned(),
            access_key_id: String::new(),
            secret_access_key: String::new(),
            session_token: None,
        },
    };
    let stores =
        config::Stores { database: config::Database::at(database_url), redis: config::Redis::at(redis_url) };
    App::over(stores, nowhere, throttles).expect("an app")
}

/// Somebody called `name`.
pub(crate) async fn user(app: &App, name: &str) -> UserId {
    let id = UserId::generate();
    let email = format!("{name}@mail.example");
    let sql = "insert into users (id, email, username, first_name, last_name, password_hash)
               values ($1, $2, $3, $3, 'Tester', '-')";
    let params = [(&id.0 as _, Type::UUID), (&email as _, Type::TEXT), (&name as _, Type::TEXT)];
    app.postgres.query(sql, &params).await.expect("a user");
    id
}

/// A group of these people; the first is its admin.
pub(crate) async fn conversation(app: &App, people: &[UserId]) -> ConversationId {
    let id = ConversationId::generate();
    let others: Vec<_> = people[1..].iter().map(|user| user.0).collect();
    let nobody: Vec<String> = Vec::new();
    let sql = "select * from start_conversation($1, 'group', $2, null, $3, $4)";
    let params = [
        (&id.0 as _, Type::UUID),
        (&people[0].0 as _, Type::UUID),
        (&others as _, Type::UUID_ARRAY),
        (&nobody as _, Type::TEXT_ARRAY),
    ];
    app.postgres.query(sql, &params).await.expect("a conversation");
    id
}
