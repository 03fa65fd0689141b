//! A conversation's log: commit, publish, push, read.
//!
//! Postgres is the log: an entry has its seq from the transaction that makes it durable. Redis is a fold of it:
//! what it holds of a conversation is what the log says up to `w`, so it may be emptied, rewound or evicted at
//! any moment and is folded forward again. Every step on Redis is one script (`*.lua`, each with its contract).

mod entry;
mod inbox;
mod pages;
mod queries;
mod reply;
mod rounds;
mod subscription;
mod tell;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::entry::Effect;
pub use self::entry::{Change, Entry, Message, Participant, Reaction, Role, Shown};
pub(crate) use self::entry::{Frame as LoggedFrame, ShownBody};
pub use self::inbox::{Answered, Enqueued, Intent, Progress, combine, enqueue, has_more, publish_burst};
pub use self::pages::{Around, read_messages};
use self::reply::Reply;
pub(crate) use self::rounds::{Frame as LagFrame, batch_schema};
pub use self::rounds::{Job, RUN, resume, start};
pub use self::subscription::{From, Head, Left, Missed, Registration, heads, register, unregister};
pub(crate) use self::tell::Frame as ToldFrame;
pub use self::tell::{Event, announce, tell};
use crate::ids::{ConnectionId, ConversationId, MessageId, UserId};
use crate::presence::Frame;
use crate::redis::keys::{self, ConversationKeys};
use crate::redis::{Call, Script, Source, decode};
use crate::telemetry::{self, Fact};
use crate::throttle::{Admission, Place, Policy, Verdict, throttling_script};
use crate::{App, Error, Result, presence, throttle};

/// A script behind what all scripts of the log share.
macro_rules! fold_script {
    ($file:literal) => {
        LazyLock::new(|| Source::new(concat!(include_str!("fold.lua"), include_str!($file))))
    };
}

static GATE: Script = throttling_script!("gate.lua");
static PUBLISH: Script = fold_script!("publish.lua");
static INSTALL: Script = fold_script!("install.lua");
static REGISTER: Script = fold_script!("register.lua");
static READ: Script = fold_script!("read.lua");
static UNREGISTER: Script = fold_script!("unregister.lua");
static HEADS: Script = fold_script!("heads.lua");
static SETTLE: Script = fold_script!("settle.lua");
static AUDIENCE: Script = fold_script!("audience.lua");
static NEXT: Script = fold_script!("next.lua");

/// How long a holder may be silent before another may push in its place.
const LEASE: Duration = Duration::from_secs(2);
/// How long one invocation pushes for others before it hands that over to a job.
const HOLD: Duration = Duration::from_millis(50);
/// How many entries a stream keeps, about.
const STREAM_LENGTH: u32 = 1000;
/// How many of the newest entries a load brings in.
const LOADED_TAIL: i64 = 200;
/// How long Redis answers a repeated send by itself; after that Postgres does.
const KNOWN_FOR: Duration = Duration::from_hours(24);
/// How long a connection may live, and a little more: API Gateway ends it after 2 h.
pub const CONNECTION_LIFE: Duration = Duration::from_mins(130);

/// One invocation's name as a holder of leases.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Token(String);

impl Token {
    /// A new one.
    pub fn generate() -> Self {
        Self(uuid::Uuid::now_v7().simple().to_string())
    }
}

/// The idempotency key of a request: the client's within its own name space, or the request's id.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Key(String);

impl Key {
    /// The key a client chose.
    pub fn of_client(client_id: &str) -> Self {
        Self(format!("c:{client_id}"))
    }

    /// The same for a change of a message: an id used for both a message and a change is two keys.
    pub fn of_client_change(client_id: &str) -> Self {
        Self(format!("e:{client_id}"))
    }

    /// As it is stored.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The request's own, when the client chose none: a second delivery of it is one entry.
    pub fn of_request(request_id: &str) -> Self {
        Self(format!("r:{request_id}"))
    }
}

/// Who acts, and over which connection.
#[derive(Clone, Debug)]
pub enum Actor {
    /// A signed-in user, over HTTP.
    User(UserId),
    /// Whoever this connection is registered for.
    Connection(ConnectionId),
}

/// What the gate said of a send.
pub enum Gate {
    /// The key is known: the committed message, or where it is when the stream has dropped it.
    Known(Result<Box<Message>, i64>),
    /// Go on, as this user.
    Pass(UserId),
    /// The same, but there is a burst: whoever can be answered later may wait in the inbox.
    Burst(UserId),
    /// The connection is not registered here; this is who its own record says it is.
    Unregistered(Option<UserId>),
}

/// What a commit made, or had made when the request came first.
pub struct Committed {
    /// What became of the request.
    pub outcome: Outcome,
    /// Its entries, in order. Where it was so already: none, or the entry of the message it is about.
    pub entries: Vec<Entry>,
}

/// What became of a request to change a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It made entries.
    Appended,
    /// It had made them before.
    Duplicate,
    /// It was so already.
    Unchanged,
}

/// Step 1 of a send: asks the gate, and beside it whatever else throttles the request. An error refuses it.
pub async fn gate(
    app: &App,
    conversation: ConversationId,
    actor: &Actor,
    key: &Key,
    messages: &Policy,
    admission: &Admission,
) -> Result<Gate> {
    let of_conversation = ConversationKeys::of(conversation);
    let (user, connection) = match actor {
        Actor::User(user) => (user.to_string(), String::new()),
        Actor::Connection(connection) => (String::new(), connection.0.clone()),
    };
    let call = Call::script(
        &GATE,
        &[
            of_conversation.stream(),
            of_conversation.connections(),
            of_conversation.changed(),
            of_conversation.sends(),
            of_conversation.known_prefix(),
            of_conversation.throttle_prefix(),
        ],
    )
    .arg(user)
    .arg(connection)
    .arg(&key.0)
    .arg(inbox::BURST)
    .arg(millis(inbox::BURST_WINDOW));
    let call = messages.add_windows_to(call);
    // The connection's record is asked beside it, so that a sender without a subscription costs one round trip more and
    // not two.
    let commands = &app.throttles.commands;
    let beside = match actor {
        Actor::Connection(connection) => {
            let frame = Frame { connection, request_id: admission.request_id() };
            vec![presence::seen(commands, frame, Some(keys::USER))]
        }
        Actor::User(_) => admission.calls(),
    };
    let mut replies = app.redis.wave([call].into_iter().chain(beside).collect()).await?.into_iter();
    let mut reply = Reply::of(replies.next().unwrap_or_default())?;
    let (mut verdicts, record) = match actor {
        Actor::Connection(_) => {
            let (verdict, record) = presence::heard(commands, replies.next().unwrap_or_default())?;
            (vec![verdict], record)
        }
        Actor::User(_) => (admission.verdicts(replies)?, redis::Value::Nil),
    };

    let gate = match reply.tag.as_str() {
        tag @ ("pass" | "burst") => {
            let in_burst = tag == "burst";
            let user = reply.user()?;
            telemetry::note(Fact::User(user));
            let throttle = format!("{}{user}", of_conversation.throttle_prefix());
            let place = Place { key: throttle, entry: key.0.clone(), since: reply.next()? };
            verdicts.push(Verdict::of(messages, Duration::ZERO, Some(place)));
            if in_burst { Gate::Burst(user) } else { Gate::Pass(user) }
        }
        "throttled" => {
            // It counts as a request or a command all the same: to give that back would cost a trip each time.
            verdicts.push(Verdict::of(messages, Duration::from_millis(reply.next()?), None));
            let refusal = throttle::refusal(&verdicts).unwrap_or_else(|| unexpected("throttled"));
            throttle::count(app, &refusal);
            return Err(refusal);
        }
        "known" => {
            let seq: i64 = reply.next()?;
            let fields: Option<Vec<String>> = reply.next()?;
            let now: Option<String> = reply.next()?;
            let changed = now.map(|now| vec![seq.to_string(), now]).unwrap_or_default();
            let entry = fields.map(|fields| (MessageId(seq).to_string(), fields));
            let shown = entry::shown((entry.into_iter().collect(), Vec::new(), changed))?.pop();
            Gate::Known(shown.and_then(Shown::into_message).map(Box::new).ok_or(seq))
        }
        "unregistered" => {
            let user: Option<String> = decode(record)?;
            Gate::Unregistered(user.and_then(|user| user.parse().ok()))
        }
        other => return Err(unexpected(other)),
    };
    throttle::settle(app, verdicts).await?;
    Ok(gate)
}

/// Step 2: commits a change that came over `origin`, if over a connection. An error other than a refusal leaves the outcome open.
pub async fn commit(
    app: &App,
    conversation: ConversationId,
    actor: UserId,
    change: &Change,
    key: &Key,
    origin: Option<&ConnectionId>,
) -> Result<Committed> {
    let (outcome, entries) =
        queries::append(&app.postgres, conversation, actor, change, &key.0, origin).await?;
    Ok(Committed { outcome: self::outcome(&outcome)?, entries })
}

/// Deletes a conversation by a global admin's word, and publishes that.
pub async fn delete(app: &App, conversation: ConversationId, actor: UserId, key: &Key) -> Result<()> {
    let (said, entries) = queries::delete_conversation(&app.postgres, conversation, actor, &key.0).await?;
    if said != "deleted" {
        return Err(refusal(&said));
    }
    publish(app, conversation, &entries).await;
    Ok(())
}

fn outcome(said: &str) -> Result<Outcome> {
    match said {
        "appended" => Ok(Outcome::Appended),
        "duplicate" => Ok(Outcome::Duplicate),
        "unchanged" => Ok(Outcome::Unchanged),
        refused => Err(refusal(refused)),
    }
}

/// Why the database's `append` changed nothing.
fn refusal(outcome: &str) -> Error {
    match outcome {
        "not_found" => Error::NotFound("conversation"),
        "forbidden" => Error::Forbidden("Only an admin of the conversation may do this."),
        "direct" => Error::conflict("kind", "a direct conversation cannot be changed"),
        "no_reply_to" => Error::invalid("reply_to", "no such message in this conversation"),
        "no_message" => Error::NotFound("message"),
        "not_sender" => Error::Forbidden("Only who sent the message, or to delete it an admin, may do this."),
        "too_many_emojis" => Error::conflict("emoji", "a message has at most 20 different ones"),
        "too_many_reactions" => Error::conflict("emoji", "a message has at most 1000 reactions"),
        "no_user" => Error::invalid("user_id", "no such user"),
        "no_participant" => Error::NotFound("participant"),
        "full" => Error::conflict("participants", "a conversation has at most 1000 participants"),
        "last_admin" => Error::conflict("role", "the last admin cannot be made a member"),
        "bad_channel_name" => Error::invalid("name", "must have 2 to 50 characters of a-z, 0-9 and -"),
        "name_taken" => Error::conflict("name", "there is a channel of this name"),
        other => unexpected(other),
    }
}

/// Steps 3 to 5: folds what was committed into Redis and pushes what is to be pushed.
///
/// The commit stands whatever happens here, so this only logs: a later script on the conversation brings in and
/// pushes what was left.
pub async fn publish(app: &App, conversation: ConversationId, entries: &[Entry]) {
    let (entries, token): (Vec<_>, _) = (entries.iter().collect(), Token::generate());
    let folded = async {
        let folded = fold(app, conversation, &entries, &token).await?;
        rounds::deliver(app, conversation, &token, folded).await
    };
    if let Err(error) = folded.await {
        warn(conversation, UNPUBLISHED, &error);
    }
}

const UNPUBLISHED: &str = "committed, but not yet published";

fn warn(conversation: ConversationId, what: &str, error: &Error) {
    let cause = error.cause().map(|cause| format!("{cause:#}"));
    tracing::warn!(conversation_id = %conversation, cause, "{what}: {error}");
}

/// Folds what Redis lacks of a conversation of which Postgres says that it has ended.
pub async fn repair(app: &App, conversation: ConversationId) {
    if let Err(error) = catch_up(app, conversation, &Token::generate()).await {
        warn(conversation, "not repaired", &error);
    }
}

/// How many conversations are settled in one wave.
const SETTLED_AT_ONCE: usize = 200;

/// What settling found.
#[derive(Default)]
pub struct Settled {
    /// How many entries Redis was behind, of what it knows.
    pub behind: i64,
    /// Which conversations could not be settled.
    pub failed: Vec<ConversationId>,
}

/// Brings conversations that Redis knows to where Postgres says they are, and pushes what was left unpushed.
pub async fn settle(app: &App, last_seqs: &[(ConversationId, i64)]) -> Result<Settled> {
    let token = Token::generate();
    let mut found = Settled::default();
    for some in last_seqs.chunks(SETTLED_AT_ONCE) {
        let calls = some.iter().map(|(conversation, _)| {
            Call::script(&SETTLE, &ConversationKeys::of(*conversation).fold())
                .arg(&token.0)
                .arg(millis(LEASE))
        });
        let replies = app.redis.wave(calls.collect()).await?;
        for ((conversation, last_seq), reply) in some.iter().zip(replies) {
            let (w, cut, buckets): (Option<i64>, redis::Value, _) = decode(reply)?;
            found.behind += w.map_or(0, |w| (last_seq - w).max(0));
            let settled = async {
                let folded = Folded { removed: Vec::new(), work: rounds::Work::of(cut, buckets)? };
                rounds::deliver(app, *conversation, &token, folded).await?;
                // What is cold is loaded by whoever asks for it.
                if w.is_some_and(|w| w < *last_seq) {
                    catch_up(app, *conversation, &Token::generate()).await?;
                }
                Ok(())
            };
            if let Err(error) = settled.await {
                warn(*conversation, "not settled", &error);
                found.failed.push(*conversation);
            }
        }
    }
    Ok(found)
}

/// The message at `seq`, from Postgres.
pub async fn find_message(app: &App, conversation: ConversationId, seq: i64) -> Result<Option<Message>> {
    let entries = queries::list_entries(&app.postgres, conversation, seq - 1, seq + 1, 1).await?;
    Ok(entries.into_iter().next().and_then(Entry::into_message))
}

/// Changes how a user is named where Redis knows them, without touching what it does not know.
pub async fn rename_member(
    app: &App,
    user: UserId,
    name: &str,
    conversations: &[ConversationId],
) -> Result<()> {
    static RENAME: Script = LazyLock::new(|| {
        Source::new(
            "local member = redis.call('HGET', KEYS[1], ARGV[1])
             if not member then return end
             member = cjson.decode(member)
             member.name = ARGV[2]
             redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(member))",
        )
    });
    let calls = conversations.iter().map(|conversation| {
        Call::script(&RENAME, &[ConversationKeys::of(*conversation).members()])
            .arg(user.to_string())
            .arg(name)
    });
    app.redis.wave(calls.collect()).await?;
    Ok(())
}

/// Throws away what Redis holds of conversations and loads it again, because something else than their logs changed: who
/// somebody is. A conversation that Redis does not hold is left alone.
pub async fn reload(app: &App, conversations: &[ConversationId]) -> Result<()> {
    static FORGET: Script =
        LazyLock::new(|| Source::new("return redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])"));
    let forget = conversations.iter().map(|conversation| {
        let keys = ConversationKeys::of(*conversation);
        Call::script(&FORGET, &[keys.stream(), keys.members(), keys.changed()])
    });
    let forgotten = app.redis.wave(forget.collect()).await?;
    for (conversation, reply) in conversations.iter().zip(forgotten) {
        if decode::<i64>(reply)? > 0
            && let Err(error) = catch_up(app, *conversation, &Token::generate()).await
        {
            // It is cold now, and whoever reads it next loads it.
            warn(*conversation, "not reloaded", &error);
        }
    }
    Ok(())
}

/// What somebody wrote and did not take back, by conversation and place in it.
pub async fn list_messages_by(
    app: &App,
    user: UserId,
    after: Option<(ConversationId, i64)>,
    limit: i64,
) -> Result<Vec<Message>> {
    let entries = queries::list_messages_by(&app.postgres, user, after, limit).await?;
    Ok(entries.into_iter().filter_map(Entry::into_message).collect())
}

/// What a fold left to do.
struct Folded {
    /// Connections that entries unregistered, each with the frame that is its last.
    removed: Vec<(ConnectionId, String)>,
    /// What to push, if nobody else does.
    work: rounds::Work,
}

/// Publishing finds Redis behind or cold again and again only if somebody empties it in a loop.
const MAX_TRIES: usize = 8;

async fn fold(app: &App, conversation: ConversationId, entries: &[&Entry], token: &Token) -> Result<Folded> {
    let call = publish_call(conversation, entries, token)?;
    let mut reply = Reply::of(app.redis.call(call).await?)?;
    for _ in 0..MAX_TRIES {
        match reply.tag.as_str() {
            "folded" => return folded(&mut reply),
            "cold" => return install(app, conversation, token).await,
            "behind" => {
                // What is missing includes what was to be published.
                let w: i64 = reply.next()?;
                let missing =
                    queries::list_entries(&app.postgres, conversation, w, i64::MAX, LOADED_TAIL).await?;
                // A deletion leaves a hole before itself, and more than a tail is longer than a snapshot.
                let begins = missing.first().is_some_and(|first| first.seq == w + 1);
                if !begins || missing.len() >= as_len(LOADED_TAIL) {
                    return install(app, conversation, token).await;
                }
                let missing: Vec<_> = missing.iter().collect();
                reply = Reply::of(app.redis.call(publish_call(conversation, &missing, token)?).await?)?;
            }
            other => return Err(unexpected(other)),
        }
    }
    Err(livelock())
}

/// Loads a conversation that is cold, or so far behind that a snapshot is shorter.
async fn load(app: &App, conversation: ConversationId, token: &Token) -> Result<()> {
    let folded = install(app, conversation, token).await?;
    rounds::deliver(app, conversation, token, folded).await
}

async fn install(app: &App, conversation: ConversationId, token: &Token) -> Result<Folded> {
    let snapshot = queries::find_snapshot(&app.postgres, conversation, LOADED_TAIL).await?;
    let snapshot = snapshot.ok_or(Error::NotFound("conversation"))?;
    let mut call = Call::script(&INSTALL, &ConversationKeys::of(conversation).fold())
        .arg(&token.0)
        .arg(millis(LEASE))
        .arg(conversation.to_string())
        .arg(snapshot.last_seq)
        .arg(snapshot.members.len());
    for (user, member) in &snapshot.members {
        call = call.arg(user.to_string()).arg(to_json(member)?);
    }
    for entry in &snapshot.entries {
        call = call
            .arg(entry.seq)
            .arg(&entry.kind)
            .arg(actor_text(entry))
            .arg(entry.connection.as_deref().unwrap_or_default())
            .arg(&entry.frame);
    }
    folded(&mut Reply::of(app.redis.call(call).await?)?)
}

/// Brings Redis up to what Postgres says.
async fn catch_up(app: &App, conversation: ConversationId, token: &Token) -> Result<()> {
    let newest = queries::list_newest_entry(&app.postgres, conversation).await?;
    let newest: Vec<_> = newest.iter().collect();
    let folded = fold(app, conversation, &newest, token).await?;
    rounds::deliver(app, conversation, token, folded).await
}

/// Somebody Redis does not count among the members: Postgres decides, and if it counts them Redis is behind.
async fn admit(app: &App, conversation: ConversationId, user: UserId) -> Result<()> {
    if !queries::is_member(&app.postgres, conversation, user).await? {
        return Err(Error::NotFound("conversation"));
    }
    catch_up(app, conversation, &Token::generate()).await
}

fn publish_call(conversation: ConversationId, entries: &[&Entry], token: &Token) -> Result<Call> {
    let keys = ConversationKeys::of(conversation);
    let mut all = keys.fold().to_vec();
    all.push(keys.known_prefix());
    let mut call = Call::script(&PUBLISH, &all)
        .arg(&token.0)
        .arg(millis(LEASE))
        .arg(conversation.to_string())
        .arg(STREAM_LENGTH)
        .arg(KNOWN_FOR.as_secs());
    for entry in entries {
        let (effect, subject, member) = match &entry.effect {
            Effect::None => ("", String::new(), String::new()),
            Effect::Join(user, member) => ("join", user.to_string(), to_json(member)?),
            Effect::Leave(user) => ("leave", user.to_string(), String::new()),
            Effect::Change(message, now) => ("change", message.0.to_string(), now.clone()),
            Effect::Retract(through) => ("retract", through.to_string(), String::new()),
            Effect::Delete => ("delete", String::new(), String::new()),
        };
        call = call
            .arg(entry.seq)
            .arg(&entry.kind)
            .arg(actor_text(entry))
            .arg(entry.connection.as_deref().unwrap_or_default())
            .arg(&entry.key)
            .arg(&entry.frame)
            .arg(effect)
            .arg(subject)
            .arg(member);
    }
    Ok(call)
}

fn folded(reply: &mut Reply) -> Result<Folded> {
    let removed: Vec<String> = reply.next()?;
    let removed =
        removed.chunks_exact(2).map(|pair| (ConnectionId(pair[0].clone()), pair[1].clone())).collect();
    Ok(Folded { removed, work: rounds::Work::of(reply.next()?, reply.next()?)? })
}

fn actor_text(entry: &Entry) -> String {
    entry.actor.map(|user| user.to_string()).unwrap_or_default()
}

fn to_json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Internal(error.into()))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn as_len(limit: i64) -> usize {
    usize::try_from(limit).unwrap_or(0)
}

fn unexpected(what: &str) -> Error {
    Error::Internal(anyhow::anyhow!("an unexpected outcome: {what}"))
}

fn livelock() -> Error {
    Error::Unavailable(anyhow::anyhow!("Redis fell behind again and again"))
}
