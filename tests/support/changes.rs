//! What can be done to a message after it was sent, and what else others are told of.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{Answer, Connection, Conversation, Message, User};

impl User {
    /// Asks for a message to say something else.
    pub async fn patch_message(&self, conversation: &Conversation, id: &str, edit: Value) -> Answer {
        self.patch(&conversation.path(&format!("/messages/{id}")), edit).await
    }

    /// Edits a message over HTTP.
    pub async fn edit(&self, message: &Message, content: &str) -> Message {
        let edit = json!({"content": content});
        let edited = self.patch_message(&message.conversation(), &message.id, edit).await;
        Message::read(&edited.expect(200))
    }

    /// Deletes a message over HTTP.
    pub async fn delete_message(&self, conversation: &Conversation, id: &str) -> Answer {
        self.delete(&conversation.path(&format!("/messages/{id}"))).await
    }

    /// Reacts to a message over HTTP.
    pub async fn react(&self, message: &Message, emoji: &str) -> Answer {
        self.change_reaction(Method::PUT, message, emoji).await
    }

    /// Takes a reaction back over HTTP.
    pub async fn react_no_more(&self, message: &Message, emoji: &str) -> Answer {
        self.change_reaction(Method::DELETE, message, emoji).await
    }

    async fn change_reaction(&self, method: Method, message: &Message, emoji: &str) -> Answer {
        let path = format!("/messages/{}/reactions/{}", message.id, percent_encoded(emoji));
        let path = message.conversation().path(&path);
        self.chat.call(method, &path, Some(&self.access_token), None).await
    }

    /// How many messages of others they have not read.
    pub async fn unread_count(&self, conversation: &Conversation) -> u64 {
        let listed = self.list_conversations().await;
        let listed = listed.into_iter().find(|listed| listed["id"] == conversation.id.as_str());
        let listed = listed.unwrap_or_else(|| panic!("{} is not listed", conversation.id));
        listed["unread_count"].as_u64().unwrap_or_else(|| panic!("unread_count is a number: {listed}"))
    }

    /// Signs out of all sessions.
    pub async fn sign_out_everywhere(&self) -> Answer {
        self.delete("/api/v1/auth/sessions").await
    }

    /// The same person, signed in once more.
    pub async fn signed_in_again(&self) -> Self {
        let answer = self.chat.log_in("email", &self.email, &self.password).await.expect(200);
        Self::signed_in(&self.chat, &answer, self.password.clone())
    }
}

impl Connection {
    /// Edits a message and waits for the ack.
    pub async fn edit(&mut self, message: &Message, content: &str) -> Message {
        self.change("message.edit", message, json!({"content": content})).await
    }

    /// Deletes a message and waits for the ack, which has the tombstone.
    pub async fn delete_message(&mut self, message: &Message) -> Message {
        self.change("message.delete", message, json!({})).await
    }

    /// Reacts to a message, or no more, and waits for the ack.
    pub async fn react(&mut self, message: &Message, emoji: &str, on: bool) -> Message {
        self.change("message.react", message, json!({"emoji": emoji, "on": on})).await
    }

    async fn change(&mut self, command: &str, message: &Message, arguments: Value) -> Message {
        let ack = self.request(about(command, message, arguments)).await;
        assert_eq!(ack["type"], "ack", "{ack}");
        assert_eq!(ack["duplicate"], false, "{ack}");
        Message::read(&ack["message"])
    }

    /// Tells that the user types, or stopped; this is not answered.
    pub async fn type_in(&mut self, conversation: &Conversation, active: bool) {
        let command = json!({"type": "typing", "conversation_id": conversation.id, "active": active});
        self.send_command(&command).await;
    }

    /// Tells that the user has read up to a message, and waits for the ack.
    pub async fn read_up_to(&mut self, message: &Message) {
        let ack = self.request(about("read", message, json!({}))).await;
        assert_eq!(ack["type"], "ack", "{ack}");
        assert_eq!(ack["message_id"], message.id.as_str(), "{ack}");
    }
}

impl Message {
    /// Where it was said.
    pub fn conversation(&self) -> Conversation {
        Conversation { id: self.conversation_id.clone() }
    }
}

/// A command about a message.
pub fn about(command: &str, message: &Message, arguments: Value) -> Value {
    let mut command =
        json!({"type": command, "conversation_id": message.conversation_id, "message_id": message.id});
    let Value::Object(arguments) = arguments else { panic!("arguments are an object: {arguments}") };
    command.as_object_mut().expect("it was made as one").extend(arguments);
    command
}

fn percent_encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut encoded, byte| {
        let _infallible = write!(encoded, "%{byte:02X}");
        encoded
    })
}
