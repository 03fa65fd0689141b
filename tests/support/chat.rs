//! A running chat as its visitors see it.

use std::{net::IpAddr, sync::Arc};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::{
    Answer, Connection, Handshake, PATIENCE, RedisCluster, Stack, StackOptions, User, canaries, redis_users,
};

/// A handle on a running chat: the one that all stories share, or one's own.
#[derive(Debug, Clone)]
pub struct TestChat {
    /// The system behind it.
    pub stack: Arc<Stack>,
    http: reqwest::Client,
}

impl TestChat {
    /// The chat that all stories share; each has users and conversations of its own in it. At Redis its functions may do
    /// what the template grants them, and no more.
    pub async fn start() -> Self {
        static SHARED: OnceCell<Arc<Stack>> = OnceCell::const_new();
        let start = async || {
            let redis = Some(redis_users::url_of_few_rights().await);
            Arc::new(Stack::start(StackOptions { redis, ..StackOptions::default() }).await)
        };
        Self::over(Arc::clone(SHARED.get_or_init(start).await))
    }

    /// A chat of one's own, for stories with other settings or with faults.
    pub async fn alone(options: StackOptions) -> Self {
        Self::over(Arc::new(Stack::start(options).await))
    }

    /// The chat over a Redis cluster that its stories share.
    pub async fn on_cluster() -> Self {
        static SHARED: OnceCell<Arc<Stack>> = OnceCell::const_new();
        let start = async || {
            let redis_cluster = Some(RedisCluster::shared().await.url());
            // On, and too wide to refuse anybody: their keys are all over the cluster.
            let throttles = ["SIGNUP", "LOGIN", "CONVERSATIONS", "READS", "ANONYMOUS", "USER", "COMMANDS"];
            let throttles = throttles.map(|throttle| (throttle, "100000/60".to_owned())).to_vec();
            Arc::new(Stack::start(StackOptions { throttles, redis_cluster, ..StackOptions::default() }).await)
        };
        Self::over(Arc::clone(SHARED.get_or_init(start).await))
    }

    /// The same chat for visitors from another address.
    pub fn from_address(&self, address: IpAddr) -> Self {
        Self { stack: Arc::clone(&self.stack), http: client(Some(address)) }
    }

    fn over(stack: Arc<Stack>) -> Self {
        // One client per test: its connections live on that test's runtime.
        Self { stack, http: client(None) }
    }

    /// Signs up somebody whom no other story knows.
    pub async fn user(&self, name: &str) -> User {
        let username = format!("{name}_{}", &Uuid::new_v4().simple().to_string()[..16]);
        let email = format!("{username}@example.com");
        let password = format!("Quite-Secret-{}", Uuid::new_v4().simple());
        let account = json!({
            "email": email,
            "username": username,
            "first_name": capitalised(name),
            "last_name": "Tester",
            "password": password,
        });
        let signed_up = self.post("/api/v1/auth/signup", account).await.expect(201);
        User::signed_in(self, &signed_up, password)
    }

    /// Several of [`TestChat::user`].
    pub async fn users<const N: usize>(&self, names: [&str; N]) -> [User; N] {
        let users = futures_util::future::join_all(names.map(|name| self.user(name))).await;
        users.try_into().unwrap_or_else(|_| unreachable!("as many users as names"))
    }

    /// Somebody with the global role of an admin, whose token says so.
    pub async fn admin(&self, name: &str) -> User {
        let user = self.user(name).await;
        self.set_role(&user, "admin").await;
        user.signed_in_again().await
    }

    /// Gives somebody a global role behind the API's back, as an operator does.
    pub async fn set_role(&self, user: &User, role: &str) {
        let postgres = self.stack.postgres_connection(None).await;
        let change = "update users set role = $2 where id = $1::text::uuid";
        let changed = postgres.execute(change, &[&user.id, &role]).await;
        assert_eq!(changed.expect("an update"), 1);
    }

    /// An anonymous GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None, None).await
    }

    /// An anonymous POST.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, None, Some(body)).await
    }

    /// A sign-in with an e-mail or a username under the key given.
    pub async fn log_in(&self, key: &str, who: &str, password: &str) -> Answer {
        self.post("/api/v1/auth/login", json!({key: who, "password": password})).await
    }

    /// A refresh with this token.
    pub async fn refresh(&self, refresh_token: &str) -> Answer {
        self.post("/api/v1/auth/refresh", json!({"refresh_token": refresh_token})).await
    }

    /// Any JSON request, with an access token or without.
    pub async fn call(&self, method: Method, path: &str, token: Option<&str>, body: Option<Value>) -> Answer {
        let request = self.request(method, path, token);
        self.answer_to(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    }

    /// A request to be given whatever headers and body a story needs.
    pub fn request(&self, method: Method, path: &str, token: Option<&str>) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.stack.url));
        match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request made with [`TestChat::request`].
    pub async fn answer_to(&self, request: reqwest::RequestBuilder) -> Answer {
        let request = request.build().expect("a story's request is well formed");
        canaries::note_request(&request);
        let named = format!("{} {}", request.method(), request.url().path());
        let response = self.http.execute(request).await.unwrap_or_else(|err| panic!("{named}: {err:?}"));
        Answer::read(named, response).await
    }

    /// Opens a WebSocket, or tells the status it was refused with.
    pub async fn connect(&self, handshake: Handshake) -> Result<Connection, u16> {
        Connection::open(&self.stack.websocket_url, handshake).await
    }
}

fn client(address: Option<IpAddr>) -> reqwest::Client {
    // Where an answer leads is for the story to see.
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let client = client.no_proxy().timeout(PATIENCE).local_address(address).build();
    client.expect("a client without TLS can be built")
}

fn capitalised(name: &str) -> String {
    let (first, rest) = name.split_at(1);
    first.to_uppercase() + rest
}
