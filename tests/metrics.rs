//! `/metrics`: totals over all instances, held against what was done.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use futures_util::future::join_all;
use redis::AsyncCommands as _;
use reqwest::Method;
use serde_json::{Value, json};
use support::{
    Connection, Conversation, Handshake, PATIENCE, RedisCluster, Settings, StackOptions, TestChat, User,
};

use crate::{maintenance, slow};

/// Every sample that counts, by its name and labels as they stand in the text.
#[derive(Debug)]
struct Samples {
    text: String,
    values: BTreeMap<String, u64>,
}

impl Samples {
    async fn scrape(chat: &TestChat) -> Self {
        let answer = chat.get("/metrics").await;
        let content_type = answer.header("content-type").map(str::to_owned);
        assert_eq!(content_type.as_deref(), Some("text/plain; version=0.0.4; charset=utf-8"));
        let text = answer.expect(200).as_str().expect("text").to_owned();
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        // Sums of seconds are no counts.
        let values = samples.filter_map(|line| {
            let (series, value) = line.rsplit_once(' ').expect("a sample has a value");
            Some((series.to_owned(), value.parse().ok()?))
        });
        Self { values: values.collect(), text }
    }

    /// The value of a series; nothing counted is 0.
    fn of(&self, series: &str) -> u64 {
        self.values.get(series).copied().unwrap_or_default()
    }

    /// What of this is not as expected.
    fn differing(&self, expected: &[(String, u64)]) -> Vec<String> {
        let differing = expected.iter().filter(|(series, value)| self.of(series) != *value);
        differing.map(|(series, value)| format!("{series} {} in place of {value}", self.of(series))).collect()
    }

    /// That nothing was counted that was not done.
    fn assert_no_more_than(&self, expected: &[(String, u64)]) {
        for (series, value) in expected {
            assert!(self.of(series) <= *value, "{series} {} is more than {value}", self.of(series));
        }
    }
}

/// A chat whose processes are frozen between invocations as on AWS and none is ended; throttles that ask Redis for every
/// request, and do not refuse.
fn options() -> StackOptions {
    let wide = ["ANONYMOUS", "USER"].map(|throttle| (throttle, "100000/60".to_owned()));
    StackOptions {
        throttles: wide.to_vec(),
        strict: Some("freeze,shuffle"),
        gateway_args: vec!["--no-schedules".to_owned()],
        ..StackOptions::default()
    }
}

/// Asks each function for what the stories do not count, until every process has told what they count.
async fn until_told(
    chat: &TestChat,
    poking: &User,
    conversation: &Conversation,
    expected: &[(String, u64)],
) -> Samples {
    let deadline = Instant::now() + PATIENCE;
    let mut connections = join_all((0..6).map(|_| poking.connect())).await;
    loop {
        let samples = Samples::scrape(chat).await;
        samples.assert_no_more_than(expected);
        let differing = samples.differing(expected);
        if differing.is_empty() {
            return samples;
        }
        assert!(Instant::now() < deadline, "{}", differing.join("\n"));
        let participants = conversation.path("/participants");
        let paths = ["/api/v1/auth/sessions", &participants, "/api/v1/search?q=nothing"];
        let requests = join_all(paths.into_iter().cycle().take(24).map(|path| poking.get(path)));
        let events = join_all(connections.iter_mut().map(Connection::unread_events));
        let handshakes = join_all((0..6).map(|_| chat.connect(Handshake::new().bearer("poking"))));
        futures_util::join!(requests, events, handshakes);
    }
}

/// Asks for what the stories do not count, until more than one process of each of these functions has served.
async fn until_several_serve(chat: &TestChat, user: &User) {
    let deadline = Instant::now() + PATIENCE;
    let mut connections = join_all((0..8).map(|_| user.connect())).await;
    for binary in ["auth", "history", "ws-message"] {
        loop {
            let processes = chat.stack.processes(binary).await;
            if processes.iter().filter(|process| process.invocations > 0).count() > 1 {
                break;
            }
            assert!(Instant::now() < deadline, "{binary}: {processes:?}");
            let paths = ["/api/v1/auth/sessions", "/api/v1/search?q=nothing"];
            let requests = join_all(paths.into_iter().cycle().take(16).map(|path| user.get(path)));
            futures_util::join!(requests, join_all(connections.iter_mut().map(Connection::unread_events)));
        }
    }
}

/// Counts the messages that are pushed to a connection, until these have come.
async fn count_pushed(connection: &mut Connection, expected: usize) -> u64 {
    let (mut seqs, mut pushed) = (BTreeSet::new(), 0);
    while seqs.len() < expected {
        seqs.insert(connection.next_message().await.seq);
        pushed += 1;
    }
    pushed
}

/// Sends and repeats messages as far as the throttle lets them in, which is ten, and is refused others.
async fn send_and_be_refused(alice: &User, dan: &User, conversation: &Conversation) {
    let message = |id: &str| json!({"content": "hello", "client_id": id});
    let posted = join_all((0..6).map(|id| alice.post_message(conversation, message(&id.to_string())))).await;
    assert!(posted.iter().all(|answer| answer.status == 201), "{posted:?}");
    alice.post_message(conversation, message("0")).await.expect(200);
    let command = |id: &str| json!({"conversation_id": conversation.id, "content": "hello", "client_id": id});
    let mut phones = join_all((0..4).map(|_| alice.connect())).await;
    let sending = phones.iter_mut().zip(["a", "b", "c", "d"]);
    join_all(sending.map(|(phone, id)| phone.send_message(command(id)))).await;
    let phone = &mut phones[0];
    assert_eq!(phone.send_message(command("b")).await["duplicate"], true);

    alice.post_message(conversation, message("e")).await.expect_error(429, "throttled");
    alice.post_message(conversation, json!({"content": " "})).await.expect_error(422, "invalid");
    dan.post_message(conversation, message("g")).await.expect_error(404, "not_found");
    let send = |content: &str| json!({"type": "message.send", "conversation_id": conversation.id, "content": content});
    phone.request_refused(send("f"), "THROTTLED").await;
    phone.request_refused(send(&"x".repeat(2001)), "CONTENT_TOO_LONG").await;
    phone.request_refused(json!({"type": "made-up"}), "INVALID_TYPE").await;
    phone.send_text(r#"{"type": "made-up-too", "ref": 1}"#.to_owned()).await;
    assert_eq!(phone.next_event_of("error").await["code"], "INVALID");
}

/// What is counted of the story below.
fn done(pushed: u64) -> Vec<(String, u64)> {
    let (profile, messages) = ("/api/v1/auth/profile", "/api/v1/conversations/{id}/messages");
    let requests = [
        ("POST", "/api/v1/auth/signup", 201, 4),
        ("POST", "/api/v1/conversations", 201, 1),
        ("GET", profile, 200, 32),
        ("GET", profile, 401, 5),
        ("GET", "unmatched", 404, 3),
        ("POST", messages, 201, 7),
        ("POST", messages, 200, 1),
        ("POST", messages, 429, 1),
        ("POST", messages, 422, 1),
        ("POST", messages, 404, 1),
    ];
    let requests = requests.map(|(method, route, status, count)| (of_route(method, route, status), count));
    let of_profile = format!(r#"method="GET",route="{profile}""#);
    let durations = [
        (format!("chat_http_request_duration_seconds_count{{{of_profile}}}"), 37),
        (format!(r#"chat_http_request_duration_seconds_bucket{{{of_profile},le="+Inf"}}"#), 37),
    ];
    let others = [
        (r#"chat_commands_total{command="message.send",code="OK"}"#, 5),
        (r#"chat_commands_total{command="message.send",code="THROTTLED"}"#, 1),
        (r#"chat_commands_total{command="message.send",code="CONTENT_TOO_LONG"}"#, 1),
        (r#"chat_commands_total{command="subscribe",code="OK"}"#, 2),
        (r#"chat_commands_total{command="unknown",code="INVALID_TYPE"}"#, 1),
        (r#"chat_commands_total{command="unknown",code="INVALID"}"#, 1),
        (r#"chat_command_duration_seconds_count{command="message.send"}"#, 7),
        (r#"chat_messages_sent_total{via="http"}"#, 7),
        (r#"chat_messages_sent_total{via="websocket"}"#, 4),
        (r#"chat_messages_repeated_total{via="http"}"#, 1),
        (r#"chat_messages_repeated_total{via="websocket"}"#, 1),
        (r#"chat_messages_refused_total{reason="throttled"}"#, 2),
        (r#"chat_messages_refused_total{reason="invalid"}"#, 2),
        (r#"chat_messages_refused_total{reason="not_found"}"#, 1),
        (r#"chat_throttled_total{policy="messages"}"#, 2),
        ("chat_messages_pushed_total", pushed),
        ("chat_connections_gone_total", 2),
        (r#"chat_posts_total{outcome="gone"}"#, 2),
        (r#"chat_connections_refused_total{code="not_found"}"#, 1),
        ("chat_fold_lag_entries", 0),
    ];
    let others = others.map(|(series, count)| (series.to_owned(), count));
    requests.into_iter().chain(durations).chain(others).collect()
}

fn of_route(method: &str, route: &str, status: u16) -> String {
    format!(r#"chat_http_requests_total{{method="{method}",route="{route}",status="{status}"}}"#)
}

#[tokio::test]
async fn totals_equal_what_was_done_by_several_processes_of_each_function() {
    let chat = TestChat::alone(options()).await;
    let [alice, bob, carol, dan] = chat.users(["alice", "bob", "carol", "dan"]).await;
    let conversation = alice.start_conversation_with([&bob, &carol]).await;
    until_several_serve(&chat, &dan).await;
    let mut watching = [bob.connect_to(&conversation).await, carol.connect_to(&conversation).await];

    join_all((0..32).map(|_| alice.get("/api/v1/auth/profile"))).await;
    join_all((0..5).map(|_| chat.get("/api/v1/auth/profile"))).await;
    for number in 0..3 {
        chat.get(&format!("/api/v1/auth/made-up-{number}")).await.expect_error(404, "not_found");
    }
    chat.call(Method::from_bytes(b"BREW").unwrap(), "/api/v1/auth/profile", None, None).await;
    let stranger = Handshake::new().conversation(&conversation).bearer(&dan.access_token);
    assert_eq!(chat.connect(stranger).await.err(), Some(404));
    send_and_be_refused(&alice, &dan, &conversation).await;
    let mut pushed = 0;
    for connection in &mut watching {
        pushed += count_pushed(connection, 10).await;
    }
    // Two that have gone without a word.
    slow::register_dead(&chat, &conversation, [&bob, &carol], 2).await;
    carol.post_message(&conversation, json!({"content": "who is there?"})).await.expect(201);
    for connection in &mut watching {
        pushed += count_pushed(connection, 1).await;
    }
    chat.stack.invoke("maintenance").await;
    for connection in &mut watching {
        let again = connection.unread_events().await;
        pushed += again.iter().map(|event| u64::from(event["type"] == "message")).sum::<u64>();
    }

    let expected = done(pushed);
    let told = until_told(&chat, &dan, &conversation, &expected).await;

    assert!(!told.text.contains("BREW") && !told.text.contains("made-up"), "clients make up no label");
    let again = until_told(&chat, &dan, &conversation, &expected).await;
    prometheus_accepts(&again.text);
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("README.md");
    let readme = fs::read_to_string(readme).unwrap();
    for family in again.text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
        assert!(readme.contains(&format!("`{family}`")), "the README does not name {family}");
    }
}

/// What Prometheus' own tool says of a text.
fn promtool(text: &str) -> (bool, String) {
    let promtool =
        Settings::get().promtool.as_ref().expect("promtool, which `make test` fetches where it can");
    let mut checking = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|err| panic!("{}: {err}", promtool.display()));
    checking.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let said = checking.wait_with_output().unwrap();
    (
        said.status.success(),
        [said.stdout, said.stderr].map(|out| String::from_utf8_lossy(&out).into_owned()).concat(),
    )
}

#[track_caller]
fn prometheus_accepts(text: &str) {
    let (accepted, said) = promtool(text);
    assert!(accepted && said.is_empty(), "{said}\n{text}");
    let ill_named = "# TYPE chat_requests counter\nchat_requests 1\n";
    assert!(!promtool(&format!("{text}{ill_named}")).0, "a counter without its suffix and help is noticed");
}

#[tokio::test]
async fn instances_that_start_are_counted_by_function() {
    let chat = TestChat::alone(options()).await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    join_all((0..24).map(|_| alice.get("/api/v1/auth/sessions"))).await;
    let started = chat.stack.processes("auth").await.len();
    assert!(started > 1, "several processes serve");

    let deadline = Instant::now() + PATIENCE;
    loop {
        let samples = Samples::scrape(&chat).await;
        let cold = samples.values.iter().filter(|(series, _)| series.starts_with("chat_cold_starts_total{"));
        let functions = cold.clone().count();
        let of_auth: u64 =
            cold.filter(|(series, _)| series.to_lowercase().contains("auth")).map(|(_, count)| count).sum();
        let processes = u64::try_from(chat.stack.processes("auth").await.len()).unwrap();
        assert!(of_auth <= processes, "{of_auth} of {processes}");
        if of_auth == processes && functions >= 3 {
            break;
        }
        assert!(Instant::now() < deadline, "{of_auth} of {processes} in auth, {functions} functions");
        let participants = conversation.path("/participants");
        let paths = ["/api/v1/auth/sessions", &participants];
        join_all(paths.into_iter().cycle().take(16).map(|path| alice.get(path))).await;
    }
}

#[tokio::test]
async fn live_connections_rise_and_fall_and_heal() {
    let strict = Some("drop-disconnect");
    let chat = TestChat::alone(StackOptions { strict, ..options() }).await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let live = async || Samples::scrape(&chat).await.of("chat_connections");
    let lost = || u64::try_from(slow::lost_disconnects(&chat)).unwrap();
    let until_live = async |wanted: &dyn Fn() -> u64| {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (found, wanted) = (live().await, wanted());
            if found == wanted {
                break;
            }
            assert!(Instant::now() < deadline, "{found} in place of {wanted}");
        }
    };
    assert_eq!(live().await, 0);

    let mut phone = alice.connect_to(&conversation).await;
    assert_eq!(live().await, 1);
    let mut leaving = Vec::new();
    for _ in 0..16 {
        leaving.push(bob.connect_to(&conversation).await);
    }
    assert_eq!(live().await, 17);
    assert_eq!(chat.connect(Handshake::new().bearer("nobody")).await.err(), Some(401));
    let refused = chat.connect(Handshake::new().bearer(&bob.access_token).channel("no-such-channel")).await;
    assert_eq!(refused.err(), Some(404));
    assert_eq!(live().await, 17, "who is refused is not there");

    join_all(leaving.into_iter().map(Connection::close)).await;
    until_live(&|| 1 + lost()).await;
    assert!((1..16).contains(&lost()), "{}", lost());
    slow::a_minute_later(&chat, &conversation).await;
    phone.send(&conversation, "who is there?").await;
    until_live(&|| 1).await;

    // One whose end nobody reports, and to whom nobody pushes, ends by itself.
    let key: Vec<String> = chat.stack.redis().await.keys("*:live").await.unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let ends = |in_ms: u64| u64::try_from(now).unwrap() + in_ms;
    let () = chat.stack.redis().await.zadd(&key[0], "lost", ends(3_600_000)).await.unwrap();
    assert_eq!(live().await, 2);
    let () = chat.stack.redis().await.zadd(&key[0], "lost", ends(500)).await.unwrap();
    until_live(&|| 1).await;
    chat.stack.invoke("maintenance").await;
    let kept: Option<u64> = chat.stack.redis().await.zscore(&key[0], "lost").await.unwrap();
    assert_eq!(kept, None, "and is forgotten");
}

#[tokio::test]
async fn how_far_redis_was_behind_is_told_since_maintenance_has_looked() {
    let chat = maintenance::chat_without_schedules().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    alice.send(&conversation, "so that it is warm").await;
    let at = "chat_maintenance_last_run_timestamp_seconds";
    assert!(!Samples::scrape(&chat).await.values.contains_key(at), "it has not run yet");
    chat.stack.invoke("maintenance").await;
    for content in ["one", "two", "three"] {
        maintenance::commit_and_die(&chat, &alice, &conversation, content).await;
    }

    chat.stack.invoke("maintenance").await;
    let behind = Samples::scrape(&chat).await;
    chat.stack.invoke("maintenance").await;
    let settled = Samples::scrape(&chat).await;

    assert_eq!(behind.of("chat_fold_lag_entries"), 3);
    assert_eq!(settled.of("chat_fold_lag_entries"), 0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let age = now.as_secs() - settled.of(at);
    assert!(age <= PATIENCE.as_secs(), "{age}");
}

#[tokio::test]
async fn over_a_cluster_the_totals_of_all_nodes_are_added_up() {
    let cluster = RedisCluster::start().await;
    let chat = TestChat::alone(StackOptions { redis_cluster: Some(cluster.url()), ..options() }).await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let mut conversations = Vec::new();
    for _ in 0..12 {
        conversations.push(alice.start_conversation_with([&bob]).await);
    }

    let sending =
        conversations.iter().map(|conversation| alice.post_message(conversation, json!({"content": "hi"})));
    let sent = join_all(sending).await;

    assert!(sent.iter().all(|answer| answer.status == 201), "{sent:?}");
    let expected = [
        (r#"chat_messages_sent_total{via="http"}"#, 12),
        (r#"chat_http_requests_total{method="POST",route="/api/v1/conversations",status="201"}"#, 12),
    ]
    .map(|(series, count)| (series.to_owned(), count));
    let poked = &conversations[0];
    until_told(&chat, &bob, poked, &expected).await;
    let mut nodes = BTreeSet::new();
    for partition in 0..256 {
        nodes.extend(cluster.server_with(&format!("{{p{partition}}}:metrics")).await);
    }
    assert!(nodes.len() > 1, "several nodes were told: {nodes:?}");
}

#[tokio::test]
async fn outside_of_development_the_metrics_are_for_whoever_has_the_token() {
    let ask =
        async |chat: &TestChat, token: Option<&str>| chat.call(Method::GET, "/metrics", token, None).await;
    let environment = "production";
    let options = StackOptions { environment, metrics_token: "for-the-scraper", ..StackOptions::default() };
    let chat = TestChat::alone(options).await;
    for token in [None, Some("for-the-scrape"), Some("for-the-scraper!"), Some("")] {
        ask(&chat, token).await.expect_error(401, "unauthenticated");
    }
    let user = chat.user("alice").await;
    ask(&chat, Some(&user.access_token)).await.expect_error(401, "unauthenticated");
    let text: Value = ask(&chat, Some("for-the-scraper")).await.expect(200);
    assert!(text.as_str().unwrap().contains("chat_http_requests_total"), "{text}");
    chat.get("/healthz").await.expect(200);

    let without = TestChat::alone(StackOptions { environment, ..StackOptions::default() }).await;
    for token in [None, Some(""), Some("for-the-scraper")] {
        ask(&without, token).await.expect_error(401, "unauthenticated");
    }
}
