//! Subscribing: a connection is registered and what it missed is read in one step, so that nothing falls between.
//!
//! What the stream has comes from Redis; below its first entry Postgres answers, without a seam.

use futures_util::future::join_all;
use redis::Value;

use super::entry::{Role, Shown};
use super::reply::Reply;
use super::{
    CONNECTION_LIFE, Folded, HEADS, LEASE, MAX_TRIES, REGISTER, Token, UNREGISTER, admit, announce, as_len,
    catch_up, entry, livelock, load, millis, queries, rounds, unexpected,
};
use crate::ids::{ConnectionId, ConversationId, UserId};
use crate::redis::keys::ConversationKeys;
use crate::redis::{Call, decode};
use crate::{App, Error, Result};

/// A connection's registration with a conversation.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The connection.
    pub connection: ConnectionId,
    /// Whose it is, in whose session, since and until when, and a hash by which connections are shared out:
    /// `user|session|connected_at|expires_at|hash`.
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

/// Among more connections than these, nobody is told who comes and goes.
const SEE_EACH_OTHER: usize = 100;

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

/// Registers a connection with conversations and returns what it missed of each, in one wave where all are warm.
pub async fn register(
    app: &App,
    registration: &Registration,
    wanted: &[(ConversationId, From)],
) -> Result<Vec<Result<Missed>>> {
    let token = Token::generate();
    let calls =
        wanted.iter().map(|(conversation, from)| register_call(*conversation, registration, *from, &token));
    let replies = app.redis.wave(calls.collect()).await?;
    // Each to its end, also after another was refused: its reply may hold the lease to push.
    let all = wanted.iter().zip(replies).map(|((conversation, from), reply)| {
        registered(app, registration, *conversation, *from, &token, reply)
    });
    Ok(join_all(all).await)
}

/// Where nobody is left of a user whose connection has ended, and who could be told.
pub struct Left {
    /// Where.
    pub conversation: ConversationId,
    /// The connections of others.
    pub audience: Vec<ConnectionId>,
}

/// Ends registrations of a connection. Returns where it was its user's last one.
pub async fn unregister(
    app: &App,
    connection: &ConnectionId,
    conversations: &[ConversationId],
) -> Result<Vec<Left>> {
    let calls = conversations.iter().map(|conversation| {
        Call::script(&UNREGISTER, &ConversationKeys::of(*conversation).fold())
            .arg(&connection.0)
            .arg(SEE_EACH_OTHER)
    });
    let replies = app.redis.wave(calls.collect()).await?;
    let left = conversations.iter().zip(replies).map(|(conversation, reply)| {
        let audience: Vec<String> = decode(reply)?;
        let audience = audience.into_iter().map(ConnectionId).collect();
        Ok(Left { conversation: *conversation, audience })
    });
    left.filter(|left| !left.as_ref().is_ok_and(|left| left.audience.is_empty())).collect()
}

/// Where the logs of these conversations are; pushes what a dead handler left behind.
pub async fn heads(
    app: &App,
    connection: &ConnectionId,
    conversations: &[ConversationId],
) -> Result<Vec<Head>> {
    let token = Token::generate();
    let calls = conversations.iter().map(|conversation| heads_call(*conversation, connection, &token));
    let replies = app.redis.wave(calls.collect()).await?;
    let mut heads = Vec::with_capacity(replies.len());
    for (conversation, mut reply) in conversations.iter().zip(replies) {
        let mut head = None;
        for _ in 0..2 {
            let (w, registered, cut, buckets): (Option<i64>, bool, Value, _) = decode(reply)?;
            let folded = Folded { removed: Vec::new(), work: rounds::Work::of(cut, buckets)? };
            rounds::deliver(app, *conversation, &token, folded).await?;
            head = Some(Head { w, registered });
            if w.is_some() || !registered {
                break;
            }
            // Registered with what Redis has lost since: brought back, so that its head can be told.
            load(app, *conversation, &token).await?;
            reply = app.redis.call(heads_call(*conversation, connection, &token)).await?;
        }
        heads.extend(head);
    }
    Ok(heads)
}

fn heads_call(conversation: ConversationId, connection: &ConnectionId, token: &Token) -> Call {
    Call::script(&HEADS, &ConversationKeys::of(conversation).fold())
        .arg(&token.0)
        .arg(millis(LEASE))
        .arg(&connection.0)
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
        .arg(conversation.to_string())
        .arg(&registration.connection.0)
        .arg(&registration.value)
        .arg(from.last.map(|last| last.to_string()).unwrap_or_default())
        .arg(from.seen)
        .arg(from.limit())
        .arg(millis(CONNECTION_LIFE))
        .arg(SEE_EACH_OTHER)
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
            "stranger" => admit(app, conversation, registration.user).await?,
            "ended" => return Err(Error::Unauthenticated("The session has ended.")),
            // Once more after folding forward; a client ahead of Postgres itself has seen a log that was since
            // restored, and starts over.
            "behind" if attempt == 0 => {
                catch_up(app, conversation, token).await?;
            }
            "behind" => from = From { last: None, seen: 0 },
            "registered" => {
                let w: i64 = parts.next()?;
                let first: i64 = parts.next()?;
                let role: String = parts.next()?;
                let entries = entry::shown((parts.next()?, parts.next()?, parts.next()?))?;
                let work = rounds::Work::of(parts.next()?, parts.next()?)?;
                let audience: Vec<String> = parts.next()?;
                let audience = audience.into_iter().map(ConnectionId).collect();
                let missed = missed(app, registration, conversation, from, (w, first), entries).await;
                let folded = Folded { removed: Vec::new(), work };
                rounds::deliver(app, conversation, token, folded).await?;
                announce(app, conversation, audience, registration.user, true).await?;
                let missed = missed?;
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
            let mut older = entry::shown_all(below.await?.ok_or(Error::NotFound("conversation"))?)?;
            older.append(&mut entries);
            entries = older;
        }
        return Ok(Missed { role, entries, through: w, complete: true });
    };
    let mut entries = Vec::new();
    if last + 1 < first.min(w + 1) {
        let archive =
            queries::list_entries_for(&app.postgres, conversation, registration.user, last, first, limit)
                .await?;
        entries = entry::shown_all(archive.ok_or(Error::NotFound("conversation"))?)?;
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
