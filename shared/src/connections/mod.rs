//! Connections: who is behind each, what it is subscribed to, and when it ends.
//!
//! Events after `$connect` repeat no headers, so the connection's own record in Redis says who it is.
//! `$disconnect` may never come: every record and registration also expires.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;
use std::time::Duration;

use futures_util::future::try_join_all;
use redis::Value;
use serde_json::value::to_raw_value;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::ids::{ConnectionId, ConversationId, SessionId, UserId};
use crate::log::{self, CONNECTION_LIFE, Left, Missed, Registration};
use crate::presence::Frame;
use crate::protocol::{Answer, MAX_ANSWER, Subscribe, Subscribed};
use crate::redis::keys::{self, Partition, UserKeys};
use crate::redis::{Call, Script, Source, decode};
use crate::telemetry::{self, Fact};
use crate::tokens::{Identity, access, ticket};
use crate::{App, Error, FieldError, Result, accounts, conversations, presence, throttle};

static ADMIT: Script = LazyLock::new(|| Source::new(include_str!("admit.lua")));
static LEAVE: Script = LazyLock::new(|| Source::new(include_str!("leave.lua")));
static REVOKE: Script = LazyLock::new(|| Source::new(include_str!("revoke.lua")));

/// When API Gateway ends a connection, counted from its handshake (Developer Guide, WebSocket quotas).
const LIFE: time::Duration = time::Duration::hours(2);
/// How many sessions are ended by one wave, which has something for every partition.
const ENDED_AT_ONCE: usize = 100;
/// How long it is known when somebody was here last.
const LAST_SEEN_FOR: Duration = Duration::from_hours(90 * 24);
/// How many connections a person may have.
const MAX_CONNECTIONS: usize = 20;
/// How many subscriptions a connection may have.
const MAX_SUBSCRIPTIONS: usize = 200;

/// What a handshake brings to prove who asks.
#[derive(Debug)]
pub enum Credential {
    /// A ticket, used up by this.
    Ticket(String),
    /// An access token.
    AccessToken(String),
}

/// A connection that asks to be opened.
#[derive(Debug)]
pub struct Opening {
    /// Its id.
    pub connection: ConnectionId,
    /// When its handshake began.
    pub connected_at: OffsetDateTime,
    /// Who asks.
    pub credential: Credential,
    /// What it wants to be subscribed to at once,
    pub conversations: Vec<ConversationId>,
    /// by id or, channels, by name.
    pub channels: Vec<String>,
}

/// Opens a connection: an error refuses the handshake, and nothing of the connection stays.
pub async fn open(app: &App, opening: Opening) -> Result<()> {
    let identity = match &opening.credential {
        Credential::Ticket(ticket) => ticket::redeem(app, ticket).await?,
        Credential::AccessToken(token) => {
            access::verify(app.keys(), token, OffsetDateTime::now_utc()).await?.identity()
        }
    };
    telemetry::note(Fact::User(identity.user));
    let mut subscriptions = opening.conversations;
    subscriptions.extend(find_channels(app, identity.user, opening.channels).await?.into_values());
    subscriptions.sort();
    subscriptions.dedup();
    if subscriptions.len() > MAX_SUBSCRIPTIONS {
        return Err(Error::invalid("conversation_id", "a connection has at most 200 subscriptions"));
    }
    let record = Record { identity, connected_at: opening.connected_at, subscriptions };
    let oldest = match admit(app, &opening.connection, &record).await {
        Ok(oldest) => oldest,
        Err(error) => {
            // It was never open, so nobody was here.
            let of_user = UserKeys::of(identity.user);
            let forget = vec![
                Call::command("DEL").arg(keys::connection(&opening.connection)),
                Call::command("HDEL").arg(of_user.connections()).arg(&opening.connection.0),
                Call::command("ZREM").arg(of_user.live()).arg(&opening.connection.0),
            ];
            if let Err(unforgotten) = app.redis.wave(forget).await {
                tracing::warn!(
                    cause = unforgotten.to_string(),
                    "a connection that was refused is still known"
                );
            }
            return Err(error);
        }
    };
    let registered = async {
        if let Some(oldest) = oldest {
            // More than a person may have: the one that is open longest gives way.
            app.push().close(&oldest).await;
            close(app, &oldest).await?;
        }
        if !record.subscriptions.is_empty() {
            let registration = record.registration(&opening.connection);
            let wanted: Vec<_> = record
                .subscriptions
                .iter()
                .map(|conversation| (*conversation, log::From { last: None, seen: 0 }))
                .collect();
            log::register(app, &registration, &wanted).await?.into_iter().collect::<Result<Vec<_>>>()?;
        }
        Ok(())
    };
    let registered = registered.await;
    if registered.is_err() {
        close(app, &opening.connection).await?;
    }
    registered
}

/// Forgets a connection that has ended, and tells others that its user is gone if it was their last one.
/// Whose it was, if that was known.
pub async fn close(app: &App, connection: &ConnectionId) -> Result<Option<UserId>> {
    let key = keys::connection(connection);
    let replies =
        app.redis.wave(vec![Call::command("HGETALL").arg(&key), Call::command("DEL").arg(&key)]).await?;
    let Some(record) = Record::of(replies.into_iter().next().unwrap_or_default())? else { return Ok(None) };
    let user = record.identity.user;
    let keys = UserKeys::of(user);
    let leave = Call::script(&LEAVE, &[keys.connections(), keys.last_seen(), keys.live()])
        .arg(&connection.0)
        .arg(to_millis(OffsetDateTime::now_utc()))
        .arg(LAST_SEEN_FOR.as_secs());
    let (left, others) = tokio::join!(
        log::unregister(app, connection, &record.subscriptions),
        app.redis.call::<usize>(leave),
    );
    let (left, others) = (left?, others?);
    if others == 0 {
        let told = left
            .into_iter()
            .map(|Left { conversation, audience }| log::announce(app, conversation, audience, user, false));
        try_join_all(told).await?;
    }
    Ok(Some(user))
}

/// Ends the connections of sessions that have ended by Postgres' word. When this returns nothing reaches them any more,
/// also when one of them was being opened meanwhile.
pub async fn end(app: &App, sessions: &[Identity]) -> Result<()> {
    for some in sessions.chunks(ENDED_AT_ONCE) {
        end_some(app, some).await?;
    }
    Ok(())
}

async fn end_some(app: &App, sessions: &[Identity]) -> Result<()> {
    revoke(app, sessions).await?;
    let open = sessions.iter().map(|one| Call::command("HGETALL").arg(UserKeys::of(one.user).connections()));
    let open = app.redis.wave(open.collect()).await?;
    for (Identity { session, .. }, reply) in sessions.iter().zip(open) {
        let connections: HashMap<String, String> = decode(reply)?;
        let session = session.to_string();
        let ended = connections
            .into_iter()
            .filter(|(_, value)| value.split_once('|').is_some_and(|(_, of)| of == session));
        let ended = ended.map(async |(connection, _)| {
            let connection = ConnectionId(connection);
            app.push().close(&connection).await;
            close(app, &connection).await.map(drop)
        });
        try_join_all(ended).await?;
    }
    Ok(())
}

/// Tells Redis, in one wave, that sessions have ended: `$connect` admits them no more, a registration of theirs is
/// refused in every partition, and no cut brings them anything.
pub(crate) async fn revoke(app: &App, sessions: &[Identity]) -> Result<()> {
    let now = to_millis(OffsetDateTime::now_utc());
    let dead = sessions.iter().map(|Identity { user, session }| {
        let key = UserKeys::of(*user).session(*session);
        let dead = Call::command("SET").arg(key).arg("dead");
        dead.arg("EX").arg(accounts::REMEMBERED_FOR.whole_seconds())
    });
    let revoked = Partition::all().map(|partition| {
        let sessions: Vec<_> = sessions.iter().map(|one| one.session.to_string()).collect();
        Call::script(&REVOKE, &[partition.revoked()])
            .arg(Uuid::now_v7().to_string())
            .arg(life())
            .arg(now)
            .arg(sessions)
    });
    app.redis.wave(dead.chain(revoked).collect()).await.map(drop)
}

/// Who sent a frame.
pub async fn identify(app: &App, frame: Frame<'_>) -> Result<UserId> {
    Ok(find_record(app, frame).await?.identity.user)
}

/// The one conversation that the connection of a frame is subscribed to.
pub async fn only_subscription(app: &App, frame: Frame<'_>) -> Result<ConversationId> {
    match find_record(app, frame).await?.subscriptions[..] {
        [only] => Ok(only),
        _ => Err(Error::NotSubscribed),
    }
}

/// Subscribes a connection and answers what it missed. All or none: one conversation that is not the user's
/// refuses the command, by name.
pub async fn subscribe(app: &App, frame: Frame<'_>, command: Subscribe) -> Result<Answer> {
    let (record, connection) = (find_record(app, frame).await?, frame.connection);
    let named = command.channels.keys().cloned().collect();
    let channels = find_channels(app, record.identity.user, named).await?;
    let wanted = wanted(&command, &channels)?;
    let new = wanted.iter().filter(|(conversation, _)| !record.subscriptions.contains(conversation));
    let new: Vec<_> = new.map(|(conversation, _)| *conversation).collect();
    if record.subscriptions.len() + new.len() > MAX_SUBSCRIPTIONS {
        return Err(Error::invalid("conversations", "a connection has at most 200 subscriptions"));
    }

    // The record in the same wave: whatever is registered, `$disconnect` must be able to undo.
    let registration = record.registration(connection);
    let (missed, noted) =
        tokio::join!(log::register(app, &registration, &wanted), note(app, connection, &new));
    let missed = missed.and_then(|missed| noted.map(|()| missed))?;
    let refused =
        |(_, missed): &(&(ConversationId, _), &Result<Missed>)| matches!(missed, Err(Error::NotFound(_)));
    let refused: Vec<_> =
        wanted.iter().zip(&missed).filter(refused).map(|((conversation, _), _)| *conversation).collect();
    match missed.into_iter().collect::<Result<Vec<_>>>() {
        Ok(missed) => answer(&wanted, missed, channels, record.expires_at()),
        Err(error) => {
            // Also one that the record named before: it is the user's no more.
            withdraw(app, connection, &[new, refused.clone()].concat()).await?;
            Err(match error {
                Error::NotFound(_) => Error::NotFoundAmong(refused.iter().map(no_conversation).collect()),
                error => error,
            })
        }
    }
}

/// Ends subscriptions of the connection of a frame.
pub async fn unsubscribe(app: &App, frame: Frame<'_>, conversations: &[ConversationId]) -> Result<()> {
    find_record(app, frame).await?;
    withdraw(app, frame.connection, conversations).await
}

async fn withdraw(app: &App, connection: &ConnectionId, conversations: &[ConversationId]) -> Result<()> {
    if conversations.is_empty() {
        return Ok(());
    }
    let fields: Vec<_> = conversations.iter().map(|conversation| keys::subscription(*conversation)).collect();
    let (unregistered, forgotten) = tokio::join!(
        log::unregister(app, connection, conversations),
        app.redis.call::<()>(Call::command("HDEL").arg(keys::connection(connection)).arg(fields)),
    );
    // Somebody who stops watching has not gone.
    unregistered.map(drop).and(forgotten)
}

/// Answers a ping: where the logs are, and whether the server still knows the subscriptions.
pub async fn ping(app: &App, frame: Frame<'_>) -> Result<Answer> {
    let record = find_record(app, frame).await?;
    let found = log::heads(app, frame.connection, &record.subscriptions).await?;
    let resync = found.iter().any(|head| !head.registered);
    let heads = record.subscriptions.iter().zip(found);
    let heads = heads.filter_map(|(conversation, head)| Some((*conversation, head.w?))).collect();
    Ok(Answer::Pong { heads, expires_at: record.expires_at(), resync })
}

/// What Redis knows of a connection.
struct Record {
    identity: Identity,
    connected_at: OffsetDateTime,
    subscriptions: Vec<ConversationId>,
}

impl Record {
    fn of(reply: Value) -> Result<Option<Self>> {
        let fields: HashMap<String, String> = decode(reply)?;
        let (Some(user), Some(session), Some(connected_at)) =
            (fields.get(keys::USER), fields.get("session"), fields.get("connected_at"))
        else {
            return Ok(None);
        };
        let broken = |_| Error::Internal(anyhow::anyhow!("a connection's record is broken"));
        let user = UserId(user.parse().map_err(broken)?);
        let session = SessionId(session.parse().map_err(broken)?);
        let mut subscriptions: Vec<_> = fields.keys().filter_map(|field| keys::subscribed(field)).collect();
        subscriptions.sort();
        Ok(connected_at.parse().ok().and_then(from_millis).map(|connected_at| Self {
            identity: Identity { user, session },
            connected_at,
            subscriptions,
        }))
    }

    fn expires_at(&self) -> OffsetDateTime {
        self.connected_at + LIFE
    }

    /// The registration outlives the platform's limit a little, so that nobody is cut off early by a clock.
    fn registration(&self, connection: &ConnectionId) -> Registration {
        let Identity { user, session } = self.identity;
        let expires_at = to_millis(self.connected_at + CONNECTION_LIFE);
        let hash = crc32fast::hash(connection.0.as_bytes());
        let value = format!("{user}|{session}|{}|{expires_at}|{hash}", to_millis(self.connected_at));
        Registration { connection: connection.clone(), value, user }
    }
}

/// Of every command it is the first thing asked, and throttles it. A send asks the gate beside it.
async fn find_record(app: &App, frame: Frame<'_>) -> Result<Record> {
    let commands = &app.throttles.commands;
    let reply = app.redis.call(presence::seen(commands, frame, None)).await?;
    let (verdict, record) = presence::heard(commands, reply)?;
    throttle::settle(app, vec![verdict]).await?;
    let record = Record::of(record)?
        .ok_or(Error::Unauthenticated("The connection is not known any more; connect again."))?;
    telemetry::note(Fact::User(record.identity.user));
    Ok(record)
}

/// Writes the record and asks the user's whether the session is live. Returns the connection that gives way when
/// the user has too many.
async fn admit(app: &App, connection: &ConnectionId, record: &Record) -> Result<Option<ConnectionId>> {
    let mut admission = try_admit(app, connection, record, false).await?;
    if admission.0 == "unknown" {
        // Redis knows the session neither as live nor as dead: Postgres does.
        accounts::require_live_session(app, record.identity.session).await?;
        admission = try_admit(app, connection, record, true).await?;
    }
    match admission {
        (outcome, oldest) if outcome == "admitted" => Ok(oldest.map(ConnectionId)),
        _ => {
            // Ended: Postgres knows whether because the account is disabled.
            accounts::require_live_session(app, record.identity.session).await?;
            Err(Error::Unauthenticated("The session has ended."))
        }
    }
}

async fn try_admit(
    app: &App,
    connection: &ConnectionId,
    record: &Record,
    by_postgres: bool,
) -> Result<(String, Option<String>)> {
    let Identity { user, session } = record.identity;
    let of_user = UserKeys::of(user);
    let key = keys::connection(connection);
    let admit = Call::script(&ADMIT, &[of_user.session(session), of_user.connections(), of_user.live()])
        .arg(&connection.0)
        .arg(format!("{}|{session}", to_millis(record.connected_at + CONNECTION_LIFE)))
        .arg(MAX_CONNECTIONS)
        .arg(life())
        .arg(u8::from(by_postgres))
        .arg(accounts::REMEMBERED_FOR.whole_seconds());
    let mut write = Call::command("HSET")
        .arg(&key)
        .arg(&[keys::USER, &user.to_string(), "session", &session.to_string()])
        .arg(&["connected_at", &to_millis(record.connected_at).to_string()]);
    for conversation in &record.subscriptions {
        write = write.arg(keys::subscription(*conversation)).arg("");
    }
    let expire = Call::command("PEXPIRE").arg(&key).arg(life());
    let replies = app.redis.wave(vec![admit, write, expire]).await?;
    let mut parts: Vec<Option<String>> = decode(replies.into_iter().next().unwrap_or_default())?;
    let oldest = parts.drain(1..).next().flatten();
    Ok((parts.pop().flatten().unwrap_or_default(), oldest))
}

/// Notes subscriptions in the connection's record.
async fn note(app: &App, connection: &ConnectionId, conversations: &[ConversationId]) -> Result<()> {
    if conversations.is_empty() {
        return Ok(());
    }
    let key = keys::connection(connection);
    let mut write = Call::command("HSET").arg(&key);
    for conversation in conversations {
        write = write.arg(keys::subscription(*conversation)).arg("");
    }
    // The connection may have ended meanwhile: what is written after that must go by itself.
    let expire = Call::command("PEXPIRE").arg(&key).arg(life());
    app.redis.wave(vec![write, expire]).await.map(drop)
}

/// How long what Redis knows of a connection is kept, in ms.
fn life() -> u64 {
    u64::try_from(CONNECTION_LIFE.as_millis()).unwrap_or(u64::MAX)
}

fn no_conversation(conversation: &ConversationId) -> FieldError {
    FieldError { field: format!("conversations.{conversation}"), message: "no such conversation".to_owned() }
}

/// The channels of these names; each must be one of the user's.
async fn find_channels(
    app: &App,
    user: UserId,
    names: Vec<String>,
) -> Result<BTreeMap<String, ConversationId>> {
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let found = conversations::find_channels(app, user, &names).await?;
    let unknown = names.iter().filter(|name| !found.contains_key(*name));
    let unknown: Vec<_> = unknown
        .map(|name| FieldError { field: format!("channels.{name}"), message: "no such channel".to_owned() })
        .collect();
    if unknown.is_empty() { Ok(found.into_iter().collect()) } else { Err(Error::NotFoundAmong(unknown)) }
}

fn wanted(
    command: &Subscribe,
    channels: &BTreeMap<String, ConversationId>,
) -> Result<Vec<(ConversationId, log::From)>> {
    let seq = |field: String, seq: u64| {
        // Lua and JavaScript count exactly up to 2^53.
        let seq = i64::try_from(seq).ok().filter(|seq| *seq < 1 << 53);
        seq.ok_or_else(|| Error::invalid(field, "is not a seq"))
    };
    let by_id = command.conversations.iter().map(|(id, last)| (*id, format!("conversations.{id}"), *last));
    let by_name = channels
        .iter()
        .map(|(name, id)| (*id, format!("channels.{name}"), command.channels.get(name).copied().flatten()));
    // One that is named both ways is one; what is given with its id counts.
    let mut wanted = BTreeMap::new();
    for (conversation, field, last) in by_name.chain(by_id) {
        let last = last.map(|last| seq(field, last)).transpose()?;
        let seen = command.seen.get(&conversation).copied().unwrap_or(0);
        let seen = seq(format!("seen.{conversation}"), seen)?;
        wanted.insert(conversation, log::From { last, seen });
    }
    Ok(wanted.into_iter().collect())
}

/// Fits what was missed into one answer; what does not fit is left for the next `subscribe`.
fn answer(
    wanted: &[(ConversationId, log::From)],
    missed: Vec<Missed>,
    channels: BTreeMap<String, ConversationId>,
    expires_at: OffsetDateTime,
) -> Result<Answer> {
    let mut conversations = BTreeMap::new();
    // What each conversation's part holds beside its entries.
    let mut room = MAX_ANSWER.saturating_sub(120 * wanted.len());
    for ((conversation, _), missed) in wanted.iter().zip(missed) {
        let mut subscribed = Subscribed {
            messages: Vec::new(),
            through: missed.through,
            complete: missed.complete,
            role: missed.role,
        };
        for entry in missed.entries {
            let text = to_raw_value(&entry).map_err(|error| Error::Internal(error.into()))?;
            let size = text.get().len() + 1;
            if size > room {
                subscribed.through = entry.seq - 1;
                subscribed.complete = false;
                room = 0;
                break;
            }
            room -= size;
            subscribed.messages.push(text);
        }
        conversations.insert(*conversation, subscribed);
    }
    Ok(Answer::Subscribed { conversations, channels, expires_at })
}

fn to_millis(at: OffsetDateTime) -> i64 {
    at.unix_timestamp() * 1000 + i64::from(at.millisecond())
}

/// A time from what API Gateway counts in milliseconds.
pub fn from_millis(millis: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).ok()
}
