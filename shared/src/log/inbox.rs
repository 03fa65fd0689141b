//! The inbox: in a burst the sends into a conversation wait here and are committed together, each acked by a push.
//!
//! What is in it is durable nowhere and acked to nobody. A holder that dies leaves it to the next sender of the burst;
//! whoever is not answered sends again, as after any lost answer, and the idempotency key makes it one entry.

use std::sync::LazyLock;
use std::time::Duration;

use futures_util::future::join;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Change, Entry, Key, LEASE, Token, UNPUBLISHED, fold, millis, outcome, queries, rounds, to_json, warn,
};
use crate::ids::{ConnectionId, ConversationId, UserId};
use crate::metrics::Via;
use crate::redis::keys::ConversationKeys;
use crate::redis::{Call, Script, Source};
use crate::{App, Error, Result};

static LEAD: Script = LazyLock::new(|| Source::new(include_str!("lead.lua")));
static ENQUEUE: Script = LazyLock::new(|| Source::new(include_str!("enqueue.lua")));

/// Up to so many sends within [`BURST_WINDOW`] are committed one by one: that is quicker for each.
pub(super) const BURST: u32 = 20;
pub(super) const BURST_WINDOW: Duration = Duration::from_millis(100);
/// How long an intent waits for its commit at most.
const INTENT_LIFE: Duration = Duration::from_secs(30);
/// How many are committed in one transaction.
const BATCH: usize = 64;

/// A send that waits: what to commit, and whom to answer.
#[derive(Debug, Serialize, Deserialize)]
pub struct Intent {
    /// Over which connection it came.
    pub connection: ConnectionId,
    /// What the client called the frame.
    pub reference: Option<Value>,
    pub(super) key: Key,
    pub(super) data: Value,
}

impl Intent {
    /// To send a message.
    pub fn new(connection: &ConnectionId, reference: Option<&Value>, change: &Change, key: &Key) -> Self {
        let (_, data) = change.kind_and_data();
        Self { connection: connection.clone(), reference: reference.cloned(), key: key.clone(), data }
    }
}

/// Whether an intent waits in the inbox.
pub enum Enqueued {
    /// It does, and under this token somebody has to be started who commits what waits.
    First(Token),
    /// It does, and somebody commits what waits.
    Waits,
    /// The inbox is full.
    Full,
}

/// Puts a send of a burst into the inbox, to be committed with others; its sender is answered then.
pub async fn enqueue(
    app: &App,
    conversation: ConversationId,
    user: UserId,
    intent: &Intent,
) -> Result<Enqueued> {
    let (keys, token) = (ConversationKeys::of(conversation), Token::generate());
    let call = Call::script(&ENQUEUE, &[keys.inbox(), keys.inbox_lease()])
        .arg(user.to_string())
        .arg(intent.key.as_str())
        .arg(to_json(intent)?)
        .arg(millis(INTENT_LIFE))
        .arg(&token.0)
        .arg(millis(LEASE));
    let took_lease: Option<bool> = app.redis.call(call).await?;
    Ok(match took_lease {
        Some(true) => Enqueued::First(token),
        Some(false) => Enqueued::Waits,
        None => Enqueued::Full,
    })
}

/// What became of an intent: its entry and whether that was there before.
pub type Answered = (Intent, Result<(Entry, bool)>);

/// What a burst's job has committed and still stands in the inbox, by field and time.
#[derive(Default)]
pub struct Progress {
    /// Whose senders are answered.
    done: Vec<(String, u64)>,
    /// Whose senders are being answered.
    answering: Vec<(String, u64)>,
}

/// Commits what waits longest in the inbox, as far as one transaction takes it, while what it returned the time before is
/// being answered; what it returned before that is, and leaves the inbox. Returns what became of each; nothing when nothing
/// else waits or the inbox is somebody else's.
pub async fn combine(
    app: &App,
    conversation: ConversationId,
    token: &Token,
    progress: &mut Progress,
) -> Result<Vec<Answered>> {
    let waiting = lead(app, conversation, token, progress).await?;
    progress.done = std::mem::take(&mut progress.answering);
    progress.answering = waiting.iter().map(|one| (one.field.clone(), one.at)).collect();
    if waiting.is_empty() {
        return Ok(Vec::new());
    }

    let committed = queries::append_messages(&app.postgres, conversation, &waiting).await;
    let answers: Vec<Result<(Entry, bool)>> = match committed {
        Ok(rows) => rows
            .into_iter()
            .map(|(said, entry)| {
                let duplicate = outcome(&said)? == super::Outcome::Duplicate;
                let entry = entry.ok_or_else(|| Error::Internal(anyhow::anyhow!("a send made no entry")))?;
                Ok((entry, duplicate))
            })
            .collect(),
        Err(error) => {
            // The outcome is open for all of them; the cause is said once.
            warn(conversation, "not committed", &error);
            waiting
                .iter()
                .map(|_| Err(Error::Unavailable(anyhow::anyhow!("a burst was not committed"))))
                .collect()
        }
    };
    for answer in &answers {
        match answer {
            Ok((_, false)) => app.metrics.sent(Via::WebSocket),
            Ok((_, true)) => app.metrics.repeated(Via::WebSocket),
            Err(error) => app.metrics.refused(error.code()),
        }
    }
    Ok(waiting.into_iter().map(|one| one.intent).zip(answers).collect())
}

/// Removes what was returned, whose senders are answered now, and says whether there is more; then the lease is kept.
pub async fn has_more(
    app: &App,
    conversation: ConversationId,
    token: &Token,
    progress: &mut Progress,
) -> Result<bool> {
    let answered = std::mem::take(&mut progress.answering);
    progress.done.extend(answered);
    Ok(!lead(app, conversation, token, progress).await?.is_empty())
}

async fn lead(
    app: &App,
    conversation: ConversationId,
    token: &Token,
    progress: &Progress,
) -> Result<Vec<Waiting>> {
    let keys = ConversationKeys::of(conversation);
    let mut call = Call::script(&LEAD, &[keys.inbox(), keys.inbox_lease()])
        .arg(&token.0)
        .arg(millis(LEASE))
        .arg(millis(INTENT_LIFE))
        .arg(BATCH)
        .arg(progress.done.len());
    for (field, at) in progress.done.iter().chain(&progress.answering) {
        call = call.arg(field).arg(at);
    }
    let waiting: Vec<String> = app.redis.call(call).await?;
    waiting.chunks_exact(2).map(|pair| Waiting::of(&pair[0], &pair[1])).collect()
}

/// Publishes what was committed together. `answer` is run once readers find it, and while it is pushed.
pub async fn publish_burst<T>(
    app: &App,
    conversation: ConversationId,
    answered: &[Answered],
    answer: impl Future<Output = T>,
) -> T {
    let entries: Vec<_> =
        answered.iter().filter_map(|(_, answer)| answer.as_ref().ok().map(|(entry, _)| entry)).collect();
    if entries.is_empty() {
        return answer.await;
    }
    // Under a token of its own: whoever pushes an earlier batch still does so.
    let token = Token::generate();
    let folded = fold(app, conversation, &entries, &token).await;
    let delivered = async { rounds::deliver(app, conversation, &token, folded?).await };
    let (delivered, answer) = join(delivered, answer).await;
    if let Err(error) = delivered {
        warn(conversation, UNPUBLISHED, &error);
    }
    answer
}

/// An intent as it stands in the inbox.
pub(super) struct Waiting {
    field: String,
    at: u64,
    pub user: UserId,
    pub intent: Intent,
}

impl Waiting {
    fn of(field: &str, value: &str) -> Result<Self> {
        let parsed = || {
            let mut parts = value.splitn(3, '|');
            let at = parts.next()?.parse().ok()?;
            let user = parts.next()?.parse().ok()?;
            let intent = serde_json::from_str(parts.next()?).ok()?;
            Some(Self { field: field.to_owned(), at, user, intent })
        };
        parsed().ok_or_else(|| Error::Internal(anyhow::anyhow!("an intent of the inbox is broken")))
    }
}
