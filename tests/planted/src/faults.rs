//! The faults. Each is what a plausible mistake in the handler would do.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    sync::LazyLock,
    time::Duration,
};

use aws_sdk_apigatewaymanagement::primitives::Blob;
use clap::ValueEnum;
use lambda_runtime::Error;
use rand::RngExt as _;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    App, connections,
    ids::{ConnectionId, ConversationId, MessageId},
    log::{self, Change, Key, Message, Outcome},
    messages,
    protocol::Answer,
    redis::{Call, Script, Source, keys::ConversationKeys},
    websocket::{self, Request},
};
use time::OffsetDateTime;

/// How long a push is ahead of its commit.
const AHEAD: Duration = Duration::from_millis(100);

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fault {
    /// Nothing
    None,
    /// One send in twenty is acked and never committed
    AckBeforeCommit,
    /// One send in twenty is pushed 100 ms before it is committed
    PushBeforeCommit,
    /// One send in ten dies after its commit, and whoever publishes next skips what is missing
    NoFoldForward,
    /// Registrations that end are put back
    RegistryKept,
    /// One push of every send is left out, and no pong tells of it
    DroppedPush,
}

/// A handler with a fault.
pub(crate) struct Planted {
    app: App,
    fault: Fault,
    /// The registrations seen so far, of each conversation.
    seen: RefCell<HashMap<ConversationId, Registry>>,
}

/// Connections and their registrations.
type Registry = BTreeMap<String, String>;

/// What matters of a frame here.
#[derive(Deserialize)]
#[serde(tag = "type")]
enum Command {
    #[serde(rename = "message.send")]
    Send(Sending),
    #[serde(rename = "ping")]
    Ping,
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Sending {
    r#ref: Value,
    conversation_id: ConversationId,
    client_id: String,
    content: String,
}

impl Planted {
    pub(crate) fn new(app: App, fault: Fault) -> Self {
        Self { app, fault, seen: RefCell::default() }
    }

    /// Answers a frame, as API Gateway is to be answered.
    pub(crate) async fn answer(&self, request: Request) -> Result<Value, Error> {
        let rare = rand::rng().random_ratio(1, 20);
        match (self.fault, serde_json::from_str(&request.body).unwrap_or(Command::Other)) {
            (Fault::AckBeforeCommit, Command::Send(sending)) if rare => {
                let message = self.message_to_be(&request, &sending).await?;
                acked(sending.r#ref, message, false)
            }
            (Fault::PushBeforeCommit, Command::Send(sending)) if rare => {
                self.push(&request, &sending).await?;
                tokio::time::sleep(AHEAD).await;
                self.as_it_should_be(request).await
            }
            (Fault::NoFoldForward, Command::Send(sending)) => self.commit(request, sending).await,
            (Fault::RegistryKept, Command::Send(sending)) => {
                self.put_back_all(sending.conversation_id).await?;
                self.as_it_should_be(request).await
            }
            (Fault::DroppedPush, Command::Send(sending)) => self.but_one_push(request, sending).await,
            (Fault::DroppedPush, Command::Ping) => Ok(json!({"statusCode": 200})),
            _ => self.as_it_should_be(request).await,
        }
    }

    async fn as_it_should_be(&self, request: Request) -> Result<Value, Error> {
        Ok(serde_json::to_value(websocket::message(&self.app, request).await)?)
    }

    /// The message with the place that it would have if nobody else sent one now.
    async fn message_to_be(&self, request: &Request, sending: &Sending) -> Result<Message, Error> {
        let user = connections::identify(&self.app, request.frame()).await?;
        let meta = ConversationKeys::of(sending.conversation_id).meta();
        let w: Option<i64> = self.app.redis.call(Call::command("HGET").arg(meta).arg("w")).await?;
        let seq = w.unwrap_or_default() + 1;
        Ok(Message {
            id: MessageId(seq),
            seq,
            conversation_id: sending.conversation_id,
            user_id: Some(user),
            user_name: String::new(),
            user_email: None,
            content: Some(sending.content.clone()),
            metadata: None,
            client_id: Some(sending.client_id.clone()),
            reply_to: None,
            reactions: Vec::new(),
            created_at: OffsetDateTime::now_utc(),
            edited_at: None,
            deleted_at: None,
        })
    }

    /// Pushes what is not committed.
    async fn push(&self, request: &Request, sending: &Sending) -> Result<(), Error> {
        let message = serde_json::to_value(self.message_to_be(request, sending).await?)?;
        let frame = json!({
            "type": "message",
            "conversation_id": sending.conversation_id,
            "seq": message["seq"],
            "created_at": message["created_at"],
            "message": message,
        });
        for connection in self.registry(sending.conversation_id).await?.into_keys().map(ConnectionId) {
            if connection != request.connection {
                self.app.push().post(&connection, Blob::new(frame.to_string())).await;
            }
        }
        Ok(())
    }

    /// Commits, and then publishes as if nothing could be missing before it.
    async fn commit(&self, request: Request, sending: Sending) -> Result<Value, Error> {
        static SKIP: Script = LazyLock::new(|| {
            Source::new(
                "local w = redis.call('HGET', KEYS[1], 'w')
                 if w and tonumber(w) < tonumber(ARGV[1]) then redis.call('HSET', KEYS[1], 'w', ARGV[1]) end",
            )
        });
        let Sending { r#ref, conversation_id, client_id, content } = sending;
        let user = connections::identify(&self.app, request.frame()).await?;
        let (change, key) =
            (Change::Message { content, metadata: None, reply_to: None }, Key::of_client(&client_id));
        let origin = Some(&request.connection);
        let committed = log::commit(&self.app, conversation_id, user, &change, &key, origin).await;
        let Ok(committed) = committed else {
            // Refused, and shared's handler says how.
            return self.as_it_should_be(request).await;
        };
        let entry = committed.entries.first().ok_or("a send has an entry")?;
        if !rand::rng().random_ratio(1, 10) {
            let meta = ConversationKeys::of(conversation_id).meta();
            self.app.redis.call::<()>(Call::script(&SKIP, &[meta]).arg(entry.seq - 1)).await?;
            log::publish(&self.app, conversation_id, &committed.entries).await;
        }
        let sent = messages::sent(entry, committed.outcome == Outcome::Duplicate)?;
        acked(r#ref, sent.message, sent.duplicate)
    }

    /// Puts back every registration that was there before.
    async fn put_back_all(&self, conversation: ConversationId) -> Result<(), Error> {
        let now = self.registry(conversation).await?;
        let ended: Registry = {
            let mut seen = self.seen.borrow_mut();
            let seen = seen.entry(conversation).or_default();
            seen.extend(now.clone());
            seen.iter()
                .filter(|(id, _)| !now.contains_key(*id))
                .map(|(id, value)| (id.clone(), value.clone()))
                .collect()
        };
        for (connection, registration) in ended {
            self.put_back(conversation, &connection, &registration).await?;
        }
        Ok(())
    }

    /// Answers a send while one connection is not registered.
    async fn but_one_push(&self, request: Request, sending: Sending) -> Result<Value, Error> {
        let conversation = sending.conversation_id;
        let registered = self.registry(conversation).await?;
        // In order of the ids, so that mostly the same one is left out and notices nothing by what comes later.
        let victim = registered.iter().find(|(connection, _)| **connection != request.connection.0);
        let Some((connection, registration)) = victim else { return self.as_it_should_be(request).await };
        let key = ConversationKeys::of(conversation).connections();
        let left_out: bool = self.app.redis.call(Call::command("HDEL").arg(key).arg(connection)).await?;
        let answer = self.as_it_should_be(request).await;
        if left_out {
            self.put_back(conversation, connection, registration).await?;
        }
        answer
    }

    async fn registry(&self, conversation: ConversationId) -> Result<Registry, Error> {
        let key = ConversationKeys::of(conversation).connections();
        Ok(self.app.redis.call(Call::command("HGETALL").arg(key)).await?)
    }

    async fn put_back(
        &self,
        conversation: ConversationId,
        connection: &str,
        registration: &str,
    ) -> Result<(), Error> {
        let key = ConversationKeys::of(conversation).connections();
        let put = Call::command("HSETNX").arg(key).arg(connection).arg(registration);
        Ok(self.app.redis.call(put).await?)
    }
}

/// An ack, as the route's response.
fn acked(reference: Value, message: Message, duplicate: bool) -> Result<Value, Error> {
    let mut ack = serde_json::to_value(Answer::Ack { message: Box::new(message), duplicate })?;
    ack["ref"] = reference;
    Ok(json!({"statusCode": 200, "body": ack.to_string()}))
}
