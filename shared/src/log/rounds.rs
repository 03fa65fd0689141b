//! Rounds of pushes: post the cut, then ask for the next, until nothing is left or another holds the lease.
//!
//! A holder that dies leaves the rest to whoever next runs a script on the conversation; one that is slow causes
//! repeats, never a loss. What is more than one round or one invocation's share is handed to `fan-out`, under the same
//! lease. Who missed a push is told to catch up with the next one (`lag`), and is closed when that fails for long.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use aws_sdk_apigatewaymanagement::primitives::Blob;
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use redis::Value;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::Ref;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, Type};

use super::entry::StreamEntry;
use super::{Folded, HOLD, LEASE, NEXT, Token, millis};
use crate::ids::{ConnectionId, ConversationId, UserId};
use crate::push::Posted;
use crate::redis::keys::{self, ConversationKeys, UserKeys};
use crate::redis::{Call, decode};
use crate::{App, Result};

/// How many posts are under way at once.
pub(super) const PARALLEL_POSTS: usize = 64;
/// A connection younger than this may answer 410 because its handshake is not over.
const YOUNG: Duration = Duration::from_secs(30);
/// A connection that takes nothing for so long is closed: its client then connects anew and catches up.
const PATIENCE: Duration = Duration::from_secs(30);
/// A frame up to this size costs what one message costs, and every client library sends it as one.
const MAX_FRAME: usize = 32 * 1024;
/// How long one run of a job pushes before the next one goes on: well below the function's timeout.
pub const RUN: Duration = Duration::from_secs(10);

/// What `fan-out` is started for, under a lease that was taken for it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "lowercase")]
pub enum Job {
    /// To push to a bucket of a conversation.
    Push {
        /// Which conversation.
        conversation_id: ConversationId,
        /// Which bucket.
        bucket: u32,
        /// Under which lease.
        token: Token,
    },
    /// To commit what waits in a conversation's inbox.
    Combine {
        /// Which conversation.
        conversation_id: ConversationId,
        /// Under which lease.
        token: Token,
    },
}

impl Job {
    /// Which conversation it is for.
    pub fn conversation(&self) -> ConversationId {
        match self {
            Self::Push { conversation_id, .. } | Self::Combine { conversation_id, .. } => *conversation_id,
        }
    }
}

/// Starts a job. One that does not come is missed when its lease has run out.
pub async fn start(app: &App, job: &Job) {
    if let Err(error) = app.push().start_job(job).await {
        super::warn(job.conversation(), "no job was started", &error);
    }
}

/// What a script leaves to be pushed.
#[derive(Default)]
pub(super) struct Work {
    /// By whoever ran it.
    pub cut: Option<Cut>,
    /// By jobs, each for a bucket.
    pub buckets: Vec<u32>,
}

impl Work {
    pub(super) fn of(cut: Value, buckets: Vec<u32>) -> Result<Self> {
        Ok(Self { cut: Cut::of(cut)?, buckets })
    }
}

/// What is to be pushed to whom, at one moment.
pub(super) struct Cut {
    bucket: u32,
    through: i64,
    at: i64,
    entries: Vec<StreamEntry>,
    connections: Vec<Registered>,
    lagging: HashMap<String, i64>,
}

/// The bucket, through which entry, the time, the entries as id and fields, the connections as id, registration, …, and
/// who lags since when.
type RawCut = (u32, i64, i64, Vec<(String, Vec<String>)>, Vec<String>, HashMap<String, i64>);

/// A connection as the registry knows it.
pub(super) struct Registered {
    pub id: ConnectionId,
    pub user: UserId,
    connected_at: i64,
    expires_at: i64,
}

impl Cut {
    /// From what `fold.lua`'s `cut` returns; `None` when there is nothing to push or somebody else does.
    pub(super) fn of(value: Value) -> Result<Option<Self>> {
        if matches!(value, Value::Nil) {
            return Ok(None);
        }
        let (bucket, through, at, entries, registrations, lagging): RawCut = decode(value)?;
        let entries =
            entries.into_iter().map(|(id, fields)| StreamEntry::new(&id, fields)).collect::<Result<_>>()?;
        let connections = Registered::all(&registrations);
        Ok(Some(Self { bucket, through, at, entries, connections, lagging }))
    }
}

impl Registered {
    /// From connection, registration, connection, registration, …
    pub(super) fn all(registrations: &[String]) -> Vec<Self> {
        registrations.chunks_exact(2).filter_map(|pair| Self::of(&pair[0], &pair[1])).collect()
    }

    fn of(id: &str, value: &str) -> Option<Self> {
        let [user, _session, connected_at, expires_at, _hash] =
            value.split('|').collect::<Vec<_>>().try_into().ok()?;
        Some(Self {
            id: ConnectionId(id.to_owned()),
            user: user.parse().ok()?,
            connected_at: connected_at.parse().ok()?,
            expires_at: expires_at.parse().ok()?,
        })
    }
}

/// What a round learned of connections.
#[derive(Default)]
pub(super) struct Round {
    gone: Vec<ConnectionId>,
    failed: Vec<ConnectionId>,
    told: Vec<ConnectionId>,
}

/// Posts last events and rounds until nothing is left, or it is for a job to go on.
pub(super) async fn deliver(
    app: &App,
    conversation: ConversationId,
    token: &Token,
    Folded { removed, work }: Folded,
) -> Result<()> {
    hand_over(app, conversation, token, &work.buckets).await;
    if let Err(error) = forget_subscriptions(app, conversation, &removed).await {
        // Their connections' own records are wrong until they subscribe again; their last event is still theirs.
        super::warn(conversation, "a record still names the conversation", &error);
    }
    let last_events =
        stream::iter(removed).for_each_concurrent(PARALLEL_POSTS, |(connection, frame)| async move {
            app.push().post(&connection, Blob::new(frame)).await;
        });
    last_events.await;
    match work.cut {
        Some(cut) => push(app, conversation, token, cut, HOLD).await,
        None => Ok(()),
    }
}

/// Goes on pushing to a bucket.
pub async fn resume(app: &App, conversation: ConversationId, bucket: u32, token: &Token) -> Result<()> {
    match begin(app, conversation, bucket, token).await? {
        Some(cut) => push(app, conversation, token, cut, RUN).await,
        None => Ok(()),
    }
}

/// The first cut of a job; `None` when its lease was lost.
pub(super) async fn begin(
    app: &App,
    conversation: ConversationId,
    bucket: u32,
    token: &Token,
) -> Result<Option<Cut>> {
    let lagging = HashMap::new();
    let nothing = Cut { bucket, through: 0, at: 0, entries: Vec::new(), connections: Vec::new(), lagging };
    next(app, conversation, token, &nothing, &Round::default()).await
}

/// Posts rounds for about so long; what is left then is for a job.
async fn push(
    app: &App,
    conversation: ConversationId,
    token: &Token,
    first: Cut,
    share: Duration,
) -> Result<()> {
    let began = Instant::now();
    let mut current = first;
    loop {
        let round = post(app, conversation, &current).await;
        let cut = next(app, conversation, token, &current, &round).await?;
        forget_gone(app, &current, &round).await?;
        match cut {
            None => return Ok(()),
            Some(cut) if began.elapsed() > share => {
                hand_over(app, conversation, token, &[cut.bucket]).await;
                return Ok(());
            }
            Some(cut) => current = cut,
        }
    }
}

/// Lets jobs push to these buckets, under the leases that were taken with the token.
async fn hand_over(app: &App, conversation: ConversationId, token: &Token, buckets: &[u32]) {
    let jobs = buckets.iter().map(async |&bucket| {
        start(app, &Job::Push { conversation_id: conversation, bucket, token: token.clone() }).await;
    });
    join_all(jobs).await;
}

/// Whoever was removed is subscribed no more, also by their connections' own records.
async fn forget_subscriptions(
    app: &App,
    conversation: ConversationId,
    removed: &[(ConnectionId, String)],
) -> Result<()> {
    let calls = removed.iter().map(|(connection, _)| {
        Call::command("HDEL").arg(keys::connection(connection)).arg(keys::subscription(conversation))
    });
    app.redis.wave(calls.collect()).await.map(drop)
}

/// Whoever is gone counts no more among their user's connections. The record stays: `$disconnect` may still come, and
/// has to know whom to tell.
async fn forget_gone(app: &App, cut: &Cut, round: &Round) -> Result<()> {
    let gone = cut.connections.iter().filter(|one| round.gone.contains(&one.id));
    let calls = gone.flat_map(|one| {
        let of_user = UserKeys::of(one.user);
        [("HDEL", of_user.connections()), ("ZREM", of_user.live())]
            .map(|(forget, key)| Call::command(forget).arg(key).arg(&one.id.0))
    });
    app.redis.wave(calls.collect()).await.map(drop)
}

async fn post(app: &App, conversation: ConversationId, cut: &Cut) -> Round {
    let mut round = Round::default();
    let (live, expired): (Vec<_>, Vec<_>) = cut.connections.iter().partition(|one| one.expires_at > cut.at);
    let expired: Vec<_> = expired.into_iter().map(|one| one.id.clone()).collect();

    // Serialised and counted once for all but the connections that sent some of it.
    let (for_all, messages_for_all) = (frames(&cut.entries, None), messages(&cut.entries, None));
    let lag = Frame::Lag { conversation_id: conversation, latest: cut.through };
    let lag = serde_json::to_string(&lag).expect("an id and a number always serialise");
    let origins: HashSet<_> = cut.entries.iter().filter_map(|entry| entry.connection.as_ref()).collect();

    let mut posts = Vec::with_capacity(live.len());
    for one in live {
        let lagging = cut.lagging.contains_key(&one.id.0) || cut.entries.is_empty();
        let (frames, messages) = if lagging {
            (vec![Blob::new(lag.clone())], 0)
        } else if origins.contains(&one.id) {
            (frames(&cut.entries, Some(&one.id)), messages(&cut.entries, Some(&one.id)))
        } else {
            (for_all.clone(), messages_for_all)
        };
        posts.push(async move { (one, lagging, messages, post_all(app, &one.id, frames).await) });
    }
    let mut posts = stream::iter(posts).buffer_unordered(PARALLEL_POSTS);
    let (mut given_up, mut pushed) = (Vec::new(), 0);
    while let Some((one, lagging, messages, posted)) = posts.next().await {
        if posted == Posted::Taken {
            pushed += messages;
        }
        match posted {
            Posted::Taken if lagging => round.told.push(one.id.clone()),
            Posted::Gone if cut.at - one.connected_at > in_millis(YOUNG) => round.gone.push(one.id.clone()),
            Posted::Taken | Posted::Gone => {}
            Posted::Failed => {
                let since = cut.lagging.get(&one.id.0).copied().unwrap_or(cut.at);
                if cut.at - since > in_millis(PATIENCE) {
                    given_up.push(&one.id);
                    round.gone.push(one.id.clone());
                } else {
                    round.failed.push(one.id.clone());
                }
            }
        }
    }
    app.metrics.pushed(pushed);
    app.metrics.gone(round.gone.len());
    round.gone.extend(expired);
    join_all(given_up.into_iter().map(|connection| app.push().close(connection))).await;
    if !round.failed.is_empty() {
        // One line a round: a slow recipient would fill the log with its own.
        tracing::warn!(conversation_id = %conversation, failed = round.failed.len(), "posts failed");
    }
    round
}

/// How many of the entries are messages.
fn messages(entries: &[StreamEntry], but_of: Option<&ConnectionId>) -> usize {
    let wanted = entries.iter().filter(|entry| but_of.is_none() || entry.connection.as_ref() != but_of);
    wanted.filter(|entry| entry.is_message()).count()
}

/// Posts frames in order, until one is not taken.
async fn post_all(app: &App, connection: &ConnectionId, frames: Vec<Blob>) -> Posted {
    for frame in frames {
        let posted = app.push().post(connection, frame).await;
        if posted != Posted::Taken {
            return posted;
        }
    }
    Posted::Taken
}

/// What a connection is told that missed pushes.
#[derive(Serialize, ToSchema)]
#[schema(as = LagEvent)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Frame {
    /// You missed pushes: `subscribe` from the last seq you have.
    #[schema(title = "lag")]
    Lag {
        /// Where.
        conversation_id: ConversationId,
        /// The last seq there is.
        latest: i64,
    },
}

/// How the API's document describes a batch, which is put together of frames that are text already.
pub(crate) fn batch_schema() -> Schema {
    let events =
        ArrayBuilder::new().items(Ref::from_schema_name(super::LoggedFrame::name())).min_items(Some(2));
    let kind = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["batch"]));
    let batch = ObjectBuilder::new()
        .title(Some("batch"))
        .description(Some("Several events of a conversation's log, in order."))
        .property("type", kind)
        .property("frames", events)
        .required("type")
        .required("frames");
    batch.build().into()
}

/// The entries as frames, several in a `batch` as far as they fit into one frame.
fn frames(entries: &[StreamEntry], but_of: Option<&ConnectionId>) -> Vec<Blob> {
    const OPENING: &str = r#"{"type":"batch","frames":["#;
    const CLOSING: &str = "]}";

    let wanted: Vec<_> =
        entries.iter().filter(|entry| but_of.is_none() || entry.connection.as_ref() != but_of).collect();
    let mut all = Vec::new();
    let mut rest = wanted.as_slice();
    while let Some(first) = rest.first() {
        let mut size = OPENING.len() + CLOSING.len() + first.frame.len();
        let mut count = 1;
        while let Some(more) = rest.get(count)
            && size + 1 + more.frame.len() <= MAX_FRAME
        {
            size += 1 + more.frame.len();
            count += 1;
        }
        let (now, later) = rest.split_at(count);
        all.push(Blob::new(if count == 1 {
            first.frame.clone()
        } else {
            let frames: Vec<_> = now.iter().map(|entry| entry.frame.as_str()).collect();
            [OPENING, &frames.join(","), CLOSING].concat()
        }));
        rest = later;
    }
    all
}

/// Ends a round: the next cut, or `None` when nothing is left or the lease was lost.
pub(super) async fn next(
    app: &App,
    conversation: ConversationId,
    token: &Token,
    cut: &Cut,
    round: &Round,
) -> Result<Option<Cut>> {
    let mut call = Call::script(&NEXT, &ConversationKeys::of(conversation).fold())
        .arg(&token.0)
        .arg(millis(LEASE))
        .arg(cut.bucket)
        .arg(cut.through)
        .arg(cut.at)
        .arg(round.gone.len())
        .arg(round.failed.len());
    for connection in round.gone.iter().chain(&round.failed).chain(&round.told) {
        call = call.arg(&connection.0);
    }
    Cut::of(app.redis.call(call).await?)
}

fn in_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Cut {
        /// Which entries it has.
        pub(in crate::log) fn seqs(&self) -> Vec<i64> {
            self.entries.iter().map(|entry| entry.seq).collect()
        }

        /// Which connections it goes to.
        pub(in crate::log) fn recipients(&self) -> Vec<String> {
            self.connections.iter().map(|one| one.id.0.clone()).collect()
        }
    }

    fn entry(seq: i64, connection: &str, frame: &str) -> StreamEntry {
        let fields = ["kind", "message", "user", "u", "connection", connection, "frame", frame];
        StreamEntry::with_seq(seq, fields.map(str::to_owned).to_vec()).expect("the fields of an entry")
    }

    fn texts(frames: &[Blob]) -> Vec<String> {
        frames.iter().map(|blob| String::from_utf8_lossy(blob.as_ref()).into_owned()).collect()
    }

    #[test]
    fn several_entries_are_one_batch_and_one_entry_is_its_own_frame() {
        let entries = [entry(1, "a", r#"{"seq":1}"#), entry(2, "b", r#"{"seq":2}"#)];

        assert_eq!(texts(&frames(&entries, None)), [r#"{"type":"batch","frames":[{"seq":1},{"seq":2}]}"#]);
        assert_eq!(texts(&frames(&entries[..1], None)), [r#"{"seq":1}"#]);
    }

    #[test]
    fn a_connection_is_spared_its_own_entries_and_only_those() {
        let entries = [entry(1, "a", r#"{"seq":1}"#), entry(2, "b", r#"{"seq":2}"#)];

        assert_eq!(texts(&frames(&entries, Some(&ConnectionId("a".to_owned())))), [r#"{"seq":2}"#]);
    }

    #[test]
    fn no_batch_is_larger_than_a_frame() {
        let long = format!(r#"{{"content":"{}"}}"#, "x".repeat(10_000));
        let entries: Vec<_> = (1..=7).map(|seq| entry(seq, "a", &long)).collect();

        let all = frames(&entries, None);

        assert_eq!(all.len(), 3);
        assert!(all.iter().all(|frame| frame.as_ref().len() <= MAX_FRAME));
    }
}
