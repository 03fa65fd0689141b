//! What may be asked.

use async_graphql::{Context, ID, Object};
use shared::ids::ConversationId;
use shared::messages::PageOf;
use shared::page::Limit;
use shared::throttle::Who;
use shared::{Error, Result, accounts, administration, conversations, messages};

use crate::asked::Asked;
use crate::errors::answer;
use crate::objects::{Chat, ChatConnection, MessageConnection, User, UserConnection};
use crate::schema::{PAGE_OF_MESSAGES, STORED};

/// The queries.
pub(crate) struct Query;

/// A field that is refused is null, with an error beside it; the others are answered.
#[Object]
impl Query {
    /// Oneself.
    #[graphql(complexity = "STORED + child_complexity")]
    async fn me(&self, ctx: &Context<'_>) -> Option<User> {
        let asked = Asked::of(ctx);
        let profile = async { accounts::profile(&asked.app, asked.caller()?).await };
        answer(ctx, profile.await.map(User::from))
    }

    /// All users, newest first; for admins.
    #[graphql(complexity = "STORED + size(first) * child_complexity")]
    async fn users(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The beginning of a username, or a whole e-mail address.")] search: Option<String>,
        #[graphql(desc = "1 to 100, 50 when left out.")] first: Option<i32>,
        #[graphql(desc = "The `endCursor` of the page before.")] after: Option<String>,
    ) -> Option<UserConnection> {
        let asked = Asked::of(ctx);
        let users = async {
            asked.require_admin().await?;
            let limit = limit(first)?;
            administration::list_users(&asked.app, search.as_deref(), after.as_deref(), limit).await
        };
        answer(ctx, users.await.map(UserConnection::from))
    }

    /// The chats one is in, latest activity first.
    #[graphql(complexity = "STORED + size(first) * child_complexity")]
    async fn chats(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "1 to 100, 50 when left out.")] first: Option<i32>,
        #[graphql(desc = "The `endCursor` of the page before.")] after: Option<String>,
    ) -> Option<ChatConnection> {
        let asked = Asked::of(ctx);
        let chats = async {
            let caller = asked.caller()?;
            conversations::list(&asked.app, caller, after.as_deref(), limit(first)?).await
        };
        answer(ctx, chats.await.map(ChatConnection::from))
    }

    /// One of the chats one is in.
    #[graphql(complexity = "STORED + child_complexity")]
    async fn chat(&self, ctx: &Context<'_>, #[graphql(desc = "Which.")] id: ID) -> Option<Chat> {
        let asked = Asked::of(ctx);
        let chat = async {
            let caller = asked.caller()?;
            conversations::show(&asked.app, caller, chat_id(&id)?).await
        };
        answer(ctx, chat.await.map(Chat::from))
    }

    /// The messages of a chat, oldest first: the newest of them, or those next to one.
    #[graphql(complexity = "PAGE_OF_MESSAGES + size(first) * child_complexity")]
    async fn messages(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of which.")] chat_id: ID,
        #[graphql(desc = "Those before the message of this id.")] before: Option<ID>,
        #[graphql(desc = "Those after the message of this id.")] after: Option<ID>,
        #[graphql(desc = "1 to 100, 50 when left out.")] first: Option<i32>,
    ) -> Option<MessageConnection> {
        let asked = Asked::of(ctx);
        let messages = async {
            let caller = asked.caller()?;
            let chat = self::chat_id(&chat_id)?;
            let message = |field, id: Option<ID>| {
                let id = id.map(|id| id.parse()).transpose();
                id.map_err(|problem| Error::invalid(field, problem))
            };
            let of = PageOf {
                before: message("before", before)?,
                from: message("after", after)?,
                limit: limit(first)?,
            };
            let admission = asked.admission().and(&asked.app.throttles.reads, Who::User(caller));
            messages::page(&asked.app, caller, chat, of, Some(&admission)).await
        };
        answer(ctx, messages.await.map(MessageConnection::from))
    }
}

/// The chat of an argument. One that is no id is no chat.
pub(crate) fn chat_id(id: &ID) -> Result<ConversationId> {
    id.parse().map_err(|_| Error::NotFound("conversation"))
}

fn limit(first: Option<i32>) -> Result<Limit> {
    let limit = first.map(|first| i64::from(first).try_into()).transpose();
    limit.map(Option::unwrap_or_default).map_err(|problem: &str| Error::invalid("first", problem))
}

/// How many of a list are asked for. A number that will be refused costs as much as one that is not.
fn size(first: Option<i32>) -> usize {
    limit(first).unwrap_or_default().get()
}
