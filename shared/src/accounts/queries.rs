//! The statements of accounts and sessions.

use time::OffsetDateTime;
use uuid::Uuid;

use super::erasure::{Erased, Membership};
use super::fields::{Email, PersonName, Username};
use super::people::Seen;
use super::sessions::Session;
use super::{Device, Profile};
use crate::Result;
use crate::ids::{ConversationId, SessionId, UserId};
use crate::log::Role;
use crate::page::Limit;
use crate::postgres::{Postgres, Row, Type};
use crate::tokens::access::GlobalRole;
use crate::tokens::{Identity, Secret};

pub(super) struct NewUser<'a> {
    pub id: UserId,
    pub email: &'a Email,
    pub username: &'a Username,
    pub first_name: &'a PersonName,
    pub last_name: &'a PersonName,
    pub password_hash: &'a str,
}

/// A user, signed in if a session is given: all three rows, or none when the address or the username is taken. That is no error of the
/// statement's, because Postgres writes those into its log with the values.
pub(super) async fn insert_user(
    postgres: &Postgres,
    new: &NewUser<'_>,
    session: Option<SessionId>,
    device: &Device,
    refresh_token: &Secret,
    expires_at: OffsetDateTime,
) -> Result<Option<Profile>> {
    let row = postgres
        .query_opt(
            "with new_user as (
                 insert into users (id, email, username, first_name, last_name, password_hash)
                 values ($1, $2, $3, $4, $5, $6) on conflict do nothing returning *),
             new_session as (
                 insert into sessions (id, user_id, ip, user_agent, expires_at)
                 select $7, id, $8, $9, $10 from new_user where $7 is not null returning id),
             new_token as (
                 insert into refresh_tokens (digest, session_id) select $11, id from new_session)
             select * from new_user",
            &[
                (&new.id.0, Type::UUID),
                (&new.email.as_str(), Type::TEXT),
                (&new.username.as_str(), Type::TEXT),
                (&new.first_name.as_str(), Type::TEXT),
                (&new.last_name.as_str(), Type::TEXT),
                (&new.password_hash, Type::TEXT),
                (&session.map(|session| session.0), Type::UUID),
                (&device.ip, Type::TEXT),
                (&device.user_agent, Type::TEXT),
                (&expires_at, Type::TIMESTAMPTZ),
                (&refresh_token.digest(), Type::BYTEA),
            ],
        )
        .await?;
    Ok(row.as_ref().map(Profile::from_row))
}

/// A user whose address needs no proof; `None` when it or the username is taken.
pub(super) async fn insert_verified_user(postgres: &Postgres, new: &NewUser<'_>) -> Result<Option<UserId>> {
    let row = postgres
        .query_opt(
            "insert into users (id, email, username, first_name, last_name, password_hash, email_verified_at)
             values ($1, $2, $3, $4, $5, $6, now()) on conflict do nothing returning id",
            &[
                (&new.id.0, Type::UUID),
                (&new.email.as_str(), Type::TEXT),
                (&new.username.as_str(), Type::TEXT),
                (&new.first_name.as_str(), Type::TEXT),
                (&new.last_name.as_str(), Type::TEXT),
                (&new.password_hash, Type::TEXT),
            ],
        )
        .await?;
    Ok(row.map(|row| UserId(row.get("id"))))
}

/// Whether somebody has the address.
pub(super) async fn is_email_taken(postgres: &Postgres, email: &Email) -> Result<bool> {
    Ok(find_user_id_by_email(postgres, email.as_str()).await?.is_some())
}

/// The user with this address or this username, and their password's hash.
pub(super) async fn find_user_by_name(postgres: &Postgres, name: &str) -> Result<Option<(Profile, String)>> {
    let row = postgres
        .query_opt(
            "select * from users where lower(email) = lower($1)
             union all
             select * from users where lower(username) = lower($1)
             limit 1",
            &[(&name, Type::TEXT)],
        )
        .await?;
    Ok(row.map(|row| (Profile::from_row(&row), row.get("password_hash"))))
}

pub(super) async fn find_user(postgres: &Postgres, id: UserId) -> Result<Option<Profile>> {
    let row = postgres.query_opt("select * from users where id = $1", &[(&id.0, Type::UUID)]).await?;
    Ok(row.as_ref().map(Profile::from_row))
}

pub(super) async fn find_user_id_by_email(postgres: &Postgres, email: &str) -> Result<Option<UserId>> {
    let row = postgres
        .query_opt("select id from users where lower(email) = lower($1)", &[(&email, Type::TEXT)])
        .await?;
    Ok(row.map(|row| UserId(row.get("id"))))
}

/// Changes the names that are given; also says in which conversations they are known.
pub(super) async fn update_names(
    postgres: &Postgres,
    id: UserId,
    first_name: Option<&str>,
    last_name: Option<&str>,
) -> Result<Option<(Profile, Vec<ConversationId>)>> {
    let row = postgres
        .query_opt(
            "with changed as (
                 update users set first_name = coalesce($2, first_name), last_name = coalesce($3, last_name)
                 where id = $1 returning *),
             noted as (insert into renames (user_id) select id from changed)
             select c.*, array(select conversation_id from participants where user_id = $1) as conversations
             from changed c",
            &[(&id.0, Type::UUID), (&first_name, Type::TEXT), (&last_name, Type::TEXT)],
        )
        .await?;
    Ok(row.map(|row| {
        let conversations: Vec<Uuid> = row.get("conversations");
        (Profile::from_row(&row), conversations.into_iter().map(ConversationId).collect())
    }))
}

pub(super) struct NewSession<'a> {
    pub identity: Identity,
    pub device: &'a Device,
    pub refresh_token: Option<&'a Secret>,
    pub client: Option<&'a str>,
    pub expires_at: OffsetDateTime,
}

/// A session of whoever still has the password of this hash, if it took a password, and is not disabled; their role. The
/// lock lets a change of either end this session or come first: then there is none.
pub(super) async fn insert_session(
    postgres: &Postgres,
    new: &NewSession<'_>,
    password_hash: Option<&str>,
) -> Result<Option<GlobalRole>> {
    let row = postgres
        .query_opt(
            "with person as (
                 select id, role from users
                 where id = $2 and ($7 is null or password_hash = $7) and disabled_at is null for share),
             new_session as (
                 insert into sessions (id, user_id, ip, user_agent, expires_at, client_id)
                 select $1, id, $3, $4, $5, $8 from person returning id),
             new_token as (
                 insert into refresh_tokens (digest, session_id) select $6, id from new_session where $6 is not null)
             select role from person",
            &[
                (&new.identity.session.0, Type::UUID),
                (&new.identity.user.0, Type::UUID),
                (&new.device.ip, Type::TEXT),
                (&new.device.user_agent, Type::TEXT),
                (&new.expires_at, Type::TIMESTAMPTZ),
                (&new.refresh_token.map(Secret::digest), Type::BYTEA),
                (&password_hash, Type::TEXT),
                (&new.client, Type::TEXT),
            ],
        )
        .await?;
    Ok(row.map(|row| GlobalRole::named(row.get("role"))))
}

/// What the database's `rotate_refresh_token` said.
pub(super) enum Rotation {
    Rotated { identity: Identity, role: GlobalRole, disabled: bool },
    Ended(Identity),
    Refused,
}

pub(super) async fn rotate_refresh_token(
    postgres: &Postgres,
    token: &Secret,
    successor: &Secret,
    grace_seconds: f64,
    lifetime_seconds: f64,
    client: Option<&str>,
) -> Result<Rotation> {
    let row = postgres
        .query_one(
            "select * from rotate_refresh_token($1, $2, make_interval(secs => $3), make_interval(secs => $4), $5)",
            &[
                (&token.digest(), Type::BYTEA),
                (&successor.digest(), Type::BYTEA),
                (&grace_seconds, Type::FLOAT8),
                (&lifetime_seconds, Type::FLOAT8),
                (&client, Type::TEXT),
            ],
        )
        .await?;
    let identity =
        || Identity { user: UserId(row.get("user_id")), session: SessionId(row.get("session_id")) };
    Ok(match row.get("outcome") {
        "rotated" => Rotation::Rotated {
            identity: identity(),
            role: GlobalRole::named(row.get("role")),
            disabled: row.get("disabled"),
        },
        "ended" => Rotation::Ended(identity()),
        _ => Rotation::Refused,
    })
}

/// Ends a session, if it has not ended; says whose it is.
pub(super) async fn revoke_session(postgres: &Postgres, session: SessionId) -> Result<Option<Identity>> {
    let row = postgres
        .query_opt(
            "update sessions set revoked_at = coalesce(revoked_at, now()) where id = $1 returning id, user_id",
            &[(&session.0, Type::UUID)],
        )
        .await?;
    Ok(row.as_ref().map(identity))
}

pub(super) async fn find_session_by_token(postgres: &Postgres, token: &Secret) -> Result<Option<Identity>> {
    let row = postgres
        .query_opt(
            "select s.id, s.user_id from refresh_tokens t join sessions s on s.id = t.session_id where t.digest = $1",
            &[(&token.digest(), Type::BYTEA)],
        )
        .await?;
    Ok(row.as_ref().map(identity))
}

pub(super) async fn revoke_sessions(postgres: &Postgres, user: UserId) -> Result<Vec<Identity>> {
    let rows = postgres
        .query(
            // Also those ended lately: the request may be the repeat of one whose connections were not closed.
            "with ended as (
                 update sessions set revoked_at = now() where user_id = $1 and revoked_at is null
                 returning id, user_id)
             select id, user_id from ended
             union
             select id, user_id from sessions where user_id = $1 and revoked_at >= now() - interval '130 min'",
            &[(&user.0, Type::UUID)],
        )
        .await?;
    Ok(rows.iter().map(identity).collect())
}

pub(super) async fn list_ended_sessions(postgres: &Postgres, since: OffsetDateTime) -> Result<Vec<Identity>> {
    let rows = postgres
        .query("select id, user_id from sessions where revoked_at >= $1", &[(&since, Type::TIMESTAMPTZ)])
        .await?;
    Ok(rows.iter().map(identity).collect())
}

/// A rename: its id, who, their name now, and where they take part.
pub(super) type Renamed = (i64, UserId, String, Vec<ConversationId>);

/// The renames that are over for long enough to be seen by every later snapshot.
pub(super) async fn list_renames(postgres: &Postgres) -> Result<Vec<Renamed>> {
    let rows = postgres
        .query(
            "select r.id, u.id as user_id, u.name,
                    array(select p.conversation_id from participants p where p.user_id = u.id) as conversations
             from renames r join users u on u.id = r.user_id where r.created_at < now() - interval '30 s'",
            &[],
        )
        .await?;
    let renamed = rows.iter().map(|row| {
        let conversations: Vec<Uuid> = row.get("conversations");
        let conversations = conversations.into_iter().map(ConversationId).collect();
        (row.get("id"), UserId(row.get("user_id")), row.get("name"), conversations)
    });
    Ok(renamed.collect())
}

pub(super) async fn delete_rename(postgres: &Postgres, id: i64) -> Result<()> {
    postgres.query("delete from renames where id = $1", &[(&id, Type::INT8)]).await?;
    Ok(())
}

/// Forgets sessions that ended a while ago, with their tokens.
pub(super) async fn delete_old_sessions(postgres: &Postgres, before: OffsetDateTime) -> Result<()> {
    postgres
        .query(
            // A few at a time: each takes its tokens with it, and the next run goes on.
            "delete from sessions where id in (
                 select id from sessions where revoked_at < $1
                 union select id from sessions where expires_at < $1 limit 500)",
            &[(&before, Type::TIMESTAMPTZ)],
        )
        .await?;
    Ok(())
}

/// Whether a session is live, and whether its user is disabled.
pub(super) async fn find_session_state(
    postgres: &Postgres,
    session: SessionId,
) -> Result<Option<(bool, bool)>> {
    let row = postgres
        .query_opt(
            "select s.revoked_at is null and s.expires_at > now() as live, u.disabled_at is not null as disabled
             from sessions s join users u on u.id = s.user_id where s.id = $1",
            &[(&session.0, Type::UUID)],
        )
        .await?;
    Ok(row.map(|row| (row.get("live"), row.get("disabled"))))
}

pub(super) async fn find_user_with_hash(
    postgres: &Postgres,
    id: UserId,
) -> Result<Option<(Profile, String)>> {
    let row = postgres.query_opt("select * from users where id = $1", &[(&id.0, Type::UUID)]).await?;
    Ok(row.map(|row| (Profile::from_row(&row), row.get("password_hash"))))
}

/// Puts a hash in the place of another one of the same password.
pub(super) async fn rehash_password(postgres: &Postgres, id: UserId, old: &str, new: &str) -> Result<()> {
    postgres
        .query(
            "update users set password_hash = $3 where id = $1 and password_hash = $2",
            &[(&id.0, Type::UUID), (&old, Type::TEXT), (&new, Type::TEXT)],
        )
        .await?;
    Ok(())
}

/// Sets another password and ends the user's other sessions, which are returned. `None`: the hash is not the old one.
pub(super) async fn replace_password(
    postgres: &Postgres,
    caller: Identity,
    old: &str,
    new: &str,
) -> Result<Option<Vec<Identity>>> {
    let row = postgres
        .query_opt(
            "select * from replace_password($1, $2, $3, $4)",
            &[
                (&caller.user.0, Type::UUID),
                (&caller.session.0, Type::UUID),
                (&old, Type::TEXT),
                (&new, Type::TEXT),
            ],
        )
        .await?;
    Ok(row.map(|row| {
        let sessions: Vec<Uuid> = row.get("session_ids");
        let ended = sessions.into_iter().map(SessionId);
        ended.map(|session| Identity { session, ..caller }).collect()
    }))
}

/// Where a page of sessions starts: before the one of this time and id.
pub(super) type Before = (OffsetDateTime, Uuid);

pub(super) async fn list_sessions(
    postgres: &Postgres,
    user: UserId,
    current: SessionId,
    before: Option<Before>,
    limit: Limit,
) -> Result<Vec<Session>> {
    let (at, id) = before.unzip();
    let rows = postgres
        .query(
            "select * from live_sessions
             where user_id = $1 and ($2::timestamptz is null or (created_at, id) < ($2, $3))
             order by created_at desc, id desc limit $4",
            &[
                (&user.0, Type::UUID),
                (&at, Type::TIMESTAMPTZ),
                (&id, Type::UUID),
                (&limit.and_one(), Type::INT8),
            ],
        )
        .await?;
    Ok(rows.iter().map(|row| session(row, current)).collect())
}

fn session(row: &Row, current: SessionId) -> Session {
    Session {
        id: SessionId(row.get("id")),
        created_at: row.get("created_at"),
        last_used_at: row.get("last_used_at"),
        expires_at: row.get("expires_at"),
        ip: row.get("ip"),
        user_agent: row.get("user_agent"),
        current: row.get::<_, Uuid>("id") == current.0,
        client_id: row.get("client_id"),
        client_name: row.get("client_name"),
    }
}

/// Ends a session of this user: true if it was live, false if it had ended lately, `None` if there is none such.
pub(super) async fn end_session(
    postgres: &Postgres,
    user: UserId,
    session: SessionId,
) -> Result<Option<bool>> {
    let row = postgres
        .query_opt(
            "with ended as (
                 update sessions set revoked_at = now()
                 where id = $2 and user_id = $1 and revoked_at is null and expires_at > now() returning id)
             select exists (select from ended) as now from sessions
             where id = $2 and user_id = $1 and coalesce(revoked_at, now()) >= now() - interval '130 min'",
            &[(&user.0, Type::UUID), (&session.0, Type::UUID)],
        )
        .await?;
    Ok(row.map(|row| row.get("now")))
}

/// All live sessions, as seen from the caller's.
pub(super) async fn export_sessions(postgres: &Postgres, caller: Identity) -> Result<Vec<Session>> {
    let rows = postgres
        .query(
            "select * from live_sessions where user_id = $1
             order by created_at desc, id desc",
            &[(&caller.user.0, Type::UUID)],
        )
        .await?;
    Ok(rows.iter().map(|row| session(row, caller.session)).collect())
}

pub(super) async fn export_memberships(postgres: &Postgres, user: UserId) -> Result<Vec<Membership>> {
    let rows = postgres
        .query(
            "select c.id, c.kind, c.name, p.role, p.joined_at, p.read_seq, p.muted, p.archived
             from participants p join conversations c on c.id = p.conversation_id
             where p.user_id = $1 order by p.joined_at, c.id",
            &[(&user.0, Type::UUID)],
        )
        .await?;
    let memberships = rows.iter().map(|row| Membership {
        id: ConversationId(row.get("id")),
        kind: row.get("kind"),
        name: row.get("name"),
        role: if row.get::<_, &str>("role") == "admin" { Role::Admin } else { Role::Member },
        joined_at: row.get("joined_at"),
        read_seq: row.get("read_seq"),
        muted: row.get("muted"),
        archived: row.get("archived"),
    });
    Ok(memberships.collect())
}

/// What the database's `erase_user` said, and what there was of the user.
pub(super) async fn erase_user(
    postgres: &Postgres,
    user: UserId,
    password_hash: &str,
    key: &str,
) -> Result<(String, Erased)> {
    let row = postgres
        .query_one(
            "select * from erase_user($1, $2, $3)",
            &[(&user.0, Type::UUID), (&password_hash, Type::TEXT), (&key, Type::TEXT)],
        )
        .await?;
    let ids = |name| row.get::<_, Option<Vec<Uuid>>>(name).unwrap_or_default().into_iter();
    let sessions = ids("session_ids").map(|session| Identity { user, session: SessionId(session) });
    let conversations = ids("conversation_ids").map(ConversationId);
    let erased = Erased { sessions: sessions.collect(), conversations: conversations.collect() };
    Ok((row.get("outcome"), erased))
}

/// Takes somebody off some of their entries: off how many, and in which conversations.
pub(super) async fn detach_entries(
    postgres: &Postgres,
    user: UserId,
    at_most: i32,
) -> Result<(i64, Vec<ConversationId>)> {
    let row = postgres
        .query_one("select * from detach_entries($1, $2)", &[(&user.0, Type::UUID), (&at_most, Type::INT4)])
        .await?;
    let conversations: Vec<Uuid> = row.get("conversation_ids");
    Ok((row.get("detached"), conversations.into_iter().map(ConversationId).collect()))
}

/// The erasures that are over for long enough to be seen by every later snapshot and were not replayed, or all there are;
/// with the sessions whose connections may be open.
pub(super) async fn list_erasures(postgres: &Postgres, all: bool) -> Result<Vec<(i64, Erased)>> {
    let rows = postgres
        .query(
            "select id, user_id, conversation_ids,
                    case when created_at >= now() - interval '130 min' then session_ids else '{}' end as session_ids
             from erasures where created_at < now() - interval '30 s' and ($1 or replayed_at is null) order by id",
            &[(&all, Type::BOOL)],
        )
        .await?;
    let erased = rows.iter().map(|row| {
        let (user, ids) = (UserId(row.get("user_id")), |name| row.get::<_, Vec<Uuid>>(name).into_iter());
        let sessions = ids("session_ids").map(|session| Identity { user, session: SessionId(session) });
        let conversations = ids("conversation_ids").map(ConversationId);
        (row.get("id"), Erased { sessions: sessions.collect(), conversations: conversations.collect() })
    });
    Ok(erased.collect())
}

/// Notes that an erasure was replayed, and forgets those that are too old to matter.
pub(super) async fn note_replayed(postgres: &Postgres, id: i64, remembered_for_seconds: f64) -> Result<()> {
    postgres
        .query(
            "with old as (delete from erasures where created_at < now() - make_interval(secs => $2))
             update erasures set replayed_at = now() where id = $1",
            &[(&id, Type::INT8), (&remembered_for_seconds, Type::FLOAT8)],
        )
        .await?;
    Ok(())
}

pub(super) async fn search_people(
    postgres: &Postgres,
    reader: UserId,
    text: &str,
    after: Option<&str>,
    limit: Limit,
) -> Result<Vec<Seen>> {
    let pattern = text.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_") + "%";
    let rows = postgres
        .query(
            "select u.*, u.id = $1 or is_admin($1) as sees_all from users u
             where (lower(u.username) like $2 or lower(u.email) = lower($3)) and u.disabled_at is null
               and ($4::text is null or lower(u.username) > $4)
             order by lower(u.username) limit $5",
            &[
                (&reader.0, Type::UUID),
                (&pattern, Type::TEXT),
                (&text, Type::TEXT),
                (&after, Type::TEXT),
                (&limit.and_one(), Type::INT8),
            ],
        )
        .await?;
    Ok(rows.iter().map(seen).collect())
}

pub(super) async fn find_person(postgres: &Postgres, reader: UserId, id: UserId) -> Result<Option<Seen>> {
    let row = postgres
        .query_opt(
            "select u.*, u.id = $1 or is_admin($1) as sees_all from users u where u.id = $2",
            &[(&reader.0, Type::UUID), (&id.0, Type::UUID)],
        )
        .await?;
    Ok(row.as_ref().map(seen))
}

pub(super) async fn list_people(postgres: &Postgres, reader: UserId, ids: &[UserId]) -> Result<Vec<Seen>> {
    let ids: Vec<_> = ids.iter().map(|id| id.0).collect();
    let rows = postgres
        .query(
            "select u.*, u.id = $1 or r.is_admin as sees_all
             from users u cross join (select is_admin($1) as is_admin) r where u.id = any($2)",
            &[(&reader.0, Type::UUID), (&ids, Type::UUID_ARRAY)],
        )
        .await?;
    Ok(rows.iter().map(seen).collect())
}

fn seen(row: &Row) -> Seen {
    Seen::by(row.get("sees_all"), Profile::from_row(row))
}

fn identity(row: &Row) -> Identity {
    Identity { session: SessionId(row.get("id")), user: UserId(row.get("user_id")) }
}

impl Profile {
    /// From a row with the columns of the table.
    pub(crate) fn from_row(row: &Row) -> Self {
        Self {
            id: UserId(row.get("id")),
            username: row.get("username"),
            first_name: row.get("first_name"),
            last_name: row.get("last_name"),
            name: row.get("name"),
            created_at: row.get("created_at"),
            email: row.get("email"),
            email_verified: row.get::<_, Option<OffsetDateTime>>("email_verified_at").is_some(),
            role: GlobalRole::named(row.get("role")),
            disabled: row.get::<_, Option<OffsetDateTime>>("disabled_at").is_some(),
        }
    }
}
