//! The statements of conversations and their participants. Changes to either are entries of the log.

use time::OffsetDateTime;
use uuid::Uuid;

use super::{Conversation, Kind, Started};
use crate::ids::{ConversationId, UserId};
use crate::log::{Message, Participant, Role};
use crate::page::Limit;
use crate::postgres::{Postgres, Row, Type};
use crate::{Error, Result};

/// One conversation as one of its participants sees it: `$1` is theirs; what follows narrows `p` and `c`.
fn select_conversation(narrowed: &str) -> String {
    format!(
        "
    select c.id, c.kind, c.name, p.role, c.last_seq, p.muted, p.archived, c.created_at, c.updated_at,
           (select count(*) from participants o where o.conversation_id = c.id) as participant_count,
           (select coalesce(jsonb_agg(participant_json(o) order by o.joined_at, o.user_id), '[]')
            from (select * from participants o where o.conversation_id = c.id
                  order by o.joined_at, o.user_id limit 10) o) as participants,
           (select count(*)
            from (select from entries e
                  where e.conversation_id = c.id and e.kind = 'message' and e.seq > p.read_seq
                    and e.user_id is distinct from $1 and e.deleted_at is null
                  limit 100) unread) as unread_count,
           {MESSAGE}
    from participants p
    join conversations c on c.id = p.conversation_id
    left join lateral (
        select * from log l where l.conversation_id = c.id and l.kind = 'message' order by l.seq desc limit 1
    ) m on true
    where p.user_id = $1 {narrowed}",
        MESSAGE = Message::COLUMNS
    )
}

/// Where a page of conversations starts: after the one with this activity and id.
pub(super) type After = (OffsetDateTime, Uuid);

/// Somebody's conversations, latest activity first.
pub(super) async fn list_conversations(
    postgres: &Postgres,
    user: UserId,
    after: Option<After>,
    limit: Limit,
) -> Result<Vec<Conversation>> {
    let (updated_at, id) = after.unzip();
    let rows = postgres
        .query(
            &select_conversation(
                "and ($2::timestamptz is null or (c.updated_at, c.id) < ($2, $3))
                 order by c.updated_at desc, c.id desc limit $4",
            ),
            &[
                (&user.0, Type::UUID),
                (&updated_at, Type::TIMESTAMPTZ),
                (&id, Type::UUID),
                (&limit.and_one(), Type::INT8),
            ],
        )
        .await?;
    rows.iter().map(conversation).collect()
}

/// One conversation, for one of its participants.
pub(super) async fn find_conversation(
    postgres: &Postgres,
    user: UserId,
    id: ConversationId,
) -> Result<Option<Conversation>> {
    let row = postgres
        .query_opt(&select_conversation("and c.id = $2"), &[(&user.0, Type::UUID), (&id.0, Type::UUID)])
        .await?;
    row.as_ref().map(conversation).transpose()
}

/// Starts a group, or says whom nobody knows.
pub(super) async fn start_group(
    postgres: &Postgres,
    id: ConversationId,
    creator: UserId,
    name: Option<&str>,
    users: &[Uuid],
    emails: &[String],
) -> Result<(Vec<Uuid>, Vec<String>)> {
    let row = postgres
        .query_one(
            "select * from start_group($1, $2, $3, $4, $5)",
            &[
                (&id.0, Type::UUID),
                (&creator.0, Type::UUID),
                (&name, Type::TEXT),
                (&users, Type::UUID_ARRAY),
                (&emails, Type::TEXT_ARRAY),
            ],
        )
        .await?;
    Ok((row.get("unknown_ids"), row.get("unknown_emails")))
}

/// Starts or finds the direct conversation of two people; `None` when the other does not exist.
pub(super) async fn start_direct(
    postgres: &Postgres,
    id: ConversationId,
    one: UserId,
    other: UserId,
) -> Result<Option<(ConversationId, Started)>> {
    let row = postgres
        .query_one(
            "select * from start_direct($1, $2, $3)",
            &[(&id.0, Type::UUID), (&one.0, Type::UUID), (&other.0, Type::UUID)],
        )
        .await?;
    Ok(match row.get("outcome") {
        "started" => Some((ConversationId(row.get("id")), Started::Now)),
        "exists" => Some((ConversationId(row.get("id")), Started::Before)),
        _ => None,
    })
}

/// The participants, longest-standing first, for one of them; `None` for anybody else.
pub(super) async fn list_participants(
    postgres: &Postgres,
    user: UserId,
    id: ConversationId,
    after: Option<After>,
    limit: Limit,
) -> Result<Option<Vec<Participant>>> {
    let (joined_at, user_id) = after.unzip();
    let rows = postgres
        .query(
            "select o.* from participants me left join lateral (
                 select participant_json(o) as participant from participants o
                 where o.conversation_id = $2 and ($3::timestamptz is null or (o.joined_at, o.user_id) > ($3, $4))
                 order by o.joined_at, o.user_id limit $5
             ) o on true
             where me.conversation_id = $2 and me.user_id = $1",
            &[
                (&user.0, Type::UUID),
                (&id.0, Type::UUID),
                (&joined_at, Type::TIMESTAMPTZ),
                (&user_id, Type::UUID),
                (&limit.and_one(), Type::INT8),
            ],
        )
        .await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let participants = rows.iter().filter_map(|row| row.get::<_, Option<serde_json::Value>>("participant"));
    participants.map(json).collect::<Result<_>>().map(Some)
}

pub(super) async fn find_participant(
    postgres: &Postgres,
    id: ConversationId,
    user: UserId,
) -> Result<Option<Participant>> {
    let row = postgres
        .query_opt(
            "select participant_json(p) as participant from participants p
             where p.conversation_id = $1 and p.user_id = $2",
            &[(&id.0, Type::UUID), (&user.0, Type::UUID)],
        )
        .await?;
    row.map(|row| json(row.get("participant"))).transpose()
}

pub(super) async fn mark_read(
    postgres: &Postgres,
    user: UserId,
    id: ConversationId,
    message: crate::ids::MessageId,
) -> Result<bool> {
    let row = postgres
        .query_opt(
            "update participants set read_seq = $3 where conversation_id = $2 and user_id = $1 and read_seq < $3 returning 1",
            &[(&user.0, Type::UUID), (&id.0, Type::UUID), (&message.0, Type::INT8)],
        )
        .await?;
    Ok(row.is_some())
}

fn conversation(row: &Row) -> Result<Conversation> {
    Ok(Conversation {
        id: ConversationId(row.get("id")),
        kind: match row.get("kind") {
            "direct" => Kind::Direct,
            "channel" => Kind::Channel,
            _ => Kind::Group,
        },
        name: row.get("name"),
        role: if row.get::<_, &str>("role") == "admin" { Role::Admin } else { Role::Member },
        participants: json(row.get("participants"))?,
        participant_count: row.get("participant_count"),
        last_seq: row.get("last_seq"),
        last_message: Message::from_row(row)?,
        unread_count: row.get("unread_count"),
        muted: row.get("muted"),
        archived: row.get("archived"),
        created_at: row.get("created_at"),
        updated_at: row.get("updated_at"),
    })
}

fn json<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> Result<T> {
    serde_json::from_value(value).map_err(|error| Error::Internal(error.into()))
}
