//! The statements of conversations and their participants. Changes to either are entries of the log.

use std::collections::HashMap;

use time::OffsetDateTime;
use uuid::Uuid;

use super::{ChannelName, Conversation, Kind, ListedParticipant, NewKind, NewSettings, Started};
use crate::ids::{ConversationId, MessageId, UserId};
use crate::log::{Message, Participant, Role};
use crate::page::Limit;
use crate::postgres::{Postgres, Row, Type};
use crate::{Error, Result};

/// Those of the conversations of `ids`, a statement's array, that `$1` takes part in, as they see them. The last message's
/// columns come last: by name, the first of a row is found.
fn shown(ids: &str) -> String {
    format!(
        "select c.id, c.kind, c.name, c.role, c.last_seq, c.muted, c.archived, c.created_at, c.updated_at,
                c.participant_ids, c.participant_names, c.participant_emails, c.participant_roles,
                c.participants_joined_at, c.participant_count, c.unread_count,
                (c.last_message).*
         from show_conversations($1, array({ids})) c"
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
    // One conversation at a time by its key, however many the planner expects.
    let page = "select c.id from participants p
                cross join lateral (select * from conversations c where c.id = p.conversation_id offset 0) c
                where p.user_id = $1 and ($2::timestamptz is null or (c.updated_at, c.id) < ($2, $3))
                order by c.updated_at desc, c.id desc limit $4";
    let params = [
        (&user.0 as _, Type::UUID),
        (&updated_at as _, Type::TIMESTAMPTZ),
        (&id as _, Type::UUID),
        (&limit.and_one() as _, Type::INT8),
    ];
    let rows = postgres.query(&shown(page), &params).await?;
    rows.iter().map(conversation).collect()
}

/// One conversation, for one of its participants.
pub(super) async fn find_conversation(
    postgres: &Postgres,
    user: UserId,
    id: ConversationId,
) -> Result<Option<Conversation>> {
    let params = [(&user.0 as _, Type::UUID), (&id.0 as _, Type::UUID)];
    let row = postgres.query_opt(&shown("select $2::uuid"), &params).await?;
    row.as_ref().map(conversation).transpose()
}

/// The channel of this name, for one of its participants.
pub(super) async fn find_channel(
    postgres: &Postgres,
    user: UserId,
    name: &ChannelName,
) -> Result<Option<Conversation>> {
    let named =
        "select c.id from conversations c where c.kind = 'channel' and c.deleted_at is null and c.name = $2";
    let params = [(&user.0 as _, Type::UUID), (&name.as_str() as _, Type::TEXT)];
    let row = postgres.query_opt(&shown(named), &params).await?;
    row.as_ref().map(conversation).transpose()
}

/// Those of these channels that the user takes part in, by name.
pub(super) async fn find_channels(
    postgres: &Postgres,
    user: UserId,
    names: &[ChannelName],
) -> Result<HashMap<String, ConversationId>> {
    let names: Vec<_> = names.iter().map(ChannelName::as_str).collect();
    let rows = postgres
        .query(
            "select c.name, c.id from conversations c
             where c.kind = 'channel' and c.deleted_at is null and c.name = any($2)
               and exists (select from participants p where p.conversation_id = c.id and p.user_id = $1)",
            &[(&user.0, Type::UUID), (&names, Type::TEXT_ARRAY)],
        )
        .await?;
    Ok(rows.iter().map(|row| (row.get("name"), ConversationId(row.get("id")))).collect())
}

/// A group or a channel to be started.
pub(super) struct Start<'a> {
    pub id: ConversationId,
    pub kind: NewKind,
    pub creator: UserId,
    pub name: Option<&'a str>,
}

/// What the database's `start_conversation` said.
pub(super) enum StartOutcome {
    Started,
    Forbidden,
    NameTaken,
    /// Those of the people named whom nobody knows.
    Unknown {
        ids: Vec<Uuid>,
        emails: Vec<String>,
    },
}

/// Starts a group or a channel, or says why not.
pub(super) async fn start_conversation(
    postgres: &Postgres,
    start: &Start<'_>,
    users: &[Uuid],
    emails: &[String],
) -> Result<StartOutcome> {
    let kind = match start.kind {
        NewKind::Group => "group",
        NewKind::Channel => "channel",
    };
    let row = postgres
        .query_one(
            "select * from start_conversation($1, $2, $3, $4, $5, $6)",
            &[
                (&start.id.0, Type::UUID),
                (&kind, Type::TEXT),
                (&start.creator.0, Type::UUID),
                (&start.name, Type::TEXT),
                (&users, Type::UUID_ARRAY),
                (&emails, Type::TEXT_ARRAY),
            ],
        )
        .await?;
    match row.get("outcome") {
        "started" => Ok(StartOutcome::Started),
        "forbidden" => Ok(StartOutcome::Forbidden),
        "name_taken" => Ok(StartOutcome::NameTaken),
        "unknown" => {
            Ok(StartOutcome::Unknown { ids: row.get("unknown_ids"), emails: row.get("unknown_emails") })
        }
        other => Err(Error::Internal(anyhow::anyhow!("start_conversation said {other}"))),
    }
}

/// Changes the settings that are given; `false` when the user takes no part.
pub(super) async fn update_settings(
    postgres: &Postgres,
    user: UserId,
    id: ConversationId,
    new: NewSettings,
) -> Result<bool> {
    let row = postgres
        .query_opt(
            "update participants set muted = coalesce($3, muted), archived = coalesce($4, archived)
             where conversation_id = $1 and user_id = $2 returning true",
            &[
                (&id.0, Type::UUID),
                (&user.0, Type::UUID),
                (&new.muted, Type::BOOL),
                (&new.archived, Type::BOOL),
            ],
        )
        .await?;
    Ok(row.is_some())
}

/// What became of a read pointer.
pub(super) struct Reading {
    /// Whether there is such a message.
    pub is_message: bool,
    /// Whether the pointer was below it.
    pub moved: bool,
}

/// Moves the read pointer forward to a message; `None` for somebody who takes no part.
pub(super) async fn move_read_pointer(
    postgres: &Postgres,
    user: UserId,
    id: ConversationId,
    message: MessageId,
) -> Result<Option<Reading>> {
    let row = postgres
        .query_opt(
            "with message as (
                 select from entries where conversation_id = $1 and seq = $3 and kind = 'message'),
             moved as (
                 update participants set read_seq = $3
                 where conversation_id = $1 and user_id = $2 and read_seq < $3 and exists (select from message)
                 returning true)
             select exists (select from message) as is_message, exists (select from moved) as moved
             from participants where conversation_id = $1 and user_id = $2",
            &[(&id.0, Type::UUID), (&user.0, Type::UUID), (&message.0, Type::INT8)],
        )
        .await?;
    Ok(row.map(|row| Reading { is_message: row.get("is_message"), moved: row.get("moved") }))
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
) -> Result<Option<Vec<ListedParticipant>>> {
    let (joined_at, user_id) = after.unzip();
    let rows = postgres
        .query(
            "select o.user_id, u.name, u.email, o.role, o.joined_at, o.read_seq
             from participants me
             left join lateral (
                 select * from participants o
                 where o.conversation_id = $2 and ($3::timestamptz is null or (o.joined_at, o.user_id) > ($3, $4))
                 order by o.joined_at, o.user_id limit $5
             ) o on true
             left join users u on u.id = o.user_id
             where me.conversation_id = $2 and me.user_id = $1
             order by o.joined_at, o.user_id",
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
    let others = rows.iter().filter(|row| row.get::<_, Option<Uuid>>("user_id").is_some());
    Ok(Some(others.map(listed).collect()))
}

pub(super) async fn find_participant(
    postgres: &Postgres,
    id: ConversationId,
    user: UserId,
) -> Result<Option<Participant>> {
    let row = postgres
        .query_opt(
            "select p.user_id, u.name, u.email, p.role, p.joined_at
             from participants p join users u on u.id = p.user_id
             where p.conversation_id = $1 and p.user_id = $2",
            &[(&id.0, Type::UUID), (&user.0, Type::UUID)],
        )
        .await?;
    Ok(row.as_ref().map(participant))
}

fn conversation(row: &Row) -> Result<Conversation> {
    Ok(Conversation {
        id: ConversationId(row.get("id")),
        kind: Kind::of(row.get("kind")),
        name: row.get("name"),
        role: role(row.get("role")),
        participants: first_participants(row),
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

fn first_participants(row: &Row) -> Vec<Participant> {
    let names: Vec<String> = row.get("participant_names");
    let emails: Vec<String> = row.get("participant_emails");
    let roles: Vec<&str> = row.get("participant_roles");
    let joined_at: Vec<OffsetDateTime> = row.get("participants_joined_at");
    row.get::<_, Vec<Uuid>>("participant_ids")
        .into_iter()
        .zip(names.into_iter().zip(emails))
        .zip(roles.into_iter().zip(joined_at))
        .map(|((id, (user_name, user_email)), (said, joined_at))| Participant {
            user_id: UserId(id),
            user_name,
            user_email: Some(user_email),
            role: role(said),
            joined_at,
        })
        .collect()
}

fn participant(row: &Row) -> Participant {
    Participant {
        user_id: UserId(row.get("user_id")),
        user_name: row.get("name"),
        user_email: row.get("email"),
        role: role(row.get("role")),
        joined_at: row.get("joined_at"),
    }
}

fn listed(row: &Row) -> ListedParticipant {
    let Participant { user_id, user_name, user_email, role, joined_at } = participant(row);
    ListedParticipant { user_id, user_name, user_email, role, joined_at, read_seq: row.get("read_seq") }
}

fn role(said: &str) -> Role {
    if said == "admin" { Role::Admin } else { Role::Member }
}
