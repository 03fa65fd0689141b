//! Somebody with an account, and what they can do: one method per action.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{Answer, Connection, Handshake, Message, Page, TestChat};

/// A conversation by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// Its id.
    pub id: String,
}

impl Conversation {
    /// The conversation in an answer.
    #[track_caller]
    pub fn read(json: &Value) -> Self {
        Self { id: text(json, "id") }
    }

    /// The path of this conversation in the HTTP API, with what follows it.
    pub fn path(&self, rest: &str) -> String {
        format!("/api/v1/conversations/{}{rest}", self.id)
    }
}

/// Somebody who has signed up and is signed in.
#[derive(Debug, Clone)]
pub struct User {
    pub(crate) chat: TestChat,
    /// Their id.
    pub id: String,
    /// Their e-mail.
    pub email: String,
    /// Their username.
    pub username: String,
    /// Their first and last name.
    pub name: String,
    /// Their password.
    pub password: String,
    /// A token for requests.
    pub access_token: String,
    /// A token for the next pair of tokens.
    pub refresh_token: String,
}

impl User {
    /// The user of an answer to signup or login.
    #[track_caller]
    pub fn signed_in(chat: &TestChat, answer: &Value, password: String) -> Self {
        let user = &answer["user"];
        Self {
            chat: chat.clone(),
            id: text(user, "id"),
            email: text(user, "email"),
            username: text(user, "username"),
            name: text(user, "name"),
            password,
            access_token: text(answer, "access_token"),
            refresh_token: text(answer, "refresh_token"),
        }
    }

    /// An authenticated GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    /// An authenticated POST.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(body)).await
    }

    /// An authenticated PUT.
    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PUT, path, Some(body)).await
    }

    /// An authenticated PATCH.
    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path, Some(body)).await
    }

    /// An authenticated DELETE.
    pub async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, None).await
    }

    /// Any JSON request.
    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.chat.call(method, path, Some(&self.access_token), body).await
    }

    /// Their own profile.
    pub async fn profile(&self) -> Value {
        self.get("/api/v1/auth/profile").await.expect(200)
    }

    /// A ticket for one WebSocket.
    pub async fn ticket(&self) -> String {
        let answer = self.post("/api/v1/auth/ws-ticket", json!({})).await.expect(201);
        text(&answer, "ticket")
    }

    /// Signs in again and again until the password is refused. Gives the refresh tokens.
    pub async fn sign_in_until_refused(&self) -> Vec<String> {
        let mut refresh_tokens = Vec::new();
        loop {
            let answer = self.chat.log_in("email", &self.email, &self.password).await;
            if answer.status != 200 {
                return refresh_tokens;
            }
            refresh_tokens.push(text(&answer.body, "refresh_token"));
        }
    }

    /// Signs out of this session.
    pub async fn log_out(&self) -> Answer {
        self.post("/api/v1/auth/logout", json!({})).await
    }

    /// Starts a group with others.
    pub async fn start_conversation_with<const N: usize>(&self, others: [&User; N]) -> Conversation {
        let ids = others.map(|other| &other.id);
        let answer = self.post("/api/v1/conversations", json!({"participant_ids": ids.as_slice()})).await;
        Conversation::read(&answer.expect(201))
    }

    /// Starts a group with a name.
    pub async fn start_named_conversation<const N: usize>(
        &self,
        name: &str,
        others: [&User; N],
    ) -> Conversation {
        let ids = others.map(|other| &other.id);
        let answer = self
            .post("/api/v1/conversations", json!({"name": name, "participant_ids": ids.as_slice()}))
            .await;
        Conversation::read(&answer.expect(201))
    }

    /// Asks for the direct conversation with somebody.
    pub async fn direct(&self, other: &User) -> Answer {
        self.post("/api/v1/conversations/direct", json!({"user_id": other.id})).await
    }

    /// The direct conversation with somebody, made or found.
    pub async fn direct_with(&self, other: &User) -> Conversation {
        let answer = self.direct(other).await;
        assert!([200, 201].contains(&answer.status), "{}: {}", answer.request, answer.body);
        Conversation::read(&answer.body)
    }

    /// The newest page of their conversations.
    pub async fn list_conversations(&self) -> Vec<Value> {
        let answer = self.get("/api/v1/conversations").await.expect(200);
        answer["items"].as_array().unwrap_or_else(|| panic!("a list has items: {answer}")).clone()
    }

    /// The details of a conversation.
    pub async fn details(&self, conversation: &Conversation) -> Value {
        self.get(&conversation.path("")).await.expect(200)
    }

    /// Gives a conversation a name.
    pub async fn rename(&self, conversation: &Conversation, name: &str) -> Answer {
        self.patch(&conversation.path(""), json!({"name": name})).await
    }

    /// The participants of a conversation, first page.
    pub async fn participants(&self, conversation: &Conversation) -> Vec<Value> {
        let answer = self.get(&conversation.path("/participants")).await.expect(200);
        answer["items"].as_array().unwrap_or_else(|| panic!("a list has items: {answer}")).clone()
    }

    /// Adds somebody to a conversation.
    pub async fn add(&self, conversation: &Conversation, other: &User) -> Answer {
        self.post(&conversation.path("/participants"), json!({"user_id": other.id})).await
    }

    /// Removes somebody from a conversation.
    pub async fn remove(&self, conversation: &Conversation, other: &User) -> Answer {
        self.delete(&conversation.path(&format!("/participants/{}", other.id))).await
    }

    /// Leaves a conversation.
    pub async fn leave(&self, conversation: &Conversation) -> Answer {
        self.remove(conversation, self).await
    }

    /// Makes somebody admin or member of a conversation.
    pub async fn change_role(&self, conversation: &Conversation, other: &User, role: &str) -> Answer {
        self.patch(&conversation.path(&format!("/participants/{}", other.id)), json!({"role": role})).await
    }

    /// Sends a message over HTTP.
    pub async fn send(&self, conversation: &Conversation, content: &str) -> Message {
        Message::read(&self.post_message(conversation, json!({"content": content})).await.expect(201))
    }

    /// Sends a message over HTTP as it is given.
    pub async fn post_message(&self, conversation: &Conversation, message: Value) -> Answer {
        self.post(&conversation.path("/messages"), message).await
    }

    /// The newest messages of a conversation, up to 100, in their order.
    pub async fn history(&self, conversation: &Conversation) -> Vec<Message> {
        self.history_page(conversation, "?limit=100").await.items
    }

    /// A page of a conversation's messages.
    pub async fn history_page(&self, conversation: &Conversation, query: &str) -> Page {
        let answer = self.get(&conversation.path(&format!("/messages{query}"))).await.expect(200);
        let items = answer["items"].as_array().unwrap_or_else(|| panic!("a list has items: {answer}"));
        assert!(answer.get("next").is_some(), "a list has next: {answer}");
        Page {
            items: items.iter().map(Message::read).collect(),
            next: answer["next"].as_str().map(str::to_owned),
        }
    }

    /// Connects without a subscription, as a program does that can set headers.
    pub async fn connect(&self) -> Connection {
        self.connect_by(Handshake::new().bearer(&self.access_token)).await
    }

    /// Connects with the handshake given.
    pub async fn connect_by(&self, handshake: Handshake) -> Connection {
        let opened = self.chat.connect(handshake).await;
        opened.unwrap_or_else(|status| panic!("{} may connect, but was refused with {status}", self.username))
    }

    /// Connects and subscribes to what is sent from now on.
    pub async fn connect_to(&self, conversation: &Conversation) -> Connection {
        let mut connection = self.connect().await;
        connection.subscribe(conversation).await;
        connection
    }
}

#[track_caller]
fn text(json: &Value, key: &str) -> String {
    json[key].as_str().unwrap_or_else(|| panic!("{key} is a string: {json}")).to_owned()
}
