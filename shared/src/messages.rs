//! Messages: send them once for ever, edit, take back, react, page through them.
//!
//! A send asks the gate, commits, and only then publishes and pushes; what it answers is what is committed.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use unicode_segmentation::UnicodeSegmentation;
use utoipa::{IntoParams, ToSchema};

use crate::ids::{ConversationId, MessageId, UserId};
use crate::log::{self, Actor, Around, Change, Enqueued, Gate, Intent, Job, Key, Message, Outcome};
use crate::metrics::Via;
use crate::page::{Limit, Page};
use crate::presence::Frame;
use crate::throttle::Admission;
use crate::{App, Error, Result};

/// What a client wants to say. The parts become valid values when it is sent, not before, because a frame tells
/// content that is empty from content that is too long.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(description = "What a client wants to say.")]
pub struct NewMessage {
    /// The text.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 2000, pattern = r"^[^\x00]*[^\s\x00][^\x00]*$")]
    pub content: Value,
    /// An object beside it, of at most 4 KiB.
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Value>,
    /// The idempotency key.
    pub client_id: Option<ClientId>,
    /// The message it answers.
    pub reply_to: Option<MessageId>,
}

/// What a message is to say instead.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Edit {
    /// The text.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 2000, pattern = r"^[^\x00]*[^\s\x00][^\x00]*$")]
    pub content: Value,
    /// The idempotency key.
    pub client_id: Option<ClientId>,
}

/// A client's idempotency key: 1 to 64 characters.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(min_length = 1, max_length = 64, pattern = r"^[^\x00]+$", examples("3fd2c0ff"))]
pub struct ClientId(String);

impl TryFrom<String> for ClientId {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        if !(1..=64).contains(&text.chars().count()) {
            Err("must have 1 to 64 characters")
        } else if text.contains('\0') {
            Err("must not contain a null character")
        } else {
            Ok(Self(text))
        }
    }
}

/// How somebody reacts: one character as people count them (a grapheme cluster of Unicode's UAX #29), of at most 32
/// bytes.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(min_length = 1, max_length = 32, examples("👍"))]
pub struct Emoji(String);

impl TryFrom<String> for Emoji {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut graphemes = text.graphemes(true);
        let one = graphemes.next().is_some() && graphemes.next().is_none();
        let visible = !text.chars().all(|c| c.is_whitespace() || c.is_control());
        if one && visible && text.len() <= 32 {
            Ok(Self(text))
        } else {
            Err("must be one emoji of at most 32 bytes")
        }
    }
}

impl std::str::FromStr for Emoji {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.to_owned().try_into()
    }
}

/// Who changes a message, and by which request.
#[derive(Debug)]
pub struct Editor<'a> {
    /// Who.
    pub user: UserId,
    /// The request's id.
    pub request_id: &'a str,
}

/// A message as sent and committed.
#[derive(Debug, Serialize)]
pub struct Sent {
    /// The message.
    pub message: Message,
    /// Whether it was there already.
    pub duplicate: bool,
}

const MAX_CHARS: usize = 2000;
const MAX_METADATA: usize = 4 * 1024;
/// Far below what a parser takes: a message is shown inside of other objects.
const MAX_DEPTH: usize = 32;

/// Sends a message, if `admission` lets it. Returns what is committed under the idempotency key, be it this call's or an earlier one's.
pub async fn send(
    app: &App,
    user: UserId,
    conversation: ConversationId,
    new: NewMessage,
    admission: &Admission,
) -> Result<Sent> {
    let sent = try_send(app, &Actor::User(user), conversation, new, admission, None).await?;
    sent.ok_or_else(|| Error::Internal(anyhow::anyhow!("what has no connection was queued")))
}

/// The same over a connection. `None`: there is a burst, and the frame called `reference` is answered by a push.
pub async fn send_over(
    app: &App,
    frame: Frame<'_>,
    conversation: ConversationId,
    new: NewMessage,
    reference: Option<&Value>,
) -> Result<Option<Sent>> {
    let (actor, admission) = (Actor::Connection(frame.connection.clone()), Admission::of(frame.request_id));
    try_send(app, &actor, conversation, new, &admission, reference).await
}

async fn try_send(
    app: &App,
    actor: &Actor,
    conversation: ConversationId,
    new: NewMessage,
    admission: &Admission,
    reference: Option<&Value>,
) -> Result<Option<Sent>> {
    let sent = gated_send(app, actor, conversation, new, admission, reference).await;
    if let Err(error) = &sent {
        app.metrics.refused(error.code());
    }
    sent
}

async fn gated_send(
    app: &App,
    actor: &Actor,
    conversation: ConversationId,
    new: NewMessage,
    admission: &Admission,
    reference: Option<&Value>,
) -> Result<Option<Sent>> {
    let (change, client_id) = new.check()?;
    let key = match client_id {
        Some(ClientId(id)) => Key::of_client(&id),
        None => Key::of_request(admission.request_id()),
    };
    let throttle = &app.throttles.messages;

    let (origin, via) = match actor {
        Actor::Connection(connection) => (Some(connection), Via::WebSocket),
        Actor::User(_) => (None, Via::Http),
    };
    let mut gate = log::gate(app, conversation, actor, &key, throttle, admission).await?;
    if let Gate::Unregistered(Some(user)) = gate {
        // Sending takes membership, not a subscription.
        gate = log::gate(app, conversation, &Actor::User(user), &key, throttle, admission).await?;
    }
    let user = match gate {
        Gate::Pass(user) => user,
        Gate::Burst(user) => {
            let intent = origin.map(|connection| Intent::new(connection, reference, &change, &key));
            if let Some(intent) = intent
                && enqueue(app, conversation, user, &intent).await?
            {
                return Ok(None);
            }
            user
        }
        Gate::Known(Ok(message)) => {
            app.metrics.repeated(via);
            return Ok(Some(Sent { message: *message, duplicate: true }));
        }
        Gate::Known(Err(seq)) => {
            let message = log::find_message(app, conversation, seq).await?;
            let message = message.ok_or(Error::NotFound("conversation"))?;
            app.metrics.repeated(via);
            return Ok(Some(Sent { message, duplicate: true }));
        }
        Gate::Unregistered(_) => {
            return Err(Error::Unauthenticated("The connection is not known any more; connect again."));
        }
    };

    let committed = log::commit(app, conversation, user, &change, &key, origin).await?;
    let duplicate = committed.outcome == Outcome::Duplicate;
    if duplicate {
        app.metrics.repeated(via);
    } else {
        app.metrics.sent(via);
    }
    // Duplicates too: they bring in what a handler that died between its commit and here left behind.
    log::publish(app, conversation, &committed.entries).await;

    let message = committed.entries.into_iter().next().and_then(log::Entry::into_message);
    let message = message.ok_or_else(|| Error::Internal(anyhow::anyhow!("a send made no message")))?;
    Ok(Some(Sent { message, duplicate }))
}

/// Lets a send wait to be committed with others, and sees to it that somebody does so. Not when too many wait.
async fn enqueue(app: &App, conversation: ConversationId, user: UserId, intent: &Intent) -> Result<bool> {
    match log::enqueue(app, conversation, user, intent).await? {
        Enqueued::First(token) => {
            log::start(app, &Job::Combine { conversation_id: conversation, token }).await;
            Ok(true)
        }
        Enqueued::Waits => Ok(true),
        Enqueued::Full => Ok(false),
    }
}

/// What a send in a burst has made.
pub fn sent(entry: &log::Entry, duplicate: bool) -> Result<Sent> {
    let message = entry.message().cloned();
    let message = message.ok_or_else(|| Error::Internal(anyhow::anyhow!("a send made no message")))?;
    Ok(Sent { message, duplicate })
}

/// Changes what a message says; only who sent it may.
pub async fn edit(
    app: &App,
    by: &Editor<'_>,
    conversation: ConversationId,
    message: MessageId,
    edit: Edit,
) -> Result<Sent> {
    let content = content(edit.content)?;
    change(app, by, conversation, &Change::Edit { message, content }, edit.client_id).await
}

/// Takes a message back: its sender may, and an admin of the conversation. A tombstone stays in its place.
pub async fn retract(
    app: &App,
    by: &Editor<'_>,
    conversation: ConversationId,
    message: MessageId,
    client_id: Option<ClientId>,
) -> Result<Sent> {
    change(app, by, conversation, &Change::Retract(message), client_id).await
}

/// Reacts to a message, or no more.
pub async fn react(
    app: &App,
    by: &Editor<'_>,
    conversation: ConversationId,
    message: MessageId,
    Emoji(emoji): Emoji,
    on: bool,
    client_id: Option<ClientId>,
) -> Result<Sent> {
    change(app, by, conversation, &Change::React { message, emoji, on }, client_id).await
}

async fn change(
    app: &App,
    by: &Editor<'_>,
    conversation: ConversationId,
    change: &Change,
    client_id: Option<ClientId>,
) -> Result<Sent> {
    let key = match client_id {
        Some(ClientId(id)) => Key::of_client_change(&id),
        None => Key::of_request(by.request_id),
    };
    // Over whichever connection it came: only a message is not pushed to its own.
    let committed = log::commit(app, conversation, by.user, change, &key, None).await?;
    if committed.outcome != Outcome::Unchanged {
        log::publish(app, conversation, &committed.entries).await;
    }
    let message = committed.entries.into_iter().next().and_then(log::Entry::into_message);
    let message = message.ok_or_else(|| Error::Internal(anyhow::anyhow!("a change of no message")))?;
    Ok(Sent { message, duplicate: committed.outcome == Outcome::Duplicate })
}

/// Which page of a conversation's messages: the newest, or the one next to a message.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageOf {
    /// The messages before this one.
    pub before: Option<MessageId>,
    /// The messages after this one.
    pub from: Option<MessageId>,
    /// How many at most.
    #[serde(default)]
    #[param(inline)]
    pub limit: Limit,
}

/// A page of messages, oldest first, if `admission` lets whoever asks for it. `next` is the id to go on from in the same direction.
pub async fn page(
    app: &App,
    user: UserId,
    conversation: ConversationId,
    of: PageOf,
    admission: Option<&Admission>,
) -> Result<Page<Message>> {
    let around = match (of.before, of.from) {
        (Some(_), Some(_)) => {
            return Err(Error::invalid("before", "cannot be combined with the other direction"));
        }
        (Some(before), None) => Around::Before(before.0),
        (None, Some(from)) => Around::After(from.0),
        // Above every seq that fits into what Lua and JavaScript count exactly.
        (None, None) => Around::Before((1 << 53) - 1),
    };
    let mut messages =
        log::read_messages(app, conversation, user, around, of.limit.and_one(), admission).await?;
    let cursor = |message: &Message| message.id.to_string();
    match around {
        Around::After(_) => Ok(Page::of(messages, of.limit, cursor)),
        Around::Before(_) => {
            messages.reverse();
            let mut page = Page::of(messages, of.limit, cursor);
            page.items.reverse();
            Ok(page)
        }
    }
}

impl NewMessage {
    fn check(self) -> Result<(Change, Option<ClientId>)> {
        let content = content(self.content)?;
        let metadata = self.metadata.map(metadata).transpose()?.flatten();
        Ok((Change::Message { content, metadata, reply_to: self.reply_to }, self.client_id))
    }
}

/// 1 to 2000 characters after trimming; Postgres' text cannot hold a null character.
fn content(value: Value) -> Result<String> {
    let Value::String(text) = value else { return Err(Error::InvalidContent) };
    let text = text.trim();
    if text.is_empty() || text.contains('\0') {
        return Err(Error::InvalidContent);
    }
    if text.chars().count() > MAX_CHARS {
        return Err(Error::ContentTooLong);
    }
    Ok(text.to_owned())
}

fn metadata(value: Value) -> Result<Option<Map<String, Value>>> {
    let map = match value {
        Value::Null => return Ok(None),
        Value::Object(map) => map,
        _ => return Err(Error::invalid("metadata", "must be an object")),
    };
    let text = serde_json::to_string(&map).map_err(|error| Error::Internal(error.into()))?;
    if text.len() > MAX_METADATA {
        return Err(Error::invalid("metadata", "must not be larger than 4 KiB"));
    }
    if map.iter().any(|(name, value)| name.contains('\0') || !is_storable(value, MAX_DEPTH)) {
        return Err(Error::invalid(
            "metadata",
            "must not contain a null character or be nested deeper than 32",
        ));
    }
    Ok(Some(map))
}

/// Whether Postgres' `jsonb` and every reader can hold it: no null character, and so deep at most.
fn is_storable(value: &Value, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    match value {
        Value::String(text) => !text.contains('\0'),
        Value::Array(values) => values.iter().all(|value| is_storable(value, depth)),
        Value::Object(map) => {
            map.iter().all(|(name, value)| !name.contains('\0') && is_storable(value, depth))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(new: Value) -> Result<(Change, Option<ClientId>)> {
        serde_json::from_value::<NewMessage>(new).expect("the shape of a new message").check()
    }

    #[test]
    fn content_is_trimmed_and_counted_in_characters() {
        let Ok((Change::Message { content, .. }, _)) = check(json!({"content": "  hello \n"})) else {
            panic!()
        };

        assert_eq!(content, "hello");
        assert!(check(json!({"content": "é".repeat(2000)})).is_ok());
    }

    #[test]
    fn content_that_is_empty_not_text_or_too_long_is_told_apart() {
        assert!(matches!(check(json!({"content": " \n"})), Err(Error::InvalidContent)));
        assert!(matches!(check(json!({"content": 5})), Err(Error::InvalidContent)));
        assert!(matches!(check(json!({"content": "a\u{0}b"})), Err(Error::InvalidContent)));
        assert!(matches!(check(json!({"content": "x".repeat(2001)})), Err(Error::ContentTooLong)));
    }

    #[test]
    fn metadata_is_a_small_object_or_nothing() {
        assert!(check(json!({"content": "x", "metadata": {"a": 1}})).is_ok());
        assert!(check(json!({"content": "x", "metadata": null})).is_ok());
        assert!(check(json!({"content": "x", "metadata": []})).is_err());
        assert!(check(json!({"content": "x", "metadata": {"a": "nul\u{0}"}})).is_err());
        assert!(check(json!({"content": "x", "metadata": {"a": "\\u0000"}})).is_ok());
        assert!(check(json!({"content": "x", "metadata": {"a": "x".repeat(4096)}})).is_err());
    }

    #[test]
    fn metadata_is_nested_32_deep_at_most() {
        let nested = |depth| (1..depth).fold(json!({}), |inner, _| json!({ "a": inner }));

        assert!(check(json!({"content": "x", "metadata": nested(32)})).is_ok());
        assert!(check(json!({"content": "x", "metadata": nested(34)})).is_err());
    }

    #[test]
    fn a_client_id_has_1_to_64_characters() {
        assert!(ClientId::try_from("x".repeat(64)).is_ok());
        for bad in [String::new(), "x".repeat(65), "a\0".to_owned()] {
            assert!(ClientId::try_from(bad).is_err());
        }
    }

    #[test]
    fn an_emoji_is_one_grapheme_of_at_most_32_bytes() {
        for good in ["👍", "👩‍🚀", "🇳🇱", "❤️", "a"] {
            assert!(good.parse::<Emoji>().is_ok(), "{good}");
        }
        for bad in ["", "👍👍", " ", "\n", "ab", "👨‍👩‍👧‍👦👨‍👩‍👧‍👦", &format!("e{}", "\u{301}".repeat(16))]
        {
            assert!(bad.parse::<Emoji>().is_err(), "{bad:?}");
        }
    }
}
