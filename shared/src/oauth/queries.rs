//! The statements of OAuth.

use time::OffsetDateTime;
use uuid::Uuid;

use super::clients::{Client, GrantType};
use crate::Result;
use crate::accounts::ServiceAccount;
use crate::ids::{SessionId, UserId};
use crate::page::Limit;
use crate::postgres::{Postgres, Row, Type};
use crate::tokens::access::GlobalRole;
use crate::tokens::{Identity, Secret};

pub(super) async fn list_clients(
    postgres: &Postgres,
    before: Option<(OffsetDateTime, String)>,
    limit: Limit,
) -> Result<Vec<Client>> {
    let (at, id) = before.unzip();
    let rows = postgres
        .query(
            "select * from oauth_clients where $1::timestamptz is null or (created_at, client_id) < ($1, $2)
             order by created_at desc, client_id desc limit $3",
            &[(&at, Type::TIMESTAMPTZ), (&id, Type::TEXT), (&limit.and_one(), Type::INT8)],
        )
        .await?;
    Ok(rows.iter().map(client).collect())
}

pub(super) async fn find_client(postgres: &Postgres, client_id: &str) -> Result<Option<Client>> {
    let row = postgres
        .query_opt("select * from oauth_clients where client_id = $1", &[(&client_id, Type::TEXT)])
        .await?;
    Ok(row.as_ref().map(client))
}

/// What a client is registered with.
pub(super) struct NewClient<'a> {
    pub client_id: &'a str,
    pub name: &'a str,
    pub redirect_uris: &'a [String],
    pub grant_types: &'a [GrantType],
    pub secret: Option<&'a Secret>,
}

pub(super) async fn insert_client(postgres: &Postgres, actor: UserId, new: &NewClient<'_>) -> Result<Client> {
    let row = postgres
        .query_one(
            "with noted as (
                 insert into audit (actor_id, action, target) values ($6, 'oauth_client.created', $1))
             insert into oauth_clients (client_id, name, redirect_uris, grant_types, secret_digest)
             values ($1, $2, $3, $4, $5) returning *",
            &[
                (&new.client_id, Type::TEXT),
                (&new.name, Type::TEXT),
                (&new.redirect_uris, Type::TEXT_ARRAY),
                (&names(new.grant_types), Type::TEXT_ARRAY),
                (&new.secret.map(Secret::digest), Type::BYTEA),
                (&actor.0, Type::UUID),
            ],
        )
        .await?;
    Ok(client(&row))
}

/// What of a client is changed.
#[derive(Default)]
pub(super) struct Change<'a> {
    pub name: Option<&'a str>,
    pub redirect_uris: Option<&'a [String]>,
    pub grant_types: Option<&'a [GrantType]>,
    pub secret: Option<&'a Secret>,
}

pub(super) async fn change_client(
    postgres: &Postgres,
    actor: UserId,
    client_id: &str,
    change: &Change<'_>,
) -> Result<Option<Client>> {
    let row = postgres
        .query_opt(
            "select * from change_oauth_client($1, $2, $3, $4, $5, $6)",
            &[
                (&actor.0, Type::UUID),
                (&client_id, Type::TEXT),
                (&change.name, Type::TEXT),
                (&change.redirect_uris, Type::TEXT_ARRAY),
                (&change.grant_types.map(names), Type::TEXT_ARRAY),
                (&change.secret.map(Secret::digest), Type::BYTEA),
            ],
        )
        .await?;
    Ok(row.as_ref().map(client))
}

/// Deletes a client and says which sessions may have connections left; none if there is no such client.
pub(super) async fn delete_client(
    postgres: &Postgres,
    actor: UserId,
    client_id: &str,
) -> Result<Option<Vec<Identity>>> {
    let row = postgres
        .query_opt(
            "select * from delete_oauth_client($1, $2)",
            &[(&actor.0, Type::UUID), (&client_id, Type::TEXT)],
        )
        .await?;
    Ok(row.map(|row| {
        let (users, sessions): (Vec<Uuid>, Vec<Uuid>) = (row.get("user_ids"), row.get("session_ids"));
        let identity = |(user, session)| Identity { user: UserId(user), session: SessionId(session) };
        users.into_iter().zip(sessions).map(identity).collect()
    }))
}

/// The user a client acts as, made of this account if there is none yet. None: there is no such client.
pub(super) async fn service_user(
    postgres: &Postgres,
    client_id: &str,
    account: &ServiceAccount,
) -> Result<Option<UserId>> {
    let row = postgres
        .query_one(
            "select service_user($1, $2, $3, $4, $5, $6, $7)",
            &[
                (&client_id, Type::TEXT),
                (&account.id.0, Type::UUID),
                (&account.email, Type::TEXT),
                (&account.username, Type::TEXT),
                (&account.first_name, Type::TEXT),
                (&account.last_name, Type::TEXT),
                (&account.password_hash, Type::TEXT),
            ],
        )
        .await?;
    Ok(row.get::<_, Option<Uuid>>(0).map(UserId))
}

pub(super) async fn insert_code(
    postgres: &Postgres,
    code: &Secret,
    session: SessionId,
    redirect_uri: &str,
    redirect_uri_given: bool,
    challenge: &str,
) -> Result<()> {
    postgres
        .query(
            "insert into authorization_codes (digest, session_id, redirect_uri, redirect_uri_given, code_challenge)
             values ($1, $2, $3, $4, $5)",
            &[
                (&code.digest(), Type::BYTEA),
                (&session.0, Type::UUID),
                (&redirect_uri, Type::TEXT),
                (&redirect_uri_given, Type::BOOL),
                (&challenge, Type::TEXT),
            ],
        )
        .await?;
    Ok(())
}

/// What the database's `redeem_code` said.
pub(super) enum Redeemed {
    Now(Identity, GlobalRole),
    Ended(Identity),
    Refused,
}

pub(super) async fn redeem_code(
    postgres: &Postgres,
    client: &Client,
    code: &Secret,
    redirect_uri: Option<&str>,
    challenge: &str,
    refresh_token: &Secret,
    lifetime_seconds: f64,
) -> Result<Redeemed> {
    let row = postgres
        .query_one(
            "select * from redeem_code($1, $2, $3, $4, $5, make_interval(secs => $6))",
            &[
                (&code.digest(), Type::BYTEA),
                (&client.client_id, Type::TEXT),
                (&redirect_uri, Type::TEXT),
                (&challenge, Type::TEXT),
                (&refresh_token.digest(), Type::BYTEA),
                (&lifetime_seconds, Type::FLOAT8),
            ],
        )
        .await?;
    let identity =
        || Identity { user: UserId(row.get("user_id")), session: SessionId(row.get("session_id")) };
    Ok(match row.get("outcome") {
        "redeemed" => Redeemed::Now(identity(), GlobalRole::named(row.get("role"))),
        "ended" => Redeemed::Ended(identity()),
        _ => Redeemed::Refused,
    })
}

/// The session of an access token, or else of this refresh token, used or not; and its client, if a client has it.
pub(super) async fn find_client_of(
    postgres: &Postgres,
    session: Option<SessionId>,
    token: &Secret,
) -> Result<Option<(SessionId, Option<String>)>> {
    let row = postgres
        .query_opt(
            "select id, client_id from sessions
             where id = coalesce($1, (select session_id from refresh_tokens where digest = $2))",
            &[(&session.map(|session| session.0), Type::UUID), (&token.digest(), Type::BYTEA)],
        )
        .await?;
    Ok(row.map(|row| (SessionId(row.get("id")), row.get("client_id"))))
}

/// A session that is live, of somebody who is not disabled.
pub(super) struct LiveSession {
    pub id: SessionId,
    pub user: UserId,
    pub username: String,
    pub client_id: Option<String>,
    pub expires_at: OffsetDateTime,
}

/// The session of an access token, or else of this refresh token, if that was not used yet.
pub(super) async fn find_live_session(
    postgres: &Postgres,
    session: Option<SessionId>,
    token: &Secret,
) -> Result<Option<LiveSession>> {
    let row = postgres
        .query_opt(
            "select s.id, s.user_id, u.username, s.client_id, s.expires_at
             from sessions s join users u on u.id = s.user_id
             where s.id = coalesce(
                     $1, (select session_id from refresh_tokens where digest = $2 and rotated_at is null))
               and s.revoked_at is null and s.expires_at > now() and u.disabled_at is null",
            &[(&session.map(|session| session.0), Type::UUID), (&token.digest(), Type::BYTEA)],
        )
        .await?;
    Ok(row.map(|row| LiveSession {
        id: SessionId(row.get("id")),
        user: UserId(row.get("user_id")),
        username: row.get("username"),
        client_id: row.get("client_id"),
        expires_at: row.get("expires_at"),
    }))
}

fn names(grant_types: &[GrantType]) -> Vec<&'static str> {
    grant_types.iter().map(|grant| grant.as_str()).collect()
}

fn client(row: &Row) -> Client {
    let secret_digest: Option<Vec<u8>> = row.get("secret_digest");
    let grant_types: Vec<&str> = row.get("grant_types");
    Client {
        client_id: row.get("client_id"),
        name: row.get("name"),
        redirect_uris: row.get("redirect_uris"),
        grant_types: grant_types.into_iter().filter_map(GrantType::named).collect(),
        confidential: secret_digest.is_some(),
        created_at: row.get("created_at"),
        secret_digest,
        service_user: row.get::<_, Option<Uuid>>("service_user_id").map(UserId),
    }
}
