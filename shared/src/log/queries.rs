//! The statements of the log.

use serde_json::{Value, json};
use uuid::Uuid;

use super::entry::{Change, Entry, Member};
use super::inbox::Waiting;
use super::pages::Around;
use crate::Result;
use crate::ids::{ConnectionId, ConversationId, UserId};
use crate::postgres::{Postgres, Row, Type};

/// What the database's `append` said: its outcome and the entries with it.
pub(super) async fn append(
    postgres: &Postgres,
    conversation: ConversationId,
    actor: UserId,
    change: &Change,
    key: &str,
    origin: Option<&ConnectionId>,
) -> Result<(String, Vec<Entry>)> {
    let (kind, data) = change.kind_and_data();
    let rows = postgres
        .query(
            "select a.outcome, (a.entry).* from append($1, $2, $3, $4, $5, $6) a",
            &[
                (&conversation.0, Type::UUID),
                (&actor.0, Type::UUID),
                (&kind, Type::TEXT),
                (&key, Type::TEXT),
                (&origin.map(|connection| connection.0.as_str()), Type::TEXT),
                (&data, Type::JSONB),
            ],
        )
        .await?;
    said(&rows)
}

/// An outcome and the entries with it.
fn said(rows: &[Row]) -> Result<(String, Vec<Entry>)> {
    let outcome = rows.first().map(|row| row.get("outcome")).unwrap_or_default();
    let with_entry = rows.iter().filter(|row| row.get::<_, Option<i64>>("seq").is_some());
    Ok((outcome, with_entry.map(Entry::from_row).collect::<Result<_>>()?))
}

/// Appends messages together; what the database said of each, in their order.
pub(super) async fn append_messages(
    postgres: &Postgres,
    conversation: ConversationId,
    messages: &[Waiting],
) -> Result<Vec<(String, Option<Entry>)>> {
    let messages: Vec<_> = messages
        .iter()
        .map(|Waiting { user, intent, .. }| {
            json!({ "user": user, "key": intent.key, "connection": intent.connection, "data": intent.data })
        })
        .collect();
    let rows = postgres
        .query(
            "select a.outcome, (a.entry).* from append_messages($1, $2) a order by a.place",
            &[(&conversation.0, Type::UUID), (&Value::from(messages), Type::JSONB)],
        )
        .await?;
    let said = rows.iter().map(|row| {
        let entry = row.get::<_, Option<i64>>("seq").map(|_| Entry::from_row(row)).transpose()?;
        Ok((row.get("outcome"), entry))
    });
    said.collect()
}

/// What the database's `delete_conversation` said, and its entry.
pub(super) async fn delete_conversation(
    postgres: &Postgres,
    conversation: ConversationId,
    actor: UserId,
    key: &str,
) -> Result<(String, Vec<Entry>)> {
    let rows = postgres
        .query(
            "select d.outcome, (d.entry).* from delete_conversation($1, $2, $3) d",
            &[(&conversation.0, Type::UUID), (&actor.0, Type::UUID), (&key, Type::TEXT)],
        )
        .await?;
    said(&rows)
}

/// Where the log stood at one moment, who took part, and its newest entries.
pub(super) struct Snapshot {
    pub last_seq: i64,
    pub members: Vec<(UserId, Member)>,
    pub entries: Vec<Entry>,
}

/// Reads a snapshot in one statement: what is read in two may not fit together. `None`: no such conversation.
pub(super) async fn find_snapshot(
    postgres: &Postgres,
    conversation: ConversationId,
    tail: i64,
) -> Result<Option<Snapshot>> {
    let rows = postgres
        .query(
            "with head as (select id, last_seq from conversations where id = $1),
                  tail as (select l.* from head, log l
                           where l.conversation_id = head.id and l.seq > head.last_seq - $2),
                  people as (select user_id, role from participants where conversation_id = $1
                             union
                             select t.user_id, '' from tail t
                             where t.user_id not in (select user_id from participants where conversation_id = $1))
             select head.last_seq, null::uuid as member_id, null::text as member_role, null::text as member_name,
                    null::text as member_email, t.*
             from head left join tail t on true
             union all
             select null, u.id, p.role, u.name, u.email, (null::log).*
             from people p join users u on u.id = p.user_id
             order by seq",
            &[(&conversation.0, Type::UUID), (&tail, Type::INT8)],
        )
        .await?;
    let mut snapshot = None;
    let mut members = Vec::new();
    for row in &rows {
        if let Some(id) = row.get::<_, Option<Uuid>>("member_id") {
            let role = row.get("member_role");
            members.push((
                UserId(id),
                Member { role, name: row.get("member_name"), email: row.get("member_email") },
            ));
            continue;
        }
        let last_seq = row.get("last_seq");
        let snapshot =
            snapshot.get_or_insert(Snapshot { last_seq, members: Vec::new(), entries: Vec::new() });
        if row.get::<_, Option<i64>>("seq").is_some() {
            snapshot.entries.push(Entry::from_row(row)?);
        }
    }
    Ok(snapshot.map(|snapshot: Snapshot| Snapshot { members, ..snapshot }))
}

/// The entries after `after` and before `before`, oldest first, at most `limit`.
pub(super) async fn list_entries(
    postgres: &Postgres,
    conversation: ConversationId,
    after: i64,
    before: i64,
    limit: i64,
) -> Result<Vec<Entry>> {
    let rows = postgres
        .query(
            "select * from log where conversation_id = $1 and seq > $2 and seq < $3 order by seq limit $4",
            &[
                (&conversation.0, Type::UUID),
                (&after, Type::INT8),
                (&before, Type::INT8),
                (&limit, Type::INT8),
            ],
        )
        .await?;
    entries(&rows)
}

/// The newest entry, alone; of a conversation without one, none.
pub(super) async fn list_newest_entry(
    postgres: &Postgres,
    conversation: ConversationId,
) -> Result<Vec<Entry>> {
    let rows = postgres
        .query(
            "select * from log where conversation_id = $1 order by seq desc limit 1",
            &[(&conversation.0, Type::UUID)],
        )
        .await?;
    entries(&rows)
}

/// What a member asked Postgres for: `None` when they are not one.
pub(super) async fn list_entries_for(
    postgres: &Postgres,
    conversation: ConversationId,
    user: UserId,
    after: i64,
    before: i64,
    limit: i64,
) -> Result<Option<Vec<Entry>>> {
    let rows = postgres
        .query(
            "select l.* from participants p left join lateral (
                 select * from log l where l.conversation_id = $1 and l.seq > $3 and l.seq < $4 order by l.seq limit $5
             ) l on true
             where p.conversation_id = $1 and p.user_id = $2",
            &[
                (&conversation.0, Type::UUID),
                (&user.0, Type::UUID),
                (&after, Type::INT8),
                (&before, Type::INT8),
                (&limit, Type::INT8),
            ],
        )
        .await?;
    entries_if_member(&rows)
}

/// The messages next to a seq, oldest first, at most `limit`; `None` for somebody who is not a member.
pub(super) async fn list_messages(
    postgres: &Postgres,
    conversation: ConversationId,
    user: UserId,
    around: Around,
    limit: i64,
) -> Result<Option<Vec<Entry>>> {
    let (side, nearest_first, seq) = match around {
        Around::Before(seq) => ("<", "desc", seq),
        Around::After(seq) => (">", "asc", seq),
    };
    let sql = format!(
        "select l.* from participants p left join lateral (
             select * from log l where l.conversation_id = $1 and l.kind = 'message' and l.seq {side} $3
             order by l.seq {nearest_first} limit $4
         ) l on true
         where p.conversation_id = $1 and p.user_id = $2
         order by l.seq"
    );
    let params = [
        (&conversation.0 as _, Type::UUID),
        (&user.0 as _, Type::UUID),
        (&seq as _, Type::INT8),
        (&limit as _, Type::INT8),
    ];
    entries_if_member(&postgres.query(&sql, &params).await?)
}

/// The messages of one author after a place, at most `limit`, without those that were taken back.
pub(super) async fn list_messages_by(
    postgres: &Postgres,
    author: UserId,
    after: Option<(ConversationId, i64)>,
    limit: i64,
) -> Result<Vec<Entry>> {
    let (conversation, seq) = after.map(|(conversation, seq)| (conversation.0, seq)).unzip();
    let rows = postgres
        .query(
            "select * from log
             where actor_id = $1 and kind = 'message' and deleted_at is null
               and ($2::uuid is null or (conversation_id, seq) > ($2, $3))
             order by conversation_id, seq limit $4",
            &[(&author.0, Type::UUID), (&conversation, Type::UUID), (&seq, Type::INT8), (&limit, Type::INT8)],
        )
        .await?;
    entries(&rows)
}

/// Whether a user takes part.
pub(super) async fn is_member(
    postgres: &Postgres,
    conversation: ConversationId,
    user: UserId,
) -> Result<bool> {
    let row = postgres
        .query_opt(
            "select from participants where conversation_id = $1 and user_id = $2",
            &[(&conversation.0, Type::UUID), (&user.0, Type::UUID)],
        )
        .await?;
    Ok(row.is_some())
}

fn entries(rows: &[Row]) -> Result<Vec<Entry>> {
    rows.iter().map(Entry::from_row).collect()
}

/// No row: not a member. One row without an entry: a member, and nothing to show.
fn entries_if_member(rows: &[Row]) -> Result<Option<Vec<Entry>>> {
    if rows.is_empty() {
        return Ok(None);
    }
    let with_entry = rows.iter().filter(|row| row.get::<_, Option<i64>>("seq").is_some());
    with_entry.map(Entry::from_row).collect::<Result<_>>().map(Some)
}
