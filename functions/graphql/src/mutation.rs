//! What may be changed.

use async_graphql::{Context, ID, Json, Object};
use shared::conversations::{self, Name, NewConversation, NewKind, NewParticipant};
use shared::log::Role;
use shared::messages::{self, ClientId, NewMessage};
use shared::throttle::Who;
use shared::{Error, Result};

use crate::asked::Asked;
use crate::errors::answer;
use crate::objects::{Chat, Message, Participant};
use crate::query::chat_id;
use crate::schema::STORED;

/// The mutations.
pub(crate) struct Mutation;

/// They run one after the other. One that is refused is null, with an error beside it; those after it run all the same.
#[Object]
impl Mutation {
    /// Starts a channel, a chat with a name that no other one has; for admins.
    #[graphql(complexity = "STORED + child_complexity")]
    async fn create_chat(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "2 to 50 of a-z, 0-9 and -.")] name: String,
    ) -> Option<Chat> {
        let asked = Asked::of(ctx);
        let chat = async {
            let caller = asked.caller()?;
            let throttle = &asked.app.throttles.conversations;
            asked.admission().and(throttle, Who::User(caller)).pass(&asked.app).await?;
            let new = NewConversation {
                kind: NewKind::Channel,
                name: Some(Name::try_from(name).map_err(|problem| Error::invalid("name", problem))?),
                participant_ids: Vec::new(),
                participant_emails: Vec::new(),
            };
            conversations::start(&asked.app, caller, new).await
        };
        answer(ctx, chat.await.map(Chat::from))
    }

    /// Adds somebody to a chat, or finds that they are in it; for its admins, and of a channel for all admins.
    #[graphql(complexity = "STORED + child_complexity")]
    async fn assign_user_to_chat(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whom.")] user_id: ID,
        #[graphql(desc = "To which.")] chat_id: ID,
    ) -> Option<Participant> {
        let asked = Asked::of(ctx);
        let participant = async {
            let (caller, key) = (asked.caller()?, asked.key());
            let chat = self::chat_id(&chat_id)?;
            let user = user_id.parse().map_err(|problem: &str| Error::invalid("userId", problem))?;
            let new = NewParticipant { user_id: Some(user), email: None, role: Role::Member };
            conversations::add_participant(&asked.app, caller, chat, new, &key).await
        };
        answer(ctx, participant.await.map(|(participant, _)| Participant::from(participant)))
    }

    /// Sends a message. One that is sent again with the same `clientId` is the same message.
    #[graphql(complexity = "STORED + child_complexity")]
    async fn send_message(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "To which.")] chat_id: ID,
        #[graphql(desc = "1 to 2000 characters.")] content: String,
        #[graphql(desc = "An object of at most 4 KiB.")] metadata: Option<Json<serde_json::Value>>,
        #[graphql(desc = "1 to 64 characters, drawn by the client for this message.")] client_id: Option<
            String,
        >,
        #[graphql(desc = "The message that this one answers.")] reply_to: Option<ID>,
    ) -> Option<Message> {
        let asked = Asked::of(ctx);
        let sent = async {
            let (caller, admission) = (asked.caller()?, asked.admission());
            let chat = self::chat_id(&chat_id)?;
            let new = NewMessage {
                content: content.into(),
                metadata: metadata.map(|Json(value)| value),
                client_id: given("clientId", client_id.map(ClientId::try_from))?,
                reply_to: given("replyTo", reply_to.map(|id| id.parse()))?,
            };
            messages::send(&asked.app, caller, chat, new, &admission).await
        };
        answer(ctx, sent.await.map(|sent| Message::from(sent.message)))
    }
}

/// An argument that may be left out.
fn given<T>(field: &str, parsed: Option<Result<T, &'static str>>) -> Result<Option<T>> {
    parsed.transpose().map_err(|problem| Error::invalid(field, problem))
}
