//! Presence: who is online and who was when. Derived from what Redis knows of open connections, never stored as a flag,
//! so that a connection whose end nobody reported stops counting by itself.

use redis::Value;
use serde::Serialize;
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

use crate::ids::{ConnectionId, UserId};
use crate::redis::keys::{self, UserKeys};
use crate::redis::{Call, Script, decode};
use crate::throttle::{Policy, Verdict, throttling_script};
use crate::{App, Result};

static SEEN_NOW: Script = throttling_script!("seen.lua");

/// How long a connection may be silent and still count: API Gateway ends it after 10 minutes.
const SILENCE: Duration = Duration::minutes(12);

/// Whether somebody is online, and when they last were.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(examples(json!({
    "user_id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "online": false,
    "last_seen": "2026-01-02T03:04:05Z",
})))]
pub struct Presence {
    /// Who.
    pub user_id: UserId,
    /// Whether they have an open connection.
    pub online: bool,
    /// When they last gave a sign of life, if that is known.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required)]
    pub last_seen: Option<OffsetDateTime>,
}

/// A frame that somebody sent: over which connection, and API Gateway's id of it.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The connection.
    pub connection: &'a ConnectionId,
    /// The id.
    pub request_id: &'a str,
}

/// Notes that a connection is alive, throttles its commands by `policy`, and reads a field of its record or, without one,
/// all of it. A command that asks this twice is counted once.
pub(crate) fn seen(policy: &Policy, frame: Frame<'_>, field: Option<&str>) -> Call {
    let now = OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000;
    let keys = [keys::connection(frame.connection), keys::commands(frame.connection)];
    let call = Call::script(&SEEN_NOW, &keys)
        .arg(now.to_string())
        .arg(field.unwrap_or_default())
        .arg(frame.request_id);
    policy.add_windows_to(call)
}

/// What [`seen`] replied: whether the command may be done, and what it read. A command's place is kept.
pub(crate) fn heard(policy: &Policy, reply: Value) -> Result<(Verdict, Value)> {
    let mut parts = decode::<Vec<Value>>(reply)?.into_iter();
    let wait = std::time::Duration::from_millis(decode(parts.next().unwrap_or_default())?);
    Ok((Verdict::of(policy, wait, None), parts.next().unwrap_or_default()))
}

/// The presence of each of these people, in their order.
pub async fn of(app: &App, users: &[UserId]) -> Result<Vec<Presence>> {
    let now = OffsetDateTime::now_utc();
    let calls = users.iter().map(|user| Call::command("HGETALL").arg(UserKeys::of(*user).connections()));
    let open = app.redis.wave(calls.collect()).await?;
    let open = open.into_iter().map(|reply| unexpired(reply, now)).collect::<Result<Vec<_>>>()?;

    let calls = users.iter().zip(&open).flat_map(|(user, connections)| {
        let last_seen = Call::command("GET").arg(UserKeys::of(*user).last_seen());
        let seen = |connection| Call::command("HMGET").arg(keys::connection(connection)).arg(&SEEN);
        [last_seen].into_iter().chain(connections.iter().map(seen))
    });
    let mut replies = app.redis.wave(calls.collect()).await?.into_iter();
    let mut presences = Vec::with_capacity(users.len());
    for (user, connections) in users.iter().zip(&open) {
        let left = decode::<Option<i64>>(replies.next().unwrap_or_default())?.and_then(from_millis);
        let mut seen = None;
        for reply in replies.by_ref().take(connections.len()) {
            let (seen_at, connected_at): (Option<i64>, Option<i64>) = decode(reply)?;
            seen = seen.max(seen_at.or(connected_at).and_then(from_millis));
        }
        let online = seen.is_some_and(|seen| now - seen < SILENCE);
        presences.push(Presence { user_id: *user, online, last_seen: seen.max(left) });
    }
    Ok(presences)
}

/// The fields of a connection's hash that say when it was heard of: with its last command, or when it was opened.
const SEEN: [&str; 2] = ["seen_at", "connected_at"];

/// The connections that a user's hash does not give up for lost, from its fields `connection` → `expires_at|session`.
fn unexpired(reply: Value, now: OffsetDateTime) -> Result<Vec<ConnectionId>> {
    let connections: Vec<(String, String)> = decode(reply)?;
    let is_open = |value: &str| {
        let expires_at = value.split('|').next().and_then(|millis| millis.parse().ok()).and_then(from_millis);
        expires_at.is_some_and(|expires_at| expires_at > now)
    };
    Ok(connections.into_iter().filter(|(_, value)| is_open(value)).map(|(id, _)| ConnectionId(id)).collect())
}

fn from_millis(millis: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::app;

    fn millis(at: OffsetDateTime) -> i64 {
        at.unix_timestamp() * 1000 + i64::from(at.millisecond())
    }

    /// A connection as its record and its user's know it: opened and last heard of so long ago, ending then.
    async fn connect(app: &App, user: UserId, opened: i64, heard: Option<i64>, ends: i64) -> ConnectionId {
        let now = OffsetDateTime::now_utc();
        let at = |minutes| millis(now + Duration::minutes(minutes)).to_string();
        let id = ConnectionId(uuid::Uuid::now_v7().to_string());
        let mut record =
            Call::command("HSET").arg(keys::connection(&id)).arg(&["connected_at", &at(-opened)]);
        if let Some(heard) = heard {
            record = record.arg(&["seen_at", &at(-heard)]);
        }
        let of_user = Call::command("HSET")
            .arg(UserKeys::of(user).connections())
            .arg(&[&id.0, &format!("{}|session", at(ends))]);
        app.redis.wave(vec![record, of_user]).await.expect("Redis");
        id
    }

    async fn leave(app: &App, user: UserId, minutes_ago: i64) {
        let at = millis(OffsetDateTime::now_utc() - Duration::minutes(minutes_ago));
        let call = Call::command("SET").arg(UserKeys::of(user).last_seen()).arg(at);
        app.redis.call::<()>(call).await.expect("Redis");
    }

    fn minutes_ago(presence: &Presence) -> i64 {
        (OffsetDateTime::now_utc() - presence.last_seen.expect("seen at some time")).whole_minutes()
    }

    #[tokio::test]
    async fn who_has_a_connection_that_gives_signs_of_life_is_online() {
        let app = app().await;
        let [fresh, talking, silent, expired] = [(); 4].map(|()| UserId::generate());
        connect(&app, fresh, 1, None, 60).await;
        connect(&app, talking, 100, Some(3), 10).await;
        connect(&app, silent, 100, Some(13), 10).await;
        connect(&app, expired, 130, Some(1), -1).await;

        let found = of(&app, &[fresh, talking, silent, expired]).await.expect("presences");

        let online: Vec<_> = found.iter().map(|presence| (presence.user_id, presence.online)).collect();
        assert_eq!(online, [(fresh, true), (talking, true), (silent, false), (expired, false)]);
        assert_eq!(found[..3].iter().map(minutes_ago).collect::<Vec<_>>(), [1, 3, 13]);
        assert_eq!(found[3].last_seen, None);
    }

    #[tokio::test]
    async fn last_seen_is_the_newest_sign_of_any_connection_open_or_ended() {
        let app = app().await;
        let [left, both, never] = [(); 3].map(|()| UserId::generate());
        leave(&app, left, 50).await;
        leave(&app, both, 50).await;
        connect(&app, both, 100, Some(9), 10).await;
        connect(&app, both, 100, Some(4), 10).await;
        let gone = connect(&app, never, 1, None, 10).await;
        let forget = Call::command("DEL").arg(keys::connection(&gone));
        app.redis.call::<()>(forget).await.expect("Redis");

        let found = of(&app, &[left, both, never]).await.expect("presences");

        assert_eq!(found[..2].iter().map(minutes_ago).collect::<Vec<_>>(), [50, 4]);
        assert_eq!(found[2], Presence { user_id: never, online: false, last_seen: None });
        assert_eq!(found.iter().map(|presence| presence.online).collect::<Vec<_>>(), [false, true, false]);
    }

    #[tokio::test]
    async fn nobody_has_no_presence() {
        assert_eq!(of(&app().await, &[]).await.expect("presences"), []);
    }
}
