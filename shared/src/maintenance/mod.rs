//! Maintenance: what nobody else comes back for. A handler may die between its commit and its publish, Redis may be
//! rewound to an older copy, and nobody may write to the conversation again; so each minute what was active lately is
//! compared with Postgres, and what is behind is folded forward and pushed.
//!
//! Each run leaves a mark in every partition, its start, once all there is folded. The next run compares what was active
//! since the mark it finds, less a few intervals: a Redis that was rewound has an older mark, and one without a mark
//! has everything compared that is warm.

mod queries;

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;
use std::time::Duration;

use time::OffsetDateTime;

use crate::ids::ConversationId;
use crate::log::CONNECTION_LIFE;
use crate::redis::keys::{self, Partition};
use crate::redis::{Call, Script, Source, decode};
use crate::{App, Error, Result, accounts, connections, log};

/// How often it runs; the schedule in `template.yaml` says the same.
const INTERVAL: Duration = Duration::from_mins(1);
/// How far before a mark is looked: for a run that was late, commits that were slow, and clocks that differ.
const SLACK: Duration = INTERVAL.saturating_mul(3);
/// After so long a quiet conversation has left Redis.
const WARM_FOR: Duration = Duration::from_hours(7 * 24);

/// How long a session is remembered that has ended: for longer than a connection of it can live.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(24);

/// Marks a partition, if the mark is still the one that was found there: Redis may have been lost meanwhile.
///
/// `KEYS[1]` mark; `ARGV[1]` the mark found or '', `ARGV[2]` the new one, `ARGV[3]` its life in s
static MARK: Script = LazyLock::new(|| {
    Source::new(
        "if (redis.call('GET', KEYS[1]) or '') == ARGV[1] then
           redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
         end",
    )
});

/// Runs once.
pub async fn run(app: &App) -> Result<()> {
    let began = OffsetDateTime::now_utc();
    let marks = find_marks(app).await?;
    // Redis may have been rewound a little, to after its marks, and then does not know who was signed out since; lost or
    // rewound far, or not looked at for long, it may know nobody who was.
    let oldest = marks.values().copied().min().flatten();
    let rewound = oldest.is_none_or(|mark| mark < began - SLACK);
    let since = oldest.filter(|_| !rewound).map_or(began - CONNECTION_LIFE, |mark| mark - SLACK);
    connections::end(app, &accounts::list_ended_sessions(app, since).await?).await?;

    let compared = find_compared(app, &marks).await?;
    let settled = log::settle(app, &compared).await?;
    let unsettled: HashSet<_> =
        settled.failed.iter().map(|conversation| Partition::of(&conversation.0)).collect();
    let fold_lag = settled.behind;
    let lag = Call::command("HSET").arg(keys::fold_lag()).arg(&[
        "entries",
        &fold_lag.to_string(),
        "at",
        &began.unix_timestamp().to_string(),
    ]);

    let settled = marks.iter().filter(|(partition, _)| !unsettled.contains(partition));
    let marking = settled.flat_map(|(partition, mark)| {
        let found = mark.map(|mark| millis(mark).to_string()).unwrap_or_default();
        [
            Call::script(&MARK, &[partition.mark()]).arg(found).arg(millis(began)).arg(WARM_FOR.as_secs()),
            forget_before(partition.revoked(), began - CONNECTION_LIFE),
            forget_before(partition.warm(), began - WARM_FOR),
            forget_before(partition.live(), began),
        ]
    });
    app.redis.wave([lag].into_iter().chain(marking).collect()).await?;

    accounts::replay_renames(app).await?;
    let erasures = accounts::list_erasures(app, rewound).await?;
    let sessions: Vec<_> = erasures.iter().flat_map(|(_, erased)| erased.sessions.iter().copied()).collect();
    connections::end(app, &sessions).await?;
    for (id, erased) in erasures {
        erased.forget(app).await?;
        accounts::note_replayed(app, id).await?;
    }
    accounts::forget_sessions(app, began - FORGOTTEN_AFTER).await?;
    tracing::info!(compared = compared.len(), unsettled = unsettled.len(), fold_lag, "maintained");
    Ok(())
}

async fn find_marks(app: &App) -> Result<HashMap<Partition, Option<OffsetDateTime>>> {
    let calls = Partition::all().map(|partition| Call::command("GET").arg(partition.mark()));
    let replies = app.redis.wave(calls.collect()).await?;
    let marks = Partition::all().zip(replies).map(|(partition, reply)| {
        let mark: Option<i64> = decode(reply)?;
        Ok((partition, mark.and_then(connections::from_millis)))
    });
    marks.collect()
}

/// What may be behind, and where Postgres says that it is.
async fn find_compared(
    app: &App,
    marks: &HashMap<Partition, Option<OffsetDateTime>>,
) -> Result<Vec<(ConversationId, i64)>> {
    let mut compared = Vec::new();
    if let Some(oldest) = marks.values().flatten().min() {
        compared = queries::list_active(&app.postgres, *oldest - SLACK).await?;
    }
    let unmarked = marks.iter().filter(|(_, mark)| mark.is_none());
    let calls =
        unmarked.map(|(partition, _)| Call::command("ZRANGE").arg(partition.warm()).arg(&["0", "-1"]));
    let mut warm = Vec::new();
    for reply in app.redis.wave(calls.collect()).await? {
        let ids: Vec<String> = decode(reply)?;
        for id in ids {
            let id: ConversationId =
                id.parse().map_err(|_| Error::Internal(anyhow::anyhow!("not an id: {id}")))?;
            warm.push(id.0);
        }
    }
    if !warm.is_empty() {
        compared.extend(queries::list_last_seqs(&app.postgres, &warm).await?);
    }
    Ok(compared)
}

fn forget_before(key: String, moment: OffsetDateTime) -> Call {
    Call::command("ZREMRANGEBYSCORE").arg(key).arg("-inf").arg(millis(moment))
}

fn millis(moment: OffsetDateTime) -> i64 {
    moment.unix_timestamp() * 1000 + i64::from(moment.millisecond())
}
