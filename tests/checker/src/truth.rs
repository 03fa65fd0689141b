//! What really happened: the log as Postgres has it, and the history as HTTP shows it.

use anyhow::{Context as _, Result};
use reqwest::Method;
use serde_json::Value;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::{
    account::Account,
    frames::{self, Page},
};

/// What is true of all conversations of a run, by their positions.
#[derive(Debug, Default, Clone)]
pub struct Truth {
    /// Each conversation.
    pub rooms: Vec<Room>,
}

/// What is true of one conversation.
#[derive(Debug, Default, Clone)]
pub struct Room {
    /// The number of its last entry, as the conversation's own row says.
    pub last_seq: u64,
    /// Its log, in order.
    pub log: Vec<Logged>,
    /// Who takes part now.
    pub participants: Vec<String>,
    /// Its messages over HTTP, in order: places and digests; `None` when nobody asked.
    pub history: Option<Vec<(u64, u64)>>,
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// Its place.
    pub seq: u64,
    /// What it says.
    pub digest: u64,
    /// When it was written, before it was committed.
    pub at: i64,
    /// What matters of it to the judge.
    pub what: What,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A message with the client's idempotency key.
    Message(String),
    /// Somebody was added.
    Added(String),
    /// Somebody was removed.
    Removed(String),
    /// Anything else.
    Other,
}

impl Room {
    /// The entry with this number.
    pub fn entry(&self, seq: u64) -> Option<&Logged> {
        self.log.binary_search_by_key(&seq, |entry| entry.seq).ok().map(|at| &self.log[at])
    }
}

/// Where the logs are: the last number and the participants of each conversation.
pub(crate) async fn heads(postgres: &Client, ids: &[Uuid]) -> Result<Vec<(u64, Vec<String>)>> {
    let statement = "
        select c.last_seq, array_remove(array_agg(p.user_id::text), null)
        from unnest($1::uuid[]) with ordinality as asked (id, position)
            join conversations c on c.id = asked.id
            left join participants p on p.conversation_id = c.id
        group by asked.position, c.id
        order by asked.position";
    let rows = postgres.query(statement, &[&ids]).await?;
    rows.iter().map(|row| Ok((u64::try_from(row.try_get::<_, i64>(0)?)?, row.try_get(1)?))).collect()
}

/// Reads everything; the history as the person with each account sees it.
pub(crate) async fn read(postgres: &Client, ids: &[Uuid], readers: &[&Account]) -> Result<Truth> {
    let mut rooms = Vec::with_capacity(ids.len());
    for ((id, reader), (last_seq, participants)) in ids.iter().zip(readers).zip(heads(postgres, ids).await?) {
        let (log, history) = (log(postgres, *id).await?, Some(history(reader, *id).await?));
        rooms.push(Room { last_seq, log, participants, history });
    }
    Ok(Truth { rooms })
}

async fn log(postgres: &Client, id: Uuid) -> Result<Vec<Logged>> {
    let statement = "
        select seq, kind, user_id::text, key, content, data, (extract(epoch from created_at) * 1000000)::bigint
        from entries where conversation_id = $1 order by seq";
    let rows = postgres.query(statement, &[&id]).await?;
    let mut log = Vec::with_capacity(rows.len());
    for row in rows {
        let (kind, key): (String, String) = (row.try_get(1)?, row.try_get(3)?);
        let sender = row.try_get::<_, Option<String>>(2)?.unwrap_or_default();
        let data = row.try_get::<_, Option<Value>>(5)?.unwrap_or_default();
        let of_data = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
        let (digest, what) = if kind == "message" {
            let client_id = key.strip_prefix("c:").unwrap_or_default();
            let content = row.try_get::<_, Option<String>>(4)?.unwrap_or_default();
            (frames::of_message(&sender, client_id, &content), What::Message(client_id.to_owned()))
        } else {
            let user = of_data("user_id");
            let detail = ["role", "name", "by"].map(of_data).concat();
            let digest = frames::of_change(&kind, &user, &detail);
            let what = match kind.as_str() {
                "participant.added" => What::Added(user),
                "participant.removed" => What::Removed(user),
                _ => What::Other,
            };
            (digest, what)
        };
        log.push(Logged {
            seq: u64::try_from(row.try_get::<_, i64>(0)?)?,
            digest,
            at: row.try_get(6)?,
            what,
        });
    }
    Ok(log)
}

/// The whole history, from its newest page backwards.
async fn history(reader: &Account, id: Uuid) -> Result<Vec<(u64, u64)>> {
    let mut newest_first = Vec::new();
    let mut before = String::new();
    loop {
        let path = format!("/api/v1/conversations/{id}/messages?limit=100{before}");
        let text = reader.call(Method::GET, &path, None, &[200]).await?;
        let mut page = Page::parse(&text).with_context(|| text.clone())?;
        let next = page.next.take();
        newest_first.extend(page.into_entries().rev());
        let Some(next) = next else { break };
        before = format!("&before={next}");
    }
    newest_first.reverse();
    Ok(newest_first)
}
