//! What the subscribers of a conversation are told that is no entry of its log: who types, has read, comes or goes.
//! Each is posted once and kept nowhere.

use aws_sdk_apigatewaymanagement::primitives::Blob;
use futures_util::{StreamExt, stream};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::entry::Member;
use super::reply::Reply;
use super::rounds::{PARALLEL_POSTS, Registered};
use super::{AUDIENCE, MAX_TRIES, Token, admit, livelock, load, unexpected};
use crate::ids::{ConnectionId, ConversationId, MessageId, UserId};
use crate::redis::Call;
use crate::redis::keys::ConversationKeys;
use crate::{App, Error, Result};

/// Nobody is told more often than this, in ms, that one person types.
const TYPING_INTERVAL: u32 = 3000;

/// What is told.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// Somebody types, or stopped.
    Typing {
        /// Which of the two.
        active: bool,
    },
    /// Somebody has read up to a message.
    Read(MessageId),
}

/// Events without a seq, as frames.
#[derive(Serialize, ToSchema)]
#[schema(as = ToldEvent)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Frame<'a> {
    /// Somebody types, or stopped.
    #[schema(title = "typing")]
    Typing {
        /// Where.
        conversation_id: ConversationId,
        /// Who.
        user_id: UserId,
        /// What they are called.
        user_name: &'a str,
        /// Which of the two.
        active: bool,
    },
    /// Somebody has read up to a message.
    #[schema(title = "read")]
    Read {
        /// Where.
        conversation_id: ConversationId,
        /// Who.
        user_id: UserId,
        /// Up to which.
        message_id: MessageId,
    },
    /// Somebody came, or went.
    #[schema(title = "presence")]
    Presence {
        /// Where.
        conversation_id: ConversationId,
        /// Who.
        user_id: UserId,
        /// Which of the two.
        online: bool,
        /// When.
        #[serde(with = "time::serde::rfc3339")]
        last_seen: OffsetDateTime,
    },
}

/// Tells the subscribers something about a user, who acts over the connection `origin` if over one.
pub async fn tell(
    app: &App,
    conversation: ConversationId,
    by: UserId,
    origin: Option<&ConnectionId>,
    event: Event,
) -> Result<()> {
    let keys = ConversationKeys::of(conversation);
    let mut all = keys.fold().to_vec();
    all.push(keys.typing_prefix());
    let interval = if matches!(event, Event::Typing { .. }) { TYPING_INTERVAL } else { 0 };
    for _ in 0..MAX_TRIES {
        let call = Call::script(&AUDIENCE, &all).arg(by.to_string()).arg(interval);
        let mut reply = Reply::of(app.redis.call(call).await?)?;
        match reply.tag.as_str() {
            "audience" => {
                let member: Member = serde_json::from_str(&reply.next::<String>()?)
                    .map_err(|error| Error::Internal(error.into()))?;
                let frame = match event {
                    Event::Typing { active } => Frame::Typing {
                        conversation_id: conversation,
                        user_id: by,
                        user_name: &member.name,
                        active,
                    },
                    Event::Read(message_id) => {
                        Frame::Read { conversation_id: conversation, user_id: by, message_id }
                    }
                };
                // Another device of theirs has read it too, but nobody has to see themselves type.
                let told = Registered::all(&reply.rest()?).into_iter().filter(|one| match event {
                    Event::Typing { .. } => one.user != by,
                    Event::Read(_) => Some(&one.id) != origin,
                });
                return post(app, told.map(|one| one.id).collect(), &frame).await;
            }
            "cold" => load(app, conversation, &Token::generate()).await?,
            "stranger" => admit(app, conversation, by).await?,
            other => return Err(unexpected(other)),
        }
    }
    Err(livelock())
}

/// Tells these connections that somebody came or went.
pub async fn announce(
    app: &App,
    conversation: ConversationId,
    audience: Vec<ConnectionId>,
    user: UserId,
    online: bool,
) -> Result<()> {
    let last_seen = OffsetDateTime::now_utc();
    let frame = Frame::Presence { conversation_id: conversation, user_id: user, online, last_seen };
    post(app, audience, &frame).await
}

/// Whom a post misses learns it the next time; who is gone is found so by the next push.
async fn post(app: &App, audience: Vec<ConnectionId>, frame: &Frame<'_>) -> Result<()> {
    let frame = Blob::new(super::to_json(frame)?);
    let posts = stream::iter(audience).for_each_concurrent(PARALLEL_POSTS, |connection| {
        let frame = frame.clone();
        async move {
            app.push().post(&connection, frame).await;
        }
    });
    posts.await;
    Ok(())
}
