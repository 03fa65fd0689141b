//! The commands of the table, over connections of their own.

use serde_json::{Value, json};
use support::{Handshake, Incoming, PATIENCE, User, about};
use tokio::time::Instant;

use super::callers::{Caller, Cast, Scene};

impl Cast {
    /// Connects and sends a command: the status that refused the handshake, the answer's type or an error's code.
    pub(super) async fn command(
        &self,
        command: &str,
        expected: &str,
        caller: Caller,
        account: &User,
        scene: &Scene,
    ) -> String {
        if command != "$connect" && caller == Caller::Disabled {
            return self.command_of_disabled(command, scene).await;
        }
        let handshake = match caller.token(account) {
            Some(token) => Handshake::new().bearer(&token),
            None => Handshake::new(),
        };
        let mut connection = match self.chat.connect(handshake).await {
            Err(status) => return status.to_string(),
            Ok(_) if command == "$connect" => return "open".to_owned(),
            Ok(connection) => connection,
        };
        if expected == "typing" {
            // It is not answered, but others see it.
            let mut watching = self.bystander.connect_to(&scene.conversation).await;
            connection.send_command(&frame(command, scene)).await;
            let told = watching.next_event().await;
            assert_eq!(told["user_id"], account.id.as_str(), "{told}");
            return told["type"].as_str().unwrap().to_owned();
        }
        let answer = connection.request(frame(command, scene)).await;
        let said = if answer["type"] == "error" { &answer["code"] } else { &answer["type"] };
        said.as_str().unwrap().to_owned()
    }

    /// The same of somebody who is connected when they are disabled.
    async fn command_of_disabled(&self, command: &str, scene: &Scene) -> String {
        let user = self.chat.user("disabled").await;
        let new = json!({"user_id": user.id, "role": "admin"});
        self.admin.post(&scene.conversation.path("/participants"), new).await.expect(201);
        let mut connection = user.connect_to(&scene.conversation).await;
        self.disable(&user).await;

        connection.send_if_open(&frame(command, scene)).await;

        match connection.next_incoming(Instant::now() + PATIENCE).await {
            Incoming::Closed(1000) => "closed".to_owned(),
            other => format!("{other:?}"),
        }
    }
}

/// A good frame of this command.
fn frame(command: &str, Scene { conversation, message }: &Scene) -> Value {
    match command {
        "ping" => json!({"type": command}),
        "subscribe" => json!({"type": command, "conversations": {&conversation.id: null}}),
        "unsubscribe" => json!({"type": command, "conversations": [conversation.id]}),
        "history" => json!({"type": command, "conversation_id": conversation.id}),
        "message.send" => {
            json!({"type": command, "conversation_id": conversation.id, "content": "something else"})
        }
        "message.edit" => about(command, message, json!({"content": "something else"})),
        "message.react" => about(command, message, json!({"emoji": "👍", "on": true})),
        "typing" => json!({"type": command, "conversation_id": conversation.id, "active": true}),
        "message.delete" | "read" => about(command, message, json!({})),
        unknown => panic!("no frame is known of the command {unknown}"),
    }
}
