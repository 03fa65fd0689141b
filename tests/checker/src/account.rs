//! Somebody's session, and HTTP requests that are repeated until they are answered.

use std::time::Duration;

use anyhow::{Result, bail};
use rand::RngExt as _;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use support::{TestChat, User};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};
use uuid::Uuid;

/// Longer than any function may take: a request is not given up while it may still take effect.
const REQUEST_LIMIT: Duration = Duration::from_mins(1);
/// Longer than any fault lasts.
const PATIENCE: Duration = Duration::from_mins(3);

/// A session of a user.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) user: User,
    chat: TestChat,
    token: Mutex<String>,
}

impl Account {
    /// A session of somebody new. Signing up again, as after a lost answer, is a conflict with oneself.
    pub(crate) async fn sign_up(chat: &TestChat) -> Result<Self> {
        let (name, password) = (Uuid::new_v4().simple().to_string(), format!("Secret-{}", Uuid::new_v4()));
        let email = format!("{name}@example.com");
        let new = json!({"email": email, "first_name": "Some", "last_name": "Body", "password": password});
        let request = || chat.request(Method::POST, "/api/v1/auth/signup", None).json(&new);
        persist(request, &[201, 409], "signing up").await?;
        let answer = log_in(chat, &email, &password).await?;
        Ok(Self::of(chat, User::signed_in(chat, &answer, password)))
    }

    /// A session more.
    pub(crate) async fn sign_in(chat: &TestChat, user: &User) -> Result<Self> {
        let answer = log_in(chat, &user.email, &user.password).await?;
        Ok(Self::of(chat, User::signed_in(chat, &answer, user.password.clone())))
    }

    fn of(chat: &TestChat, user: User) -> Self {
        let token = Mutex::new(user.access_token.clone());
        Self { user, chat: chat.clone(), token }
    }

    /// Signs in anew.
    pub(crate) async fn renew(&self) -> Result<()> {
        let answer = log_in(&self.chat, &self.user.email, &self.user.password).await?;
        *self.token.lock().await = User::signed_in(&self.chat, &answer, String::new()).access_token;
        Ok(())
    }

    /// Ends this session; once more after a lost answer, it has ended already.
    pub(crate) async fn sign_out(&self) -> Result<()> {
        let token = self.token().await;
        let request =
            || self.chat.request(Method::POST, "/api/v1/auth/logout", Some(&token)).json(&json!({}));
        persist(request, &[204, 401], "signing out").await.map(drop)
    }

    /// Asks until the answer has one of these statuses, and gives its body.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        accepted: &[u16],
    ) -> Result<String> {
        let accepted = [accepted, &[401]].concat();
        loop {
            let token = self.token().await;
            let request = || {
                let request = self.chat.request(method.clone(), path, Some(&token));
                match &body {
                    Some(body) => request.json(body),
                    None => request,
                }
            };
            match persist(request, &accepted, path).await? {
                (StatusCode::UNAUTHORIZED, _) => self.renew().await?,
                (_, text) => return Ok(text),
            }
        }
    }

    pub(crate) async fn token(&self) -> String {
        self.token.lock().await.clone()
    }
}

async fn log_in(chat: &TestChat, email: &str, password: &str) -> Result<Value> {
    let body = json!({"email": email, "password": password});
    let request = || chat.request(Method::POST, "/api/v1/auth/login", None).json(&body);
    Ok(serde_json::from_str(&persist(request, &[200], "signing in").await?.1)?)
}

/// Repeats a request that has the same effect however often it is made, until an answer has one of these statuses.
async fn persist(
    request: impl Fn() -> reqwest::RequestBuilder,
    accepted: &[u16],
    what: &str,
) -> Result<(StatusCode, String)> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let problem = match request().timeout(REQUEST_LIMIT).send().await {
            Ok(answer) => {
                let status = answer.status();
                let text = answer.text().await;
                match text {
                    Ok(text) if accepted.contains(&status.as_u16()) => return Ok((status, text)),
                    Ok(text) if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => {
                        bail!("{what}: {status} {text}")
                    }
                    Ok(text) => format!("{status} {text}"),
                    Err(error) => error.to_string(),
                }
            }
            Err(error) => error.to_string(),
        };
        if Instant::now() > deadline {
            bail!("{what}: no answer in {PATIENCE:?}: {problem}");
        }
        let pause = rand::rng().random_range(100..500);
        sleep(Duration::from_millis(pause)).await;
    }
}
