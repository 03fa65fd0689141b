//! The statements of administration.

use time::OffsetDateTime;
use uuid::Uuid;

use super::{Appointed, ByKind, Deed, Figures, Overview, UserChange};
use crate::accounts::{Email, Profile};
use crate::conversations::Kind;
use crate::ids::{ConversationId, SessionId, UserId};
use crate::page::Limit;
use crate::postgres::{Postgres, Row, Type};
use crate::tokens::Identity;
use crate::tokens::access::GlobalRole;
use crate::{Error, Result};

/// Where a page starts: before the one with this time and id.
type Before = (OffsetDateTime, Uuid);

pub(super) async fn is_admin(postgres: &Postgres, user: UserId) -> Result<bool> {
    let row = postgres.query_one("select is_admin($1)", &[(&user.0, Type::UUID)]).await?;
    Ok(row.get(0))
}

/// Makes the user with this address an admin, if they are not disabled and have verified it or need not; `None`: there is
/// none such.
pub(super) async fn promote(
    postgres: &Postgres,
    email: &Email,
    unverified: bool,
) -> Result<Option<Appointed>> {
    let row = postgres
        .query_opt(
            "with found as (
                 select id, case when role = 'admin' then 'unchanged' when disabled_at is not null then 'disabled'
                     when email_verified_at is null and not $2 then 'unverified' else 'promoted' end as outcome
                 from users where lower(email) = lower($1) for update),
             changed as (
                 update users u set role = 'admin' from found where u.id = found.id and found.outcome = 'promoted'
                 returning u.id),
             noted as (
                 insert into audit (action, target, details)
                 select 'user.role', id, jsonb_build_object('from', 'user', 'to', 'admin') from changed)
             select outcome from found",
            &[(&email.as_str(), Type::TEXT), (&unverified, Type::BOOL)],
        )
        .await?;
    Ok(row.map(|row| match row.get("outcome") {
        "promoted" => Appointed::Promoted,
        "unverified" => Appointed::Unverified,
        "disabled" => Appointed::Disabled,
        _ => Appointed::Unchanged,
    }))
}

pub(super) async fn user_exists(postgres: &Postgres, user: UserId) -> Result<bool> {
    let row = postgres.query_opt("select from users where id = $1", &[(&user.0, Type::UUID)]).await?;
    Ok(row.is_some())
}

pub(super) async fn list_users(
    postgres: &Postgres,
    search: Option<&str>,
    before: Option<Before>,
    limit: Limit,
) -> Result<Vec<Profile>> {
    let (at, id) = before.unzip();
    let rows = postgres
        .query(
            "select * from users
             where ($1::text is null or starts_with(lower(username), lower($1)) or lower(email) = lower($1))
               and ($2::timestamptz is null or (created_at, id) < ($2, $3))
             order by created_at desc, id desc limit $4",
            &[
                (&search, Type::TEXT),
                (&at, Type::TIMESTAMPTZ),
                (&id, Type::UUID),
                (&limit.and_one(), Type::INT8),
            ],
        )
        .await?;
    Ok(rows.iter().map(Profile::from_row).collect())
}

/// What the database's `change_user` said, and the user with the sessions that may have connections left.
pub(super) async fn change_user(
    postgres: &Postgres,
    actor: UserId,
    user: UserId,
    change: UserChange,
) -> Result<(String, Option<(Profile, Vec<Identity>)>)> {
    let row = postgres
        .query_one(
            "select c.outcome, c.sessions, (c.changed).* from change_user($1, $2, $3, $4) c",
            &[
                (&actor.0, Type::UUID),
                (&user.0, Type::UUID),
                (&change.role.map(GlobalRole::as_str), Type::TEXT),
                (&change.disabled, Type::BOOL),
            ],
        )
        .await?;
    let changed = row.get::<_, Option<Vec<Uuid>>>("sessions").map(|sessions| {
        let ended = sessions.into_iter().map(|session| Identity { user, session: SessionId(session) });
        (Profile::from_row(&row), ended.collect())
    });
    Ok((row.get("outcome"), changed))
}

/// Ends a user's sessions and notes it, if there was one; also returns those ended lately, whose connections a request before this one
/// may not have closed. `None`: no such user.
pub(super) async fn end_sessions(
    postgres: &Postgres,
    actor: UserId,
    user: UserId,
) -> Result<Option<Vec<Uuid>>> {
    let row = postgres
        .query_opt(
            "with ended as (
                 update sessions set revoked_at = now() where user_id = $2 and revoked_at is null returning id),
             noted as (
                 insert into audit (actor_id, action, target, details)
                 select $1, 'user.signed_out', id, jsonb_build_object('sessions', (select count(*) from ended))
                 from users where id = $2 and exists (select from ended))
             select array(select id from ended
                          union
                          select id from sessions
                          where user_id = $2 and revoked_at >= now() - interval '130 min') as sessions
             from users where id = $2",
            &[(&actor.0, Type::UUID), (&user.0, Type::UUID)],
        )
        .await?;
    Ok(row.map(|row| row.get("sessions")))
}

pub(super) async fn list_conversations(
    postgres: &Postgres,
    before: Option<Before>,
    limit: Limit,
) -> Result<Vec<Overview>> {
    let (at, id) = before.unzip();
    let rows = postgres
        .query(
            "select c.*, (select count(*) from participants p where p.conversation_id = c.id) as participant_count
             from conversations c
             where c.deleted_at is null and ($1::timestamptz is null or (c.created_at, c.id) < ($1, $2))
             order by c.created_at desc, c.id desc limit $3",
            &[(&at, Type::TIMESTAMPTZ), (&id, Type::UUID), (&limit.and_one(), Type::INT8)],
        )
        .await?;
    Ok(rows.iter().map(overview).collect())
}

pub(super) async fn list_audit(postgres: &Postgres, before: Option<i64>, limit: Limit) -> Result<Vec<Deed>> {
    let rows = postgres
        .query(
            "select * from audit where $1::bigint is null or id < $1 order by id desc limit $2",
            &[(&before, Type::INT8), (&limit.and_one(), Type::INT8)],
        )
        .await?;
    rows.iter().map(deed).collect()
}

pub(super) async fn figures(postgres: &Postgres) -> Result<Figures> {
    let row = postgres
        .query_one(
            "select u.*, c.*, (select count(*) from sessions where revoked_at is null and expires_at > now()) as sessions
             from (select count(*) as users, count(*) filter (where disabled_at is not null) as disabled_users,
                          count(*) filter (where role = 'admin') as admins
                   from users) u,
                  (select count(*) filter (where kind = 'direct') as direct,
                          count(*) filter (where kind = 'group') as groups,
                          count(*) filter (where kind = 'channel') as channel,
                          coalesce(sum(last_seq), 0)::bigint as log_entries
                   from conversations where deleted_at is null) c",
            &[],
        )
        .await?;
    Ok(Figures {
        users: row.get("users"),
        disabled_users: row.get("disabled_users"),
        admins: row.get("admins"),
        sessions: row.get("sessions"),
        conversations: ByKind {
            direct: row.get("direct"),
            group: row.get("groups"),
            channel: row.get("channel"),
        },
        log_entries: row.get("log_entries"),
    })
}

fn overview(row: &Row) -> Overview {
    Overview {
        id: ConversationId(row.get("id")),
        kind: Kind::of(row.get("kind")),
        name: row.get("name"),
        participant_count: row.get("participant_count"),
        last_seq: row.get("last_seq"),
        created_at: row.get("created_at"),
        updated_at: row.get("updated_at"),
    }
}

fn deed(row: &Row) -> Result<Deed> {
    let details: serde_json::Value = row.get("details");
    Ok(Deed {
        id: row.get::<_, i64>("id").to_string(),
        created_at: row.get("created_at"),
        actor_id: row.get::<_, Option<Uuid>>("actor_id").map(UserId),
        action: row.get("action"),
        target: row.get("target"),
        details: serde_json::from_value(details).map_err(|error| Error::Internal(error.into()))?,
    })
}
