//! A conversation's log: commit, publish, push, read.
//!
//! Postgres is the log: an entry has its seq from the transaction that makes it durable. Redis is a fold of it:
//! what it holds of a conversation is what the log says up to `w`, so it may be emptied, rewound or evicted at
//! any moment and is folded forward again. Every step on Redis is one script (`*.lua`, each with its contract).

mod entry;
mod queries;
mod rounds;

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Duration;

use redis::Value;

pub use self::entry::{Change, Entry, Message, Participant, Reaction, Role, Shown};
use self::entry::{Effect, Member, StreamEntry};
use crate::ids::{ConnectionId, ConversationId, UserId};
use crate::redis::keys::ConversationKeys;
use crate::redis::{Call, Script, Source, decode};
use crate::throttle::Window;
use crate::{App, Error, Result};

/// A script behind what all scripts of the log share.
macro_rules! fold_script {
    ($file:literal) => {
        LazyLock::new(|| Source::new(concat!(include_str!("fold.lua"), include_str!($file))))
    };
}

static GATE: Script = LazyLock::new(|| Source::new(include_str!("gate.lua")));
static PUBLISH: Script = fold_script!("publish.lua");
static INSTALL: Script = fold_script!("install.lua");
static REGISTER: Script = fold_script!("register.lua");
static READ: Script = fold_script!("read.lua");
static HEADS: Script = fold_script!("heads.lua");
static NEXT: Script = fold_script!("next.lua");

/// How long a holder may be silent before another may push in its place.
const LEASE: Duration = Duration::from_secs(2);
/// How many entries a stream keeps, about.
const STREAM_LENGTH: u32 = 1000;
/// How many of the newest entries a load brings in.
const LOADED_TAIL: i64 = 200;
/// How long Redis answers a repeated send by itself; after that Postgres does.
const KNOWN_FOR: Duration = Duration::from_secs(24 * 3600);
/// How long a connection may live, and a little more: API Gateway ends it after 2 h.
pub const CONNECTION_LIFE: Duration = Duration::from_secs(2 * 3600 + 600);

/// One invocation's name as a holder of leases.
#[derive(Clone, Debug)]
pub struct Token(String);

impl Token {
    /// A new one.
    pub fn generate() -> Self {
        Self(uuid::Uuid::now_v7().simple().to_string())
    }
}

/// The idempotency key of a request: the client's within its own name space, or the request's id.
#[derive(Clone, Debug)]
pub struct Key(String);

impl Key {
    /// The key a client chose.
    pub fn of_client(client_id: &str) -> Self {
        Self(format!("c:{client_id}"))
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
    Known(UserId, Result<Box<Message>, i64>),
    /// Too often: wait so long.
    Throttled(Duration),
    /// Go on, as this user.
    Pass(UserId),
    /// The connection is not registered here; its own record says who it is.
    Unregistered,
}

/// What a commit made, or had made when the request came first.
pub struct Committed {
    /// Whether the request is a repeat.
    pub duplicate: bool,
    /// Its entries, in order; none when it was so already.
    pub entries: Vec<Entry>,
}

/// A connection's registration with a conversation.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The connection.
    pub connection: ConnectionId,
    /// Whose it is, in whose session, since and until when: `user|session|connected_at|expires_at`.
    pub value: String,
    /// Whose it is.
    pub user: UserId,
}

/// What a subscription returns.
pub struct Missed {
    /// What the client may do.
    pub role: Role,
    /// What it missed, in order.
    pub entries: Vec<Shown>,
    /// Nothing up to here is missing.
    pub through: i64,
    /// Whether that is all there was at that moment.
    pub complete: bool,
}

/// What to subscribe from.
#[derive(Clone, Copy, Debug)]
pub struct From {
    /// The last seq applied; `None` for the newest page.
    pub last: Option<i64>,
    /// The highest seq received.
    pub seen: i64,
}

impl From {
    /// How many entries one answer brings at most: the newest page, or a stretch of what was missed.
    fn limit(self) -> i64 {
        if self.last.is_some() { 200 } else { 50 }
    }
}

/// Where a conversation's log is, for one connection.
pub struct Head {
    /// Folded through; `None` when cold.
    pub w: Option<i64>,
    /// Whether the connection is registered.
    pub registered: bool,
}

/// Step 1 of a send: asks the gate.
pub async fn gate(
    app: &App,
    conversation: ConversationId,
    actor: &Actor,
    key: &Key,
    windows: &[Window],
) -> Result<Gate> {
    let keys = ConversationKeys::of(conversation);
    let (user, connection) = match actor {
        Actor::User(user) => (user.to_string(), String::new()),
        Actor::Connection(connection) => (String::new(), connection.0.clone()),
    };
    let mut call = Call::script(
        &GATE,
        &[keys.stream(), keys.connections(), keys.known_prefix(), keys.throttle_prefix()],
    )
    .arg(user)
    .arg(connection)
    .arg(&key.0);
    for window in windows {
        call = call.arg(window.count).arg(millis(window.length));
    }
    let mut reply = Reply::of(app.redis.call(call).await?)?;
    match reply.tag.as_str() {
        "pass" => Ok(Gate::Pass(reply.user()?)),
        "throttled" => {
            reply.skip();
            Ok(Gate::Throttled(Duration::from_millis(reply.next()?)))
        }
        "known" => {
            let user = reply.user()?;
            let seq: i64 = reply.next()?;
            let fields: Option<Vec<String>> = reply.next()?;
            let shown = fields.map(|fields| StreamEntry::with_seq(seq, fields)?.into_shown()).transpose()?;
            Ok(Gate::Known(user, shown.and_then(Shown::into_message).map(Box::new).ok_or(seq)))
        }
        "unregistered" => Ok(Gate::Unregistered),
        other => Err(unexpected(other)),
    }
}

/// Step 2: commits a change. An error other than a refusal leaves the outcome open.
pub async fn commit(
    app: &App,
    conversation: ConversationId,
    actor: UserId,
    change: &Change,
    key: &Key,
) -> Result<Committed> {
    let (outcome, entries) = queries::append(&app.postgres, conversation, actor, change, &key.0).await?;
    match outcome.as_str() {
        "appended" | "unchanged" => Ok(Committed { duplicate: false, entries }),
        "duplicate" => Ok(Committed { duplicate: true, entries }),
        "not_found" => Err(Error::NotFound("conversation")),
        "forbidden" => Err(Error::Forbidden("Only an admin of the conversation may do this.")),
        "direct" => Err(Error::conflict("kind", "a direct conversation cannot be changed")),
        "no_reply_to" => Err(Error::invalid("reply_to", "no such message in this conversation")),
        "no_user" => Err(Error::invalid("user_id", "no such user")),
        "no_participant" => Err(Error::NotFound("participant")),
        "full" => Err(Error::conflict("participants", "a conversation has at most 1000 participants")),
        "last_admin" => Err(Error::conflict("role", "the last admin cannot be made a member")),
        other => Err(unexpected(other)),
    }
}

/// Steps 3 to 5: folds what was committed into Redis and pushes what is to be pushed.
///
/// The commit stands whatever happens here, so this only logs: a later script on the conversation brings in and
/// pushes what was left. `origin` is the connection that will be answered and needs no push of these entries.
pub async fn publish(app: &App, conversation: ConversationId, entries: &[Entry], origin: Option<&ConnectionId>) {
    let token = Token::generate();
    let folded = async {
        let folded = fold(app, conversation, entries, origin, &token).await?;
        rounds::deliver(app, conversation, &token, folded).await
    };
    if let Err(error) = folded.await {
        let cause = error.cause().map(|cause| format!("{cause:#}"));
        tracing::warn!(conversation_id = %conversation, cause, "committed, but not yet published: {error}");
    }
}

/// The message at `seq`, from Postgres.
pub async fn find_message(app: &App, conversation: ConversationId, seq: i64) -> Result<Option<Message>> {
    let entries = queries::list_entries(&app.postgres, conversation, seq - 1, seq + 1, 1).await?;
    Ok(entries.into_iter().next().and_then(Entry::into_message))
}

/// Registers connections with conversations and returns what each missed, in one wave where all are warm.
pub async fn register(
    app: &App,
    registration: &Registration,
    wanted: &[(ConversationId, From)],
) -> Result<Vec<Missed>> {
    let token = Token::generate();
    let calls = wanted.iter().map(|(conversation, from)| register_call(*conversation, registration, *from, &token));
    let replies = app.redis.wave(calls.collect()).await?;
    let mut all = Vec::with_capacity(wanted.len());
    for ((conversation, from), reply) in wanted.iter().zip(replies) {
        all.push(registered(app, registration, *conversation, *from, &token, reply).await?);
    }
    Ok(all)
}

/// Ends registrations of a connection.
pub async fn unregister(app: &App, connection: &ConnectionId, conversations: &[ConversationId]) -> Result<()> {
    let calls = conversations.iter().map(|conversation| {
        Call::command("HDEL").arg(ConversationKeys::of(*conversation).connections()).arg(&connection.0)
    });
    app.redis.wave(calls.collect()).await?;
    Ok(())
}

/// Where the logs of these conversations are; pushes what a dead handler left behind.
pub async fn heads(app: &App, connection: &ConnectionId, conversations: &[ConversationId]) -> Result<Vec<Head>> {
    let token = Token::generate();
    let calls = conversations.iter().map(|conversation| {
        Call::script(&HEADS, &ConversationKeys::of(*conversation).fold())
            .arg(&token.0)
            .arg(millis(LEASE))
            .arg(&connection.0)
    });
    let replies = app.redis.wave(calls.collect()).await?;
    let mut heads = Vec::with_capacity(replies.len());
    for (conversation, reply) in conversations.iter().zip(replies) {
        let (w, registered, cut): (Option<i64>, bool, Value) = decode(reply)?;
        heads.push(Head { w, registered });
        if let Some(cut) = rounds::Cut::of(cut)? {
            let folded = Folded { removed: Vec::new(), cut: Some(cut) };
            rounds::deliver(app, *conversation, &token, folded).await?;
        }
    }
    Ok(heads)
}

/// Which messages to read.
#[derive(Clone, Copy, Debug)]
pub enum Around {
    /// The newest before this seq.
    Before(i64),
    /// The oldest after this seq.
    After(i64),
}

/// Up to `limit` messages, oldest first, in their latest state: from the stream if it has them all, otherwise
/// from Postgres.
pub async fn read_messages(
    app: &App,
    conversation: ConversationId,
    user: UserId,
    around: Around,
    limit: i64,
) -> Result<Vec<Message>> {
    // Changes stand between messages; a few more entries than messages keep most pages in the stream.
    let entries_read = limit + limit / 4 + 4;
    for _ in 0..MAX_TRIES {
        let (direction, seq) = match around {
            Around::Before(seq) => ("before", seq),
            Around::After(seq) => ("after", seq),
        };
        let call = Call::script(&READ, &ConversationKeys::of(conversation).fold())
            .arg(user.to_string())
            .arg(direction)
            .arg(seq)
            .arg(entries_read);
        let mut reply = Reply::of(app.redis.call(call).await?)?;
        match reply.tag.as_str() {
            "cold" => load(app, conversation, &Token::generate()).await?,
            "stranger" => admit(app, conversation, user, reply.next()?).await?,
            "page" => {
                let w: i64 = reply.next()?;
                let first: i64 = reply.next()?;
                let shown = shown(reply.next()?, reply.next()?)?;
                let reached = shown.len() < usize::try_from(entries_read).unwrap_or(usize::MAX);
                let mut messages: Vec<_> = shown.into_iter().filter_map(Shown::into_message).collect();
                let whole = match around {
                    // Everything up to the newest, or as many as asked for, from inside the stream.
                    Around::After(seq) => {
                        seq + 1 >= first && (reached || messages.len() >= as_len(limit))
                    }
                    // The stream begins at the first entry of all, or has as many as asked for.
                    Around::Before(_) => (first <= 1 && reached) || messages.len() >= as_len(limit),
                };
                if whole || w == 0 {
                    match around {
                        Around::After(_) => messages.truncate(as_len(limit)),
                        Around::Before(_) => drop(messages.drain(..messages.len().saturating_sub(as_len(limit)))),
                    }
                    return Ok(messages);
                }
                let entries = match around {
                    Around::After(seq) => {
                        queries::list_messages_after(&app.postgres, conversation, user, seq, limit).await?
                    }
                    Around::Before(seq) => {
                        queries::list_messages_before(&app.postgres, conversation, user, seq, limit).await?
                    }
                };
                let entries = entries.ok_or(Error::NotFound("conversation"))?;
                return Ok(entries.into_iter().filter_map(Entry::into_message).collect());
            }
            other => return Err(unexpected(other)),
        }
    }
    Err(livelock())
}

/// Changes how a user is named where Redis knows them, without touching what it does not know.
pub async fn rename_member(app: &App, user: UserId, name: &str, conversations: &[ConversationId]) -> Result<()> {
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
        Call::script(&RENAME, &[ConversationKeys::of(*conversation).members()]).arg(user.to_string()).arg(name)
    });
    app.redis.wave(calls.collect()).await?;
    Ok(())
}

/// What a fold left to do.
struct Folded {
    /// Connections that entries unregistered, each with the frame that is its last.
    removed: Vec<(ConnectionId, String)>,
    /// What to push, if nobody else does.
    cut: Option<rounds::Cut>,
}

/// Publishing finds Redis behind or cold again and again only if somebody empties it in a loop.
const MAX_TRIES: usize = 8;

async fn fold(
    app: &App,
    conversation: ConversationId,
    entries: &[Entry],
    origin: Option<&ConnectionId>,
    token: &Token,
) -> Result<Folded> {
    let call = publish_call(conversation, entries, (origin, entries), token)?;
    let mut reply = Reply::of(app.redis.call(call).await?)?;
    for _ in 0..MAX_TRIES {
        match reply.tag.as_str() {
            "folded" => return folded(&mut reply),
            "cold" => return install(app, conversation, token).await,
            "behind" => {
                // What is missing includes what was to be published.
                let w: i64 = reply.next()?;
                let missing = queries::list_entries(&app.postgres, conversation, w, i64::MAX, LOADED_TAIL).await?;
                if missing.len() >= as_len(LOADED_TAIL) {
                    return install(app, conversation, token).await;
                }
                let call = publish_call(conversation, &missing, (origin, entries), token)?;
                reply = Reply::of(app.redis.call(call).await?)?;
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
        .arg(snapshot.last_seq)
        .arg(snapshot.members.len());
    for (user, member) in &snapshot.members {
        call = call.arg(user.to_string()).arg(to_json(member)?);
    }
    for entry in &snapshot.entries {
        call = call.arg(entry.seq).arg(&entry.kind).arg(user_text(entry)).arg("").arg(&entry.frame);
    }
    folded(&mut Reply::of(app.redis.call(call).await?)?)
}

/// Brings Redis up to what Postgres says after `w`.
async fn catch_up(app: &App, conversation: ConversationId, w: i64, token: &Token) -> Result<()> {
    let missing = queries::list_entries(&app.postgres, conversation, w, i64::MAX, LOADED_TAIL).await?;
    let folded = fold(app, conversation, &missing, None, token).await?;
    rounds::deliver(app, conversation, token, folded).await
}

/// Somebody Redis does not count among the members: Postgres decides, and if it counts them Redis is behind.
async fn admit(app: &App, conversation: ConversationId, user: UserId, w: i64) -> Result<()> {
    if !queries::is_member(&app.postgres, conversation, user).await? {
        return Err(Error::NotFound("conversation"));
    }
    catch_up(app, conversation, w, &Token::generate()).await
}

fn register_call(
    conversation: ConversationId,
    registration: &Registration,
    from: From,
    token: &Token,
) -> Call {
    Call::script(&REGISTER, &ConversationKeys::of(conversation).fold())
        .arg(&token.0)
        .arg(millis(LEASE))
        .arg(&registration.connection.0)
        .arg(&registration.value)
        .arg(registration.user.to_string())
        .arg(from.last.map(|last| last.to_string()).unwrap_or_default())
        .arg(from.seen)
        .arg(from.limit())
        .arg(millis(CONNECTION_LIFE))
}

/// Follows one registration to its end: the first reply came with the wave.
async fn registered(
    app: &App,
    registration: &Registration,
    conversation: ConversationId,
    mut from: From,
    token: &Token,
    mut reply: Value,
) -> Result<Missed> {
    for attempt in 0..MAX_TRIES {
        if attempt > 0 {
            reply = app.redis.call(register_call(conversation, registration, from, token)).await?;
        }
        let mut parts = Reply::of(reply)?;
        match parts.tag.as_str() {
            "cold" => load(app, conversation, token).await?,
            "stranger" => admit(app, conversation, registration.user, parts.next()?).await?,
            // Once more after folding forward; a client ahead of Postgres itself has seen a log that was since
            // restored, and starts over.
            "behind" if attempt + 1 < MAX_TRIES / 2 => catch_up(app, conversation, parts.next()?, token).await?,
            "behind" => from = From { last: None, seen: 0 },
            "registered" => {
                let w: i64 = parts.next()?;
                let first: i64 = parts.next()?;
                let role: String = parts.next()?;
                let entries = shown(parts.next()?, parts.next()?)?;
                let folded = Folded { removed: Vec::new(), cut: rounds::Cut::of(parts.next()?)? };
                let missed = missed(app, registration, conversation, from, (w, first), entries).await?;
                rounds::deliver(app, conversation, token, folded).await?;
                let role = if role == "admin" { Role::Admin } else { Role::Member };
                return Ok(Missed { role, ..missed });
            }
            other => return Err(unexpected(other)),
        }
        reply = Value::Nil;
    }
    Err(livelock())
}

/// Joins what the stream had with what only Postgres has, without a seam.
async fn missed(
    app: &App,
    registration: &Registration,
    conversation: ConversationId,
    from: From,
    (w, first): (i64, i64),
    stream: Vec<Shown>,
) -> Result<Missed> {
    let (role, limit) = (Role::Member, from.limit());
    let Some(last) = from.last else {
        let mut entries = stream;
        if first > 1 && entries.len() < as_len(limit) {
            // The newest page reaches below the stream.
            let below = queries::list_entries_for(
                &app.postgres,
                conversation,
                registration.user,
                (w - limit).max(0),
                first,
                limit,
            );
            let mut older = shown_all(below.await?.ok_or(Error::NotFound("conversation"))?)?;
            older.append(&mut entries);
            entries = older;
        }
        return Ok(Missed { role, entries, through: w, complete: true });
    };
    let mut entries = Vec::new();
    if last + 1 < first.min(w + 1) {
        let archive =
            queries::list_entries_for(&app.postgres, conversation, registration.user, last, first, limit).await?;
        entries = shown_all(archive.ok_or(Error::NotFound("conversation"))?)?;
        if entries.len() >= as_len(limit) {
            let through = entries.last().map_or(last, |entry| entry.seq);
            return Ok(Missed { role, entries, through, complete: through >= w });
        }
    }
    let full = stream.len() >= as_len(limit);
    entries.extend(stream);
    let through = if full { entries.last().map_or(w, |entry| entry.seq) } else { w };
    Ok(Missed { role, entries, through, complete: through >= w })
}

fn publish_call(
    conversation: ConversationId,
    entries: &[Entry],
    (origin, own): (Option<&ConnectionId>, &[Entry]),
    token: &Token,
) -> Result<Call> {
    let keys = ConversationKeys::of(conversation);
    let mut all = keys.fold().to_vec();
    all.push(keys.known_prefix());
    let mut call = Call::script(&PUBLISH, &all)
        .arg(&token.0)
        .arg(millis(LEASE))
        .arg(STREAM_LENGTH)
        .arg(KNOWN_FOR.as_secs());
    for entry in entries {
        let (effect, subject, member) = match &entry.effect {
            Effect::None => ("", String::new(), String::new()),
            Effect::Join(user, member) => ("join", user.to_string(), to_json(member)?),
            Effect::Leave(user) => ("leave", user.to_string(), String::new()),
            Effect::Delete => ("delete", String::new(), String::new()),
        };
        // Only what this connection sent is not pushed to it.
        let connection = origin.filter(|_| own.iter().any(|one| one.seq == entry.seq));
        call = call
            .arg(entry.seq)
            .arg(&entry.kind)
            .arg(user_text(entry))
            .arg(connection.map_or("", |connection| &connection.0))
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
    let removed = removed.chunks_exact(2).map(|pair| (ConnectionId(pair[0].clone()), pair[1].clone())).collect();
    Ok(Folded { removed, cut: rounds::Cut::of(reply.next()?)? })
}

/// Entries of the stream, with the names their authors have now.
fn shown(entries: Vec<(String, Vec<String>)>, authors: Vec<String>) -> Result<Vec<Shown>> {
    let mut names = HashMap::new();
    for pair in authors.chunks_exact(2) {
        if let Ok(member) = serde_json::from_str::<Member>(&pair[1]) {
            names.insert(pair[0].clone(), member);
        }
    }
    let mut all = Vec::with_capacity(entries.len());
    for (id, fields) in entries {
        let mut shown = StreamEntry::new(&id, fields)?.into_shown()?;
        if let Some(message) = shown.message_mut()
            && let Some(user) = message.user_id
            && let Some(member) = names.get(&user.to_string())
        {
            message.user_name.clone_from(&member.name);
            message.user_email.clone_from(&member.email);
        }
        all.push(shown);
    }
    Ok(all)
}

fn shown_all(entries: Vec<Entry>) -> Result<Vec<Shown>> {
    entries.into_iter().map(Entry::into_shown).collect()
}

fn user_text(entry: &Entry) -> String {
    entry.user_id.map(|user| user.to_string()).unwrap_or_default()
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

/// A script's reply: a tag and what follows it.
struct Reply {
    tag: String,
    rest: std::vec::IntoIter<Value>,
}

impl Reply {
    fn of(value: Value) -> Result<Self> {
        let values: Vec<Value> = decode(value)?;
        let mut rest = values.into_iter();
        let tag = decode(rest.next().unwrap_or_default())?;
        Ok(Self { tag, rest })
    }

    fn next<T: redis::FromRedisValue>(&mut self) -> Result<T> {
        decode(self.rest.next().unwrap_or_default())
    }

    fn skip(&mut self) {
        self.rest.next();
    }

    fn user(&mut self) -> Result<UserId> {
        let text: String = self.next()?;
        text.parse().map_err(|_| unexpected("a user id that is none"))
    }
}
