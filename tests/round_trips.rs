//! How many times each path waits for a store: a table, measured.

use std::{collections::HashSet, future::Future, pin::Pin, time::Instant};

use reqwest::Url;
use serde_json::{Value, json};
use support::{
    Connection, Conversation, Handshake, PATIENCE, Settings, StackOptions, TestChat, User,
    proxy::{self, Proxy},
};
use tokio::sync::OnceCell;

/// Trips to each store, one after the other; parallel ones count once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Trips {
    redis: u64,
    postgres: u64,
}

impl Trips {
    fn exceed(self, allowed: Self) -> bool {
        self.redis > allowed.redis || self.postgres > allowed.postgres
    }
}

/// A stack whose stores are reached through counting proxies, with one process per function.
struct Scene {
    chat: TestChat,
    redis: Proxy,
    postgres: Proxy,
    archived: OnceCell<Pair>,
    talk: OnceCell<Talk>,
}

impl Scene {
    async fn start() -> Self {
        let settings = Settings::get();
        let proxy = async |store: &Url| Proxy::start(store).await;
        let (redis, postgres) = (proxy(&settings.redis_url).await, proxy(&settings.postgres_url).await);
        let options = StackOptions {
            throttle_messages: "10/60".to_owned(),
            // All on, and too wide for the measuring itself.
            throttles: ["SIGNUP", "LOGIN", "CONVERSATIONS", "ANONYMOUS", "USER", "CLIENTS", "COMMANDS"]
                .map(|throttle| (throttle, "100000/60,1000000/3600".to_owned()))
                .into_iter()
                .chain([("READS", "20/60".to_owned())])
                .collect(),
            concurrency: 1,
            redis_through: Some(redis.address),
            postgres_through: Some(postgres.address),
            // The trips of processes that are warm are counted, so none may be ended meanwhile.
            strict: Some("freeze,shuffle"),
            // What runs by itself would be counted, too.
            gateway_args: vec!["--no-schedules".to_owned()],
            ..StackOptions::default()
        };
        Self {
            chat: TestChat::alone(options).await,
            redis,
            postgres,
            archived: OnceCell::new(),
            talk: OnceCell::new(),
        }
    }

    fn trips(&self) -> Trips {
        Trips { redis: self.redis.trips(), postgres: self.postgres.trips() }
    }

    /// The trips of one invocation of a function, until it has returned.
    async fn count<T>(&self, function: &str, path: impl Future<Output = T>) -> (Trips, T) {
        let invocations = self.chat.stack.settled_invocations(function).await;
        self.hold_back(true);
        let before = self.trips();
        let result = path.await;
        let deadline = Instant::now() + PATIENCE;
        // The client's side may be over before the function was even called, as when it disconnects.
        while self.chat.stack.settled_invocations(function).await == invocations {
            assert!(Instant::now() < deadline, "{function} was not called within {PATIENCE:?}");
        }
        let after = self.trips();
        self.hold_back(false);
        (Trips { redis: after.redis - before.redis, postgres: after.postgres - before.postgres }, result)
    }

    fn hold_back(&self, held: bool) {
        self.redis.hold_back(held);
        self.postgres.hold_back(held);
    }

    /// A pair in a conversation that Redis knows, the first of them connected.
    async fn pair(&self) -> Pair {
        let [alice, bob] = self.chat.users(["alice", "bob"]).await;
        let conversation = alice.start_conversation_with([&bob]).await;
        alice.send(&conversation, "so that it is warm").await;
        let mut phone = alice.connect_to(&conversation).await;
        phone.send(&conversation, "so that the connection is known").await;
        Pair { alice, bob, conversation, phone }
    }

    /// As [`Scene::pair`], with the other one watching.
    async fn watched_pair(&self) -> (Pair, Connection) {
        let pair = self.pair().await;
        let watching = pair.bob.connect_to(&pair.conversation).await;
        (pair, watching)
    }

    /// As [`Scene::pair`], with the messages of this minute used up.
    async fn throttled_pair(&self) -> Pair {
        let pair = self.pair().await;
        while pair.alice.post_message(&pair.conversation, json!({"content": "more"})).await.status == 201 {}
        pair
    }

    /// A conversation where twenty people have sent a hundred messages, which Redis knows.
    async fn talk(&self) -> &Talk {
        let make = async || {
            let alice = self.chat.user("alice").await;
            let conversation = alice.start_conversation_with([]).await;
            let mut people = vec![alice];
            for number in 1..20 {
                let other = self.chat.user(&format!("other{number}")).await;
                people[0].add(&conversation, &other).await.expect(201);
                people.push(other);
            }
            for number in 0..5 {
                for person in &people {
                    person.send(&conversation, &format!("message {number}")).await;
                }
            }
            Talk { alice: people.remove(0), conversation }
        };
        self.talk.get_or_init(make).await
    }

    /// What a GraphQL document about a conversation costs and is answered.
    async fn ask_graphql(&self, user: &User, document: &str, about: &Conversation) -> (Trips, Value) {
        let body = json!({"query": document, "variables": {"id": about.id}});
        let before = self.postgres.statements();
        let (trips, answer) = self.count("graphql", user.post("/graphql", body)).await;
        let statements = self.postgres.statements() - before;
        assert!((1..=2).contains(&statements), "{statements} statements for {document}");
        let answer = answer.expect(200);
        assert_eq!(answer["errors"], Value::Null);
        (trips, answer["data"].clone())
    }

    /// A pair whose messages only Postgres has: Redis keeps about a thousand entries, and more than that follow.
    async fn archived_pair(&self) -> &Pair {
        let make = async || {
            let pair = self.pair().await;
            for number in 0..1200 {
                pair.alice.rename(&pair.conversation, &format!("name {number}")).await.expect(200);
            }
            pair
        };
        self.archived.get_or_init(make).await
    }
}

struct Talk {
    alice: User,
    conversation: Conversation,
}

struct Pair {
    alice: User,
    bob: User,
    conversation: Conversation,
    phone: Connection,
}

type Measuring<'a> = Pin<Box<dyn Future<Output = Trips> + 'a>>;

/// A path and what it may cost.
struct Row {
    path: &'static str,
    allowed: Trips,
    measure: fn(&Scene) -> Measuring<'_>,
}

fn row(path: &'static str, redis: u64, postgres: u64, measure: fn(&Scene) -> Measuring<'_>) -> Row {
    Row { path, allowed: Trips { redis, postgres }, measure }
}

fn table() -> Vec<Row> {
    let mut rows = connection_rows();
    rows.extend(send_rows());
    rows.extend(change_rows());
    rows.extend(telling_rows());
    rows.extend(reading_rows());
    rows.extend(graphql_rows());
    rows.extend(account_rows());
    rows
}

fn connection_rows() -> Vec<Row> {
    vec![
        row("$connect with a token", 1, 0, |scene| {
            Box::pin(async move {
                let alice = scene.chat.user("alice").await;
                let handshake = Handshake::new().bearer(&alice.access_token);
                scene.count("ws-connect", alice.connect_by(handshake)).await.0
            })
        }),
        row("$connect with a ticket", 2, 0, |scene| {
            Box::pin(async move {
                let alice = scene.chat.user("alice").await;
                let handshake = Handshake::new().ticket(&alice.ticket().await);
                scene.count("ws-connect", alice.connect_by(handshake)).await.0
            })
        }),
        row("$connect with a token, naming a conversation", 2, 0, |scene| {
            Box::pin(async move {
                let pair = scene.pair().await;
                let handshake =
                    Handshake::new().bearer(&pair.bob.access_token).conversation(&pair.conversation);
                scene.count("ws-connect", pair.bob.connect_by(handshake)).await.0
            })
        }),
        row("subscribe, recent", 2, 0, |scene| {
            Box::pin(async move {
                let pair = scene.pair().await;
                let mut connection = pair.bob.connect().await;
                scene.count("ws-message", connection.subscribe(&pair.conversation)).await.0
            })
        }),
        row("ping", 2, 0, |scene| {
            Box::pin(async move {
                let mut pair = scene.pair().await;
                scene.count("ws-message", pair.phone.ping()).await.0
            })
        }),
        row("$disconnect", 2, 0, |scene| {
            Box::pin(async move {
                let pair = scene.pair().await;
                scene.count("ws-disconnect", pair.phone.close()).await.0
            })
        }),
    ]
}

fn send_rows() -> Vec<Row> {
    vec![
        row("send over HTTP, nobody to push to", 2, 1, |scene| {
            Box::pin(async move {
                let Pair { alice, conversation, phone, .. } = scene.pair().await;
                scene.count("ws-disconnect", phone.close()).await;
                scene.count("history", alice.send(&conversation, "measured")).await.0
            })
        }),
        row("send over HTTP, somebody is pushed to", 3, 1, |scene| {
            Box::pin(async move {
                let (pair, mut watching) = scene.watched_pair().await;
                let (trips, sent) =
                    scene.count("history", pair.alice.send(&pair.conversation, "measured")).await;
                assert_eq!(watching.next_message().await, sent);
                trips
            })
        }),
        // Its record must be read first: one trip more.
        row("send over WebSocket without a subscription, nobody to push to", 3, 1, |scene| {
            Box::pin(async move {
                let Pair { alice, conversation, phone, .. } = scene.pair().await;
                let mut unsubscribed = alice.connect().await;
                unsubscribed.send(&conversation, "so that the connection is known").await;
                scene.count("ws-disconnect", phone.close()).await;
                scene.count("ws-message", unsubscribed.send(&conversation, "measured")).await.0
            })
        }),
        row("send over WebSocket, somebody is pushed to", 3, 1, |scene| {
            Box::pin(async move {
                let (mut pair, mut watching) = scene.watched_pair().await;
                let (trips, sent) =
                    scene.count("ws-message", pair.phone.send(&pair.conversation, "measured")).await;
                assert_eq!(watching.next_message().await, sent);
                trips
            })
        }),
        row("send over HTTP, repeated", 1, 0, |scene| {
            Box::pin(async move {
                let pair = scene.pair().await;
                let message = json!({"content": "measured", "client_id": "1"});
                pair.alice.post_message(&pair.conversation, message.clone()).await.expect(201);
                let (trips, answer) =
                    scene.count("history", pair.alice.post_message(&pair.conversation, message)).await;
                answer.expect(200);
                trips
            })
        }),
        row("send over WebSocket, repeated", 1, 0, |scene| {
            Box::pin(async move {
                let mut pair = scene.pair().await;
                let message =
                    json!({"conversation_id": pair.conversation.id, "content": "measured", "client_id": "1"});
                pair.phone.send_message(message.clone()).await;
                let (trips, ack) = scene.count("ws-message", pair.phone.send_message(message)).await;
                assert_eq!(ack["duplicate"], true);
                trips
            })
        }),
        row("send over HTTP, throttled", 1, 0, |scene| {
            Box::pin(async move {
                let pair = scene.throttled_pair().await;
                let sending = pair.alice.post_message(&pair.conversation, json!({"content": "measured"}));
                let (trips, answer) = scene.count("history", sending).await;
                answer.expect_error(429, "throttled");
                trips
            })
        }),
        row("send over WebSocket, throttled", 1, 0, |scene| {
            Box::pin(async move {
                let mut pair = scene.throttled_pair().await;
                let message = json!({"type": "message.send", "conversation_id": pair.conversation.id, "content": "measured"});
                scene.count("ws-message", pair.phone.request_refused(message, "THROTTLED")).await.0
            })
        }),
        row("send over HTTP, refused to somebody who is not in it", 1, 1, |scene| {
            Box::pin(async move {
                let pair = scene.pair().await;
                let eve = scene.chat.user("eve").await;
                let sending = eve.post_message(&pair.conversation, json!({"content": "measured"}));
                let (trips, answer) = scene.count("history", sending).await;
                answer.expect_error(404, "not_found");
                trips
            })
        }),
    ]
}

fn change_rows() -> Vec<Row> {
    vec![
        row("send over HTTP, cold", 3, 2, |scene| {
            Box::pin(async move {
                let Pair { alice, conversation, phone, .. } = scene.pair().await;
                scene.count("ws-disconnect", phone.close()).await;
                scene.chat.stack.wipe_redis().await;
                scene.count("history", alice.send(&conversation, "measured")).await.0
            })
        }),
        row("edit over HTTP, nobody to push to", 2, 1, |scene| {
            Box::pin(async move {
                let Pair { alice, conversation, phone, .. } = scene.pair().await;
                let sent = alice.send(&conversation, "before").await;
                scene.count("ws-disconnect", phone.close()).await;
                let path = conversation.path(&format!("/messages/{}", sent.id));
                let (trips, answer) =
                    scene.count("history", alice.patch(&path, json!({"content": "measured"}))).await;
                answer.expect(200);
                trips
            })
        }),
        row("edit over WebSocket, somebody is pushed to", 3, 1, |scene| {
            Box::pin(async move {
                let (mut pair, mut watching) = scene.watched_pair().await;
                let sent = pair.alice.send(&pair.conversation, "before").await;
                watching.next_message().await;
                let command = json!({"type": "message.edit", "conversation_id": pair.conversation.id,
                    "message_id": sent.id, "content": "measured"});
                let (trips, ack) = scene.count("ws-message", pair.phone.request(command)).await;
                assert_eq!(ack["type"], "ack");
                watching.next_event_of("message.updated").await;
                trips
            })
        }),
        row("react over HTTP, nobody to push to", 2, 1, |scene| {
            Box::pin(async move {
                let Pair { alice, conversation, phone, .. } = scene.pair().await;
                let sent = alice.send(&conversation, "before").await;
                scene.count("ws-disconnect", phone.close()).await;
                let path = conversation.path(&format!("/messages/{}/reactions/%F0%9F%91%8D", sent.id));
                let (trips, answer) = scene.count("history", alice.put(&path, json!({}))).await;
                assert_eq!(answer.status, 204);
                trips
            })
        }),
    ]
}

fn telling_rows() -> Vec<Row> {
    vec![
        row("typing", 2, 0, |scene| {
            Box::pin(async move {
                let (mut pair, mut watching) = scene.watched_pair().await;
                let command = json!({"type": "typing", "conversation_id": pair.conversation.id});
                let telling = async {
                    pair.phone.send_command(&command).await;
                    watching.next_event_of("typing").await;
                };
                scene.count("ws-message", telling).await.0
            })
        }),
        row("read over WebSocket", 2, 1, |scene| {
            Box::pin(async move {
                let (mut pair, mut watching) = scene.watched_pair().await;
                let sent = pair.bob.send(&pair.conversation, "before").await;
                watching.next_message().await;
                let command =
                    json!({"type": "read", "conversation_id": pair.conversation.id, "message_id": sent.id});
                let (trips, ack) = scene.count("ws-message", pair.phone.request(command)).await;
                assert_eq!(ack["type"], "ack");
                watching.next_event_of("read").await;
                trips
            })
        }),
        row("read over HTTP", 2, 1, |scene| {
            Box::pin(async move {
                let pair = scene.pair().await;
                let sent = pair.alice.send(&pair.conversation, "before").await;
                let path = pair.conversation.path("/read");
                let reading = pair.bob.post(&path, json!({"message_id": sent.id}));
                let (trips, answer) = scene.count("conversations", reading).await;
                assert_eq!(answer.status, 204);
                trips
            })
        }),
    ]
}

fn reading_rows() -> Vec<Row> {
    vec![
        row("subscribe, reaching into the archive", 2, 1, |scene| {
            Box::pin(async move {
                let pair = scene.archived_pair().await;
                let mut connection = pair.bob.connect().await;
                scene.count("ws-message", connection.subscribe_from(&pair.conversation, Some(0))).await.0
            })
        }),
        row("history, newest page", 1, 0, |scene| {
            Box::pin(async move {
                let pair = scene.pair().await;
                scene.count("history", pair.bob.history_page(&pair.conversation, "")).await.0
            })
        }),
        row("history, old page", 1, 1, |scene| {
            Box::pin(async move {
                let pair = scene.archived_pair().await;
                let [_, second] = pair.bob.history(&pair.conversation).await.try_into().unwrap();
                let reading = async {
                    let page =
                        pair.bob.history_page(&pair.conversation, &format!("?before={}", second.id)).await;
                    assert_eq!(page.items.len(), 1);
                };
                scene.count("history", reading).await.0
            })
        }),
        row("search", 1, 1, |scene| {
            Box::pin(async move {
                let pair = scene.pair().await;
                let (trips, answer) = scene.count("history", pair.bob.get("/api/v1/search?q=warm")).await;
                answer.expect(200);
                trips
            })
        }),
        // One gives back what the other throttles gave.
        row("search, throttled", 2, 0, |scene| {
            Box::pin(async move {
                let pair = scene.pair().await;
                let search = async || pair.bob.get("/api/v1/search?q=warm").await;
                while search().await.status == 200 {}
                let (trips, answer) = scene.count("history", search()).await;
                answer.expect_error(429, "throttled");
                trips
            })
        }),
        row("history, throttled", 2, 0, |scene| {
            Box::pin(async move {
                let pair = scene.pair().await;
                let path = pair.conversation.path("/messages");
                while pair.bob.get(&path).await.status == 200 {}
                let (trips, answer) = scene.count("history", pair.bob.get(&path)).await;
                answer.expect_error(429, "throttled");
                trips
            })
        }),
        row("list conversations", 1, 1, |scene| {
            Box::pin(async move {
                let pair = scene.pair().await;
                scene.count("conversations", pair.bob.list_conversations()).await.0
            })
        }),
    ]
}

/// Each field waits as its route does, and all people are read in one statement; the request is checked first.
fn graphql_rows() -> Vec<Row> {
    vec![
        row("GraphQL, 100 messages by 20 senders", 2, 1, |scene| {
            Box::pin(async move {
                let room = scene.talk().await;
                let document = "query ($id: ID!) { messages(chatId: $id, first: 100) {
                    nodes { content user { id name email } reactions { emoji } } pageInfo { endCursor } } }";
                let (trips, data) = scene.ask_graphql(&room.alice, document, &room.conversation).await;
                let nodes = data["messages"]["nodes"].as_array().unwrap();
                let senders: HashSet<_> =
                    nodes.iter().map(|message| message["user"]["id"].as_str().unwrap()).collect();
                assert_eq!((nodes.len(), senders.len()), (100, 20));
                trips
            })
        }),
        row("GraphQL, chats with their participants and last messages", 1, 2, |scene| {
            Box::pin(async move {
                let room = scene.talk().await;
                let document = "{ chats { nodes { name unreadCount participants { role user { name } }
                    lastMessage { content user { name } } } } }";
                let (trips, data) = scene.ask_graphql(&room.alice, document, &room.conversation).await;
                let chat = &data["chats"]["nodes"][0];
                assert_eq!(chat["participants"].as_array().unwrap().len(), 10);
                assert!(chat["lastMessage"]["user"]["name"].is_string(), "{chat}");
                trips
            })
        }),
        row("GraphQL, a send that nobody is pushed", 3, 1, |scene| {
            Box::pin(async move {
                let Pair { alice, conversation, phone, .. } = scene.pair().await;
                scene.count("ws-disconnect", phone.close()).await;
                let document =
                    "mutation ($id: ID!) { sendMessage(chatId: $id, content: \"measured\") { id } }";
                scene.ask_graphql(&alice, document, &conversation).await.0
            })
        }),
    ]
}

fn account_rows() -> Vec<Row> {
    vec![
        row("login", 2, 2, |scene| {
            Box::pin(async move {
                let alice = scene.chat.user("alice").await;
                let (trips, answer) =
                    scene.count("auth", scene.chat.log_in("email", &alice.email, &alice.password)).await;
                answer.expect(200);
                trips
            })
        }),
        // Whose it is decides who is counted.
        row("refresh", 1, 2, |scene| {
            Box::pin(async move {
                let alice = scene.chat.user("alice").await;
                let (trips, answer) = scene.count("auth", scene.chat.refresh(&alice.refresh_token)).await;
                answer.expect(200);
                trips
            })
        }),
    ]
}

#[tokio::test]
async fn no_path_waits_for_a_store_more_often_than_designed() {
    let scene = Scene::start().await;
    let mut report = Vec::new();
    let mut exceeded = false;

    for row in table() {
        // Once for what only a new process does: opening connections, loading scripts.
        (row.measure)(&scene).await;
        let measured = (row.measure)(&scene).await;
        let Row { path, allowed, .. } = row;
        exceeded |= measured.exceed(allowed);
        let mark = if measured.exceed(allowed) { "EXCEEDED" } else { "" };
        report.push(format!(
            "{path:<66} Redis {} of {}, Postgres {} of {} {mark}",
            measured.redis, allowed.redis, measured.postgres, allowed.postgres
        ));
    }

    assert!(!exceeded, "\n{}", report.join("\n"));
}

#[tokio::test]
async fn an_extra_query_on_a_path_is_reported() {
    let scene = Scene::start().await;
    let pair = scene.pair().await;
    let send = || pair.alice.send(&pair.conversation, "measured");
    let (usual, _) = scene.count("history", send()).await;
    let postgres = scene.chat.stack.postgres_connection(Some(scene.postgres.address)).await;
    let redis = scene.redis.redis_connection().await;

    let (with_a_statement, ()) = scene
        .count("history", async {
            send().await;
            postgres.simple_query("select 1").await.unwrap();
        })
        .await;
    let (with_a_command, ()) = scene
        .count("history", async {
            send().await;
            proxy::ping_redis(redis).await;
        })
        .await;

    assert_eq!(with_a_statement, Trips { postgres: usual.postgres + 1, ..usual });
    assert!(with_a_statement.exceed(usual));
    assert_eq!(with_a_command, Trips { redis: usual.redis + 1, ..usual });
    assert!(with_a_command.exceed(usual));
    assert!(!usual.exceed(usual));
}
