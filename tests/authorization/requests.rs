//! The requests of the table: each as the caller makes it, and good if they may.

use reqwest::{Method, Url, header::CONTENT_TYPE};
use serde_json::{Value, json};
use support::{User, tokens};
use uuid::Uuid;

use super::Row;
use super::callers::{Caller, Cast, Scene};

const VERIFY: &str = "/api/v1/auth/verify-email";
const RESET: &str = "/api/v1/auth/password-reset";
const NEW_PASSWORD: &str = "Another-Horse-2";
/// What ends the session, the password or the account of whoever does it.
const HARMFUL: [&str; 4] = [
    "POST /api/v1/auth/logout",
    "DELETE /api/v1/auth/sessions",
    "POST /api/v1/auth/password",
    "DELETE /api/v1/auth/profile",
];

enum Body {
    None,
    Json(Value),
    Form(String),
}

impl Cast {
    /// Asks, and gives the status.
    pub(super) async fn request(
        &self,
        row: &Row,
        may: bool,
        caller: Caller,
        scene: Option<&Scene>,
    ) -> String {
        let account = match self.account(caller, row) {
            _ if may && HARMFUL.contains(&&*row.name()) => self.newcomer_like(caller).await,
            account => account.clone(),
        };
        let method = Method::from_bytes(row.method.as_bytes()).unwrap();
        let token = caller.token(&account);
        let path = self.path(row, scene).await;
        let request = self.chat.request(method, &path, token.as_deref());
        let answer = self
            .chat
            .answer_to(match self.body(row, caller, &account, scene).await {
                Body::None => request,
                Body::Json(body) => request.json(&body),
                Body::Form(body) => {
                    request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body)
                }
            })
            .await;
        let status = answer.status;
        let code = match status {
            401 => "unauthenticated",
            403 => "forbidden",
            404 => "not_found",
            _ => return status.to_string(),
        };
        if row.path.starts_with("/api/") {
            answer.expect_error(status, code);
        }
        status.to_string()
    }

    async fn path(&self, row: &Row, scene: Option<&Scene>) -> String {
        let mut path = row
            .path
            .replace("{user_id}", &self.bystander.id)
            .replace("/users/{id}", &format!("/users/{}", self.bystander.id))
            .replace("{emoji}", "%F0%9F%91%8D");
        if let Some(Scene { conversation, message }) = scene {
            path = path.replace("{id}", &conversation.id).replace("{message_id}", &message.id);
        }
        if path.contains("/sessions/{id}") {
            let session = self.member.signed_in_again().await;
            path = path.replace("{id}", tokens::claim(&session.access_token, "sid").as_str().unwrap());
        }
        if path.contains("{token}") {
            let page = if path.starts_with(VERIFY) { VERIFY } else { RESET };
            path = path.replace("{token}", &self.mailed_token(page).await);
        }
        if path.contains("{client_id}") {
            path = path.replace("{client_id}", &self.client().await.0);
        }
        match row.path {
            "/oauth/authorize" if row.method == "GET" => {
                let asked = Url::parse_with_params("http://query", self.asked().await).unwrap();
                format!("{path}?{}", asked.query().unwrap())
            }
            "/api/v1/users" => format!("{path}?search={}", self.bystander.username),
            route if route.ends_with("/search") => format!("{path}?q=said"),
            _ => path,
        }
    }

    async fn body(&self, row: &Row, caller: Caller, account: &User, scene: Option<&Scene>) -> Body {
        let User { email, password, .. } = account;
        let new_password = json!({"password": NEW_PASSWORD, "password_confirm": NEW_PASSWORD});
        Body::Json(match &*row.name() {
            "POST /api/v1/auth/signup" => json!({
                "email": format!("matrix_{}@example.com", Uuid::new_v4().simple()),
                "first_name": "Nora", "last_name": "New", "password": "Quite-Secret-4-you",
            }),
            "POST /api/v1/auth/login" => json!({"email": email, "password": password}),
            "POST /api/v1/auth/refresh" => {
                let session = match caller {
                    Caller::Disabled => account.clone(),
                    _ => account.signed_in_again().await,
                };
                json!({"refresh_token": session.refresh_token})
            }
            "POST /api/v1/auth/logout" => {
                json!({"refresh_token": self.bystander.signed_in_again().await.refresh_token})
            }
            "PATCH /api/v1/auth/profile" => json!({"first_name": "Renamed"}),
            "DELETE /api/v1/auth/profile" => json!({"password": password}),
            "POST /api/v1/auth/password" => with(new_password, "current_password", password),
            "POST /api/v1/auth/verify-email" => json!({"token": self.mailed_token(VERIFY).await}),
            "POST /api/v1/auth/resend-verification" | "POST /api/v1/auth/password-reset" => {
                json!({"email": self.bystander.email})
            }
            "POST /api/v1/auth/password-reset/confirm" => {
                with(new_password, "token", &self.mailed_token(RESET).await)
            }
            "POST /api/v1/auth/password-reset/{token}" => {
                return form(&[("password", NEW_PASSWORD), ("password_confirm", NEW_PASSWORD)]);
            }
            "POST /oauth/token" => return self.by_client(&[("grant_type", "client_credentials")]).await,
            "POST /oauth/revoke_token" | "POST /oauth/introspect" => {
                return self.by_client(&[("token", "of nobody")]).await;
            }
            "POST /oauth/authorize" => {
                let asked = self.asked().await;
                let mut fields: Vec<_> = asked.iter().map(|(name, value)| (*name, value.as_str())).collect();
                fields.extend([("username", email.as_str()), ("password", password)]);
                return form(&fields);
            }
            "POST /api/v1/admin/oauth-clients" => client_to_register(),
            "PATCH /api/v1/admin/oauth-clients/{client_id}" => json!({"name": "renamed"}),
            "PATCH /api/v1/admin/users/{id}" => json!({"role": "user"}),
            "POST /api/v1/conversations" => json!({"participant_ids": [self.bystander.id]}),
            "POST /api/v1/conversations/direct" => json!({"user_id": self.bystander.id}),
            "PUT /api/v1/conversations/{id}" | "PATCH /api/v1/conversations/{id}" => {
                json!({"name": "renamed"})
            }
            "POST /api/v1/conversations/{id}/read" => {
                json!({"message_id": scene.unwrap().message.id})
            }
            "PATCH /api/v1/conversations/{id}/settings" => json!({"muted": true}),
            "POST /api/v1/conversations/{id}/participants" => json!({"user_id": self.outsider.id}),
            "PATCH /api/v1/conversations/{id}/participants/{user_id}" => json!({"role": "admin"}),
            "POST /graphql" => json!({"query": "{ me { id } }"}),
            "POST /api/v1/conversations/{id}/messages"
            | "PATCH /api/v1/conversations/{id}/messages/{message_id}" => {
                json!({"content": "something else"})
            }
            _ => return Body::None,
        })
    }

    /// A new OAuth client: its id and its secret.
    async fn client(&self) -> (String, String) {
        let made = self.global.post("/api/v1/admin/oauth-clients", client_to_register()).await.expect(201);
        let text = |key: &str| made[key].as_str().unwrap().to_owned();
        (text("client_id"), text("client_secret"))
    }

    /// What a new client posts.
    async fn by_client(&self, fields: &[(&str, &str)]) -> Body {
        let (id, secret) = self.client().await;
        form(&[fields, &[("client_id", &*id), ("client_secret", &*secret)]].concat())
    }

    /// What a new client asks for at the page.
    async fn asked(&self) -> Vec<(&'static str, String)> {
        let fixed = [
            ("response_type", "code"),
            ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
            ("code_challenge_method", "S256"),
        ];
        let fixed = fixed.map(|(name, value)| (name, value.to_owned()));
        fixed.into_iter().chain([("client_id", self.client().await.0)]).collect()
    }

    /// A token out of a mail to somebody new.
    async fn mailed_token(&self, page: &str) -> String {
        let user = self.chat.user("mailed").await;
        if page == RESET {
            self.chat.post(RESET, json!({"email": user.email})).await.expect(202);
        }
        self.chat.mail_to(&user.email, page, 1).await.token()
    }
}

fn client_to_register() -> Value {
    json!({
        "name": "App", "redirect_uris": ["https://app.example/back"],
        "grant_types": ["authorization_code", "client_credentials"],
    })
}

fn form(fields: &[(&str, &str)]) -> Body {
    let encoded = Url::parse_with_params("http://form", fields).unwrap();
    Body::Form(encoded.query().unwrap().to_owned())
}

fn with(mut body: Value, field: &str, value: &str) -> Value {
    body[field] = json!(value);
    body
}
