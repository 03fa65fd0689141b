//! The objects: those of the HTTP API under the names of this one, where a conversation is a chat.

use async_graphql::{
    ComplexObject, Context, Enum, ID, InputValueError, InputValueResult, Json, Scalar, ScalarType,
    SimpleObject, Value,
};
use serde_json::Map;
use shared::accounts::{Person, Profile, Seen};
use shared::conversations::Conversation;
use shared::ids::UserId;
use shared::log;
use shared::page::Page;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::asked::Asked;
use crate::errors::answer;

/// A time.
#[derive(Clone, Copy)]
pub(crate) struct DateTime(OffsetDateTime);

/// A time in UTC, as RFC 3339 has it.
#[Scalar]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => Ok(Self(OffsetDateTime::parse(text, &Rfc3339)?)),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        self.0.format(&Rfc3339).map_or(Value::Null, Value::String)
    }
}

/// What a user may do beyond their own.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "shared::tokens::access::GlobalRole")]
pub(crate) enum UserRole {
    /// Nothing.
    User,
    /// Administration.
    Admin,
}

/// What kind of chat.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "shared::conversations::Kind")]
pub(crate) enum ChatKind {
    /// Of two people, unique for the pair.
    Direct,
    /// Of whoever is added.
    Group,
    /// Named uniquely.
    Channel,
}

/// What a participant may do.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "shared::log::Role")]
pub(crate) enum ChatRole {
    /// Rename, add, remove, delete.
    Admin,
    /// Read and send.
    Member,
}

/// A user.
#[derive(Clone, SimpleObject)]
pub(crate) struct User {
    id: ID,
    username: String,
    first_name: String,
    last_name: String,
    /// First and last name.
    name: String,
    created_at: DateTime,
    /// To oneself and to admins, like the following; to others null.
    email: Option<String>,
    email_verified: Option<bool>,
    role: Option<UserRole>,
    disabled: Option<bool>,
}

impl From<Person> for User {
    fn from(person: Person) -> Self {
        Self {
            id: person.id.into(),
            username: person.username,
            first_name: person.first_name,
            last_name: person.last_name,
            name: person.name,
            created_at: DateTime(person.created_at),
            email: None,
            email_verified: None,
            role: None,
            disabled: None,
        }
    }
}

impl From<Profile> for User {
    fn from(profile: Profile) -> Self {
        let (email, role) = (profile.email.clone(), profile.role);
        let (email_verified, disabled) = (profile.email_verified, profile.disabled);
        Self {
            email: Some(email),
            email_verified: Some(email_verified),
            role: Some(role.into()),
            disabled: Some(disabled),
            ..Person::from(profile).into()
        }
    }
}

impl From<Seen> for User {
    fn from(seen: Seen) -> Self {
        match seen {
            Seen::Whole(profile) => profile.into(),
            Seen::Public(person) => person.into(),
        }
    }
}

/// Somebody in a chat.
#[derive(SimpleObject)]
#[graphql(complex)]
pub(crate) struct Participant {
    user_id: ID,
    user_name: String,
    user_email: Option<String>,
    role: ChatRole,
    joined_at: DateTime,
    #[graphql(skip)]
    id: UserId,
}

#[ComplexObject]
impl Participant {
    /// Who.
    async fn user(&self, ctx: &Context<'_>) -> Option<User> {
        person(ctx, Some(self.id)).await
    }
}

impl From<log::Participant> for Participant {
    fn from(participant: log::Participant) -> Self {
        Self {
            user_id: participant.user_id.into(),
            user_name: participant.user_name,
            user_email: participant.user_email,
            role: participant.role.into(),
            joined_at: DateTime(participant.joined_at),
            id: participant.user_id,
        }
    }
}

/// A conversation, as one of its participants sees it.
#[derive(SimpleObject)]
pub(crate) struct Chat {
    id: ID,
    kind: ChatKind,
    name: Option<String>,
    /// What the reader may do.
    role: ChatRole,
    /// The ten longest-standing participants.
    #[graphql(complexity = "10 * child_complexity")]
    participants: Vec<Participant>,
    participant_count: i64,
    /// The last seq of its log.
    last_seq: i64,
    last_message: Option<Message>,
    /// Others' undeleted messages after the reader's read pointer, counted up to 100.
    unread_count: i64,
    muted: bool,
    archived: bool,
    created_at: DateTime,
    /// When something last happened in it.
    updated_at: DateTime,
}

impl From<Conversation> for Chat {
    fn from(conversation: Conversation) -> Self {
        Self {
            id: conversation.id.into(),
            kind: conversation.kind.into(),
            name: conversation.name,
            role: conversation.role.into(),
            participants: conversation.participants.into_iter().map(Participant::from).collect(),
            participant_count: conversation.participant_count,
            last_seq: conversation.last_seq,
            last_message: conversation.last_message.map(Message::from),
            unread_count: conversation.unread_count,
            muted: conversation.muted,
            archived: conversation.archived,
            created_at: DateTime(conversation.created_at),
            updated_at: DateTime(conversation.updated_at),
        }
    }
}

/// A message, in its latest state.
#[derive(SimpleObject)]
#[graphql(complex)]
pub(crate) struct Message {
    /// Its `seq` and `-0`, unique within its chat.
    id: ID,
    seq: i64,
    chat_id: ID,
    /// Who sent it; null once erased.
    user_id: Option<ID>,
    user_name: String,
    user_email: Option<String>,
    /// Null once deleted.
    content: Option<String>,
    metadata: Option<Json<Map<String, serde_json::Value>>>,
    client_id: Option<String>,
    /// The id of the message that this one answers.
    reply_to: Option<ID>,
    /// At most 20.
    #[graphql(complexity = "20 * child_complexity")]
    reactions: Vec<Reaction>,
    created_at: DateTime,
    edited_at: Option<DateTime>,
    deleted_at: Option<DateTime>,
    #[graphql(skip)]
    sender: Option<UserId>,
}

#[ComplexObject]
impl Message {
    /// Who sent it; null once erased.
    async fn user(&self, ctx: &Context<'_>) -> Option<User> {
        person(ctx, self.sender).await
    }
}

impl From<log::Message> for Message {
    fn from(message: log::Message) -> Self {
        Self {
            id: message.id.into(),
            seq: message.seq,
            chat_id: message.conversation_id.into(),
            user_id: message.user_id.map(ID::from),
            user_name: message.user_name,
            user_email: message.user_email,
            content: message.content,
            metadata: message.metadata.map(Json),
            client_id: message.client_id,
            reply_to: message.reply_to.map(ID::from),
            reactions: message.reactions.into_iter().map(Reaction::from).collect(),
            created_at: DateTime(message.created_at),
            edited_at: message.edited_at.map(DateTime),
            deleted_at: message.deleted_at.map(DateTime),
            sender: message.user_id,
        }
    }
}

async fn person(ctx: &Context<'_>, id: Option<UserId>) -> Option<User> {
    let found = Asked::of(ctx).people()?.load_one(id?).await;
    answer(ctx, found).flatten()
}

/// An emoji and who reacted with it.
#[derive(SimpleObject)]
pub(crate) struct Reaction {
    emoji: String,
    user_ids: Vec<ID>,
}

impl From<log::Reaction> for Reaction {
    fn from(log::Reaction { emoji, user_ids }: log::Reaction) -> Self {
        Self { emoji, user_ids: user_ids.into_iter().map(ID::from).collect() }
    }
}

/// Where a list goes on.
#[derive(SimpleObject)]
pub(crate) struct PageInfo {
    /// What to pass on for the next page, in the same direction; null on the last one.
    end_cursor: Option<String>,
    has_next_page: bool,
}

/// Lists, a page of each.
macro_rules! connections {
    ($($(#[$doc:meta])* $name:ident of $node:ident from $item:ty;)*) => {$(
        $(#[$doc])*
        #[derive(SimpleObject)]
        pub(crate) struct $name {
            nodes: Vec<$node>,
            page_info: PageInfo,
        }

        impl From<Page<$item>> for $name {
            fn from(Page { items, next }: Page<$item>) -> Self {
                let page_info = PageInfo { has_next_page: next.is_some(), end_cursor: next };
                Self { nodes: items.into_iter().map($node::from).collect(), page_info }
            }
        }
    )*};
}

connections! {
    /// A page of users.
    UserConnection of User from Profile;
    /// A page of chats.
    ChatConnection of Chat from Conversation;
    /// A page of messages.
    MessageConnection of Message from log::Message;
}
