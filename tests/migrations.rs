//! Migrations: all or none, by one at a time, and what a deployment hears of them.

use std::{
    process::Stdio,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use reqwest::{Method, Url};
use serde_json::{Value, json};
use support::{
    ALLOWED_ORIGIN, Asked, PATIENCE, SECRET, SecretsManager, Settings, StackOptions, TestChat,
    proxy::{Proxy, Seeming},
    serve,
};
use tokio::{
    process::Command,
    time::{sleep, timeout},
};
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

/// All there is of a schema, and which migrations made it.
const CATALOGUE: &str = "
    select 'function ' || oid || pg_get_functiondef(oid) from pg_proc
        where pronamespace = 'public'::regnamespace and prokind = 'f'
    union all select 'column ' || attrelid || attname || format_type(atttypid, atttypmod) || attnotnull
        from pg_attribute join pg_class on attrelid = pg_class.oid
        where relnamespace = 'public'::regnamespace and attnum > 0
    union all select 'relation ' || oid || relname || coalesce(relacl::text, '') from pg_class
        where relnamespace = 'public'::regnamespace
    union all select 'constraint ' || oid || pg_get_constraintdef(oid) from pg_constraint
        where connamespace = 'public'::regnamespace
    union all select 'index ' || pg_get_indexdef(indexrelid) from pg_index join pg_class on indrelid = pg_class.oid
        where relnamespace = 'public'::regnamespace
    union all select 'trigger ' || oid || pg_get_triggerdef(oid) from pg_trigger where not tgisinternal
    union all select 'applied ' || to_jsonb(h)::text from refinery_schema_history h
    order by 1";
/// What whoever migrates holds.
const LOCK: &str = "select pg_advisory_lock(hashtextextended('migrations', 0))";
const FORGET_THE_LAST: &str = "delete from refinery_schema_history
    where version = (select max(version) from refinery_schema_history)";
const UNLOCK: &str = "select pg_advisory_unlock(hashtextextended('migrations', 0))";

/// A database of a story's own, with nothing in it.
struct Database {
    name: String,
    url: String,
}

impl Database {
    async fn create() -> Self {
        let name = format!("migrations_{}", Uuid::new_v4().simple());
        let mut url = Settings::get().postgres_url.clone();
        url.set_path(&name);
        administer(&format!("create database {name}")).await;
        Self { name, url: url.into() }
    }

    async fn connect(&self) -> Client {
        connect(&self.url).await
    }

    async fn drop(self) {
        administer(&format!("drop database {} with (force)", self.name)).await;
    }
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn administer(statement: &str) {
    let mut url = Settings::get().postgres_url.clone();
    url.set_path("postgres");
    connect(url.as_str()).await.batch_execute(statement).await.unwrap();
}

async fn catalogue(database: &Client) -> Vec<String> {
    database.query(CATALOGUE, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// What an invocation of `migrate` came to, and what it logged.
struct Run {
    outcome: Result<Value, String>,
    logged: String,
}

/// Runs `migrate` once, with these settings.
async fn run(event: &Value, variables: &[(&str, &str)]) -> Run {
    let settings = Settings::get();
    let mut command = Command::new(settings.bin_dir.join("gateway"));
    command.arg("invoke").arg("--template").arg(&settings.template_file);
    command.arg("--functions-dir").arg(&settings.bin_dir);
    command.args(["--function", "migrate", "--payload", &event.to_string()]);
    command.arg("--leave-out").args(&settings.left_out);
    command.args(["--parameter-overrides", &format!("AllowedOrigins={ALLOWED_ORIGIN}")]);
    command.env("PUBLIC_URL", "http://localhost").env("JWT_KEYS", &settings.jwt_keys);
    command.env("MAIL_FROM", "Chat <chat@example.com>").env("REDIS_URL", settings.redis_url.as_str());
    command.envs(variables.iter().copied()).stdin(Stdio::null()).kill_on_drop(true);
    let done = command.output().await.unwrap();
    let logged = String::from_utf8(done.stderr).unwrap();
    let said = serde_json::from_slice::<Value>(&done.stdout);
    let said = said.unwrap_or_else(|err| panic!("{err}: {logged}"));
    let outcome = if done.status.success() {
        Ok(said)
    } else {
        Err(said["errorMessage"].as_str().unwrap_or_else(|| panic!("{said}: {logged}")).to_owned())
    };
    Run { outcome, logged }
}

async fn migrate(database_url: &str) -> Result<usize, String> {
    let Run { outcome, .. } = run(&json!({}), &[("DATABASE_URL", database_url)]).await;
    outcome.map(|said| said["applied"].as_array().unwrap().len())
}

#[tokio::test]
async fn migrating_again_changes_nothing() {
    let database = Database::create().await;

    let applied = migrate(&database.url).await.unwrap();
    let client = database.connect().await;
    let after = catalogue(&client).await;

    assert!(applied > 1, "{applied}");
    assert_eq!(migrate(&database.url).await, Ok(0));
    assert_eq!(catalogue(&client).await, after);
    database.drop().await;
}

#[tokio::test]
async fn two_do_not_migrate_at_once() {
    let database = Database::create().await;
    let holder = database.connect().await;
    holder.query(LOCK, &[]).await.unwrap();

    let refused = migrate(&database.url).await;
    assert_eq!(refused, Err("another migration is running".to_owned()));
    holder.query(UNLOCK, &[]).await.unwrap();
    let (one, other) = tokio::join!(migrate(&database.url), migrate(&database.url));

    // Whoever comes late finds nothing to do, whoever comes too early is refused.
    let (first, second) =
        if one.as_ref().is_ok_and(|applied| *applied > 0) { (one, other) } else { (other, one) };
    assert!(first.as_ref().is_ok_and(|applied| *applied > 1), "{first:?}");
    assert!(second == Ok(0) || second == refused, "{second:?}");
    database.drop().await;
}

#[tokio::test]
async fn a_migration_that_fails_leaves_the_schema_as_it_was_and_the_chat_running() {
    let chat = TestChat::alone(StackOptions::default()).await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let client = chat.stack.postgres_connection(None).await;
    // What it made is there, so it cannot be made again.
    assert_eq!(client.execute(FORGET_THE_LAST, &[]).await.unwrap(), 1);
    let before = catalogue(&client).await;

    let failed = chat.stack.try_invoke_with("migrate", json!({})).await.unwrap_err();

    let reason = failed["errorMessage"].as_str().unwrap();
    assert!(reason.contains("already exists"), "{reason}");
    assert_eq!(catalogue(&client).await, before);
    let carol = chat.user("carol").await;
    let sent = carol.send(&carol.direct_with(&bob).await, "all is well").await;
    assert_eq!(bob.history(&bob.direct_with(&carol).await).await[0].content, sent.content);
    alice.send(&conversation, "here, too").await;
    assert_eq!(bob.history(&conversation).await[0].content, "here, too");
}

#[tokio::test]
async fn of_two_pending_migrations_of_which_the_second_fails_neither_stays() {
    let database = Database::create().await;
    migrate(&database.url).await.unwrap();
    let client = database.connect().await;
    // The ninth can be applied again, and the tenth cannot.
    let undo = "drop trigger note_channel_deed on entries; drop function note_channel_deed;
        delete from refinery_schema_history where version > 8";
    client.batch_execute(undo).await.unwrap();
    let before = catalogue(&client).await;

    let failed = migrate(&database.url).await.unwrap_err();

    assert!(failed.contains("replace_password") && failed.contains("already exists"), "{failed}");
    assert_eq!(catalogue(&client).await, before);
    database.drop().await;
}

#[tokio::test]
async fn older_code_goes_on_over_a_newer_schema_and_a_changed_history_is_refused() {
    let database = Database::create().await;
    migrate(&database.url).await.unwrap();
    let client = database.connect().await;

    let later = "insert into refinery_schema_history select max(version) + 1, 'later', max(applied_on), '1'
        from refinery_schema_history";
    client.batch_execute(later).await.unwrap();
    assert_eq!(migrate(&database.url).await, Ok(0));
    let change = "update refinery_schema_history set checksum = '1' where version = 3";
    client.batch_execute(&format!("begin; {change}; commit")).await.unwrap();
    let changed = migrate(&database.url).await.unwrap_err();
    assert!(changed.contains("V3__message_changes") && changed.contains("different"), "{changed}");
    client.batch_execute("delete from refinery_schema_history where version = 3").await.unwrap();
    let left_out = migrate(&database.url).await;
    assert_eq!(left_out, Err("migration 3 was not applied, but later ones were".to_owned()));
    database.drop().await;
}

/// Where CloudFormation waits for answers.
struct CloudFormation {
    response_url: String,
    answers: Arc<Mutex<Vec<Asked>>>,
}

impl CloudFormation {
    /// It refuses so many answers before it takes one.
    async fn start(refuses: usize) -> Self {
        let answers = Arc::new(Mutex::new(Vec::new()));
        let (kept, refusals) = (Arc::clone(&answers), Mutex::new(refuses));
        let address = serve(move |asked| {
            let mut refusals = refusals.lock().unwrap();
            if *refusals > 0 {
                *refusals -= 1;
                return (503, Value::Null);
            }
            kept.lock().unwrap().push(asked);
            (200, Value::Null)
        });
        Self { response_url: format!("http://{}/answer?X-Amz-Signature=5ec2e7", address.await), answers }
    }

    fn request(&self, kind: &str) -> Value {
        let mut request = json!({
            "RequestType": kind,
            "ServiceToken": "arn:aws:lambda:us-east-1:123456789012:function:chat-MigrateFunction:live",
            "ResponseURL": self.response_url,
            "StackId": "arn:aws:cloudformation:us-east-1:123456789012:stack/chat/5e8f",
            "RequestId": "0c0ffee0-0000-4000-8000-000000000000",
            "LogicalResourceId": "Migrations",
            "ResourceType": "Custom::Migration",
            "ResourceProperties": {"ServiceTimeout": "900", "Version": "7"},
        });
        if kind != "Create" {
            request["PhysicalResourceId"] = json!("migrations");
        }
        request
    }

    /// Has `migrate` do something, and returns the one answer to it. Whatever it says, the function itself has not failed.
    async fn ask(&self, kind: &str, variables: &[(&str, &str)]) -> Value {
        let Run { outcome, logged } = run(&self.request(kind), variables).await;
        let answers = std::mem::take(&mut *self.answers.lock().unwrap());
        let [answer] = &answers[..] else { panic!("{} answers: {outcome:?}: {logged}", answers.len()) };
        assert_eq!(answer.line, "PUT /answer?X-Amz-Signature=5ec2e7");
        assert_eq!(answer.headers["content-type"], "");
        assert_eq!(outcome, Ok(json!({"Status": answer.body["Status"]})));
        assert!(!logged.contains("5ec2e7"), "{logged}");
        let request = self.request(kind);
        for name in ["StackId", "RequestId", "LogicalResourceId"] {
            assert_eq!(answer.body[name], request[name]);
        }
        assert_eq!(answer.body["PhysicalResourceId"], "migrations");
        answer.body.clone()
    }
}

#[tokio::test]
async fn a_deployment_migrates_and_hears_of_it() {
    let database = Database::create().await;
    let client = database.connect().await;
    let cloud_formation = CloudFormation::start(2).await;
    let at_database = [("DATABASE_URL", database.url.as_str())];

    let created = cloud_formation.ask("Create", &at_database).await;
    let schema = catalogue(&client).await;
    let updated = cloud_formation.ask("Update", &at_database).await;
    let deleted = cloud_formation.ask("Delete", &at_database).await;

    for answer in [created, updated, deleted] {
        assert_eq!(answer["Status"], "SUCCESS");
    }
    assert!(schema.len() > 100, "{schema:?}");
    assert_eq!(catalogue(&client).await, schema);
    database.drop().await;
}

#[tokio::test]
async fn a_deployment_waits_for_another_migration_to_end() {
    let database = Database::create().await;
    let holder = database.connect().await;
    holder.query(LOCK, &[]).await.unwrap();
    let cloud_formation = CloudFormation::start(0).await;

    let waits = "select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
        and query like '%pg_try_advisory_lock%'";
    let ends = async {
        while holder.query(waits, &[]).await.unwrap().is_empty() {
            sleep(Duration::from_millis(50)).await;
        }
        holder.query(UNLOCK, &[]).await.unwrap();
    };
    let variables = [("DATABASE_URL", &*database.url)];
    let asked = async { tokio::join!(cloud_formation.ask("Update", &variables), ends).0 };
    let answer = timeout(PATIENCE, asked).await.expect("an answer");

    assert_eq!(answer["Status"], "SUCCESS");
    drop(holder);
    database.drop().await;
}

#[tokio::test]
async fn a_deployment_whose_migration_fails_hears_why() {
    let database = Database::create().await;
    migrate(&database.url).await.unwrap();
    let client = database.connect().await;
    // What it made is there, so it cannot be made again.
    assert_eq!(client.execute(FORGET_THE_LAST, &[]).await.unwrap(), 1);
    let cloud_formation = CloudFormation::start(0).await;

    let answer = cloud_formation.ask("Update", &[("DATABASE_URL", &database.url)]).await;

    assert_eq!(answer["Status"], "FAILED");
    let reason = answer["Reason"].as_str().unwrap();
    assert!(
        reason.starts_with("Postgres refused a migration: ") && reason.contains("already exists"),
        "{reason}"
    );
    let stranger = database.url.replace("postgres://", "postgres://nobody_");
    let answer = cloud_formation.ask("Update", &[("DATABASE_URL", &stranger)]).await;
    assert_eq!(answer["Status"], "FAILED");
    let reason = answer["Reason"].as_str().unwrap();
    let password = Settings::get().postgres_url.password().unwrap();
    assert!(reason.contains("password authentication failed") && !reason.contains(password), "{reason}");
    let answer = cloud_formation.ask("Update", &[("DATABASE_URL", "")]).await;
    assert_eq!(answer["Reason"], "the setting DATABASE_URL is missing");
    drop(client);
    database.drop().await;
}

#[tokio::test]
async fn a_deployment_waits_for_a_database_that_comes_and_not_for_one_that_does_not() {
    let database = Database::create().await;
    let cloud_formation = CloudFormation::start(0).await;
    let proxy = Proxy::start(&Settings::get().postgres_url).await;
    proxy.let_seem(Seeming::Stopped);
    let mut url = Url::parse(&database.url).unwrap();
    url.set_port(Some(proxy.address.port())).unwrap();
    let through = [("DATABASE_URL", url.as_str())];

    let comes = async {
        while proxy.turned_away() == 0 {
            sleep(Duration::from_millis(50)).await;
        }
        proxy.let_seem(Seeming::Well);
    };
    let asked = async { tokio::join!(cloud_formation.ask("Create", &through), comes).0 };
    let answer = timeout(PATIENCE, asked).await.expect("an answer");
    assert_eq!(answer["Status"], "SUCCESS");

    proxy.let_seem(Seeming::Stopped);
    let asked = Instant::now();
    let answer = cloud_formation.ask("Update", &through).await;
    assert_eq!(answer["Status"], "FAILED");
    let reason = answer["Reason"].as_str().unwrap();
    assert!(reason.starts_with("connecting to DATABASE_URL"), "{reason}");
    assert!(asked.elapsed() > Duration::from_secs(20), "{:?}", asked.elapsed());
    let answer = cloud_formation.ask("Delete", &through).await;
    assert_eq!(answer["Status"], "SUCCESS", "a deletion asks no database");
    database.drop().await;
}

#[tokio::test]
async fn handlers_work_as_a_role_that_may_change_rows_and_no_tables() {
    let id = Uuid::new_v4().simple().to_string();
    let (owner, role) = (format!("owner_{id}"), format!("chat_{id}"));
    let database = Database::create().await;
    // As on RDS: the owner is no superuser, and may give away the right to sign in by IAM.
    administer(&format!(
        "do $$ begin create role rds_iam; exception when duplicate_object or unique_violation then end $$;
        create role {owner} login createrole password 'p@ss:w/o%41rd?#';
        grant rds_iam to {owner} with admin option;
        alter database {} owner to {owner}",
        database.name
    ))
    .await;
    let login = json!({"username": owner, "password": "p@ss:w/o%41rd?#", "engine": "postgres"});
    let secrets = SecretsManager::start(&login.to_string()).await;
    let address = database.url.split_once('@').unwrap().1;
    let variables = [
        ("DATABASE_URL", &*format!("postgres://{address}")),
        ("DATABASE_SECRET", SECRET),
        ("DATABASE_ROLE", &role),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", &secrets.url),
    ];

    let first = run(&json!({}), &variables).await;
    let again = run(&json!({}), &variables).await;

    assert!(first.outcome.is_ok(), "{:?}: {}", first.outcome, first.logged);
    assert_eq!(again.outcome, Ok(json!({"applied": []})));
    assert!(!(first.logged + &again.logged).contains("p@ss"));
    let superuser = database.connect().await;
    let member = "select pg_has_role($1, 'rds_iam', 'member') and rolpassword is null
        from pg_authid where rolname = $1::text::name";
    assert!(superuser.query_one(member, &[&role]).await.unwrap().get::<_, bool>(0));
    superuser.batch_execute(&format!("alter role {role} password 'chat'")).await.unwrap();
    let as_role = format!("postgres://{role}:chat@{address}");
    let client = connect(&as_role).await;
    for forbidden in [
        "create table more (id int)",
        "create temporary table more (id int) on commit drop; alter table users add more int",
        "truncate users",
        "drop function is_admin",
        "insert into refinery_schema_history (version) values (99)",
        "create role another",
    ] {
        let error = client.batch_execute(forbidden).await.unwrap_err();
        let code = error.code().unwrap_or_else(|| panic!("{error}")).code();
        assert_eq!(code, "42501", "{forbidden}: {error:?}");
    }

    let variables = vec![("DATABASE_URL", as_role.clone())];
    let gateway_args = vec!["--no-schedules".to_owned()];
    let chat = TestChat::alone(StackOptions { variables, gateway_args, ..StackOptions::default() }).await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.start_conversation_with([&bob]).await;
    let mut phone = bob.connect_to(&conversation).await;
    let mut own = alice.connect().await;
    let sent = own.send(&conversation, "granted").await;
    assert_eq!(phone.next_message().await, sent);
    let message = conversation.path(&format!("/messages/{}", sent.id));
    alice.patch(&message, json!({"content": "granted still"})).await.expect(200);
    assert_eq!(bob.history(&conversation).await[0].content, "granted still");
    alice.delete(&message).await.expect(204);
    alice.rename(&conversation, "renamed").await.expect(200);
    bob.get("/api/v1/search?q=granted").await.expect(200);
    let again = alice.signed_in_again().await;
    chat.refresh(&again.refresh_token).await.expect(200);
    chat.stack.invoke("maintenance").await;
    let password = json!({"password": bob.password});
    bob.call(Method::DELETE, "/api/v1/auth/profile", Some(password)).await.expect(204);
    chat.stack.invoke("maintenance").await;
    let rows = superuser.query_one("select count(*) from erasures", &[]).await.unwrap().get::<_, i64>(0);
    assert!(rows > 0, "whoever was served was served from this database");

    drop(chat);
    database.drop().await;
    administer(&format!("drop role {role}; drop role {owner}")).await;
}
