//! The statements of one-time tokens.

use super::Purpose;
use crate::Result;
use crate::ids::{SessionId, UserId};
use crate::postgres::{Postgres, Type};
use crate::tokens::{Identity, Secret};

/// Stores a token for somebody who may be mailed one, and says to which address; none if nobody may.
pub(super) async fn insert_token(
    postgres: &Postgres,
    user: UserId,
    purpose: Purpose,
    token: &Secret,
    lifetime_seconds: f64,
    at_most_per_hour: i64,
) -> Result<Option<String>> {
    let row = postgres
        .query_opt(
            "with person as (
                 select u.id, u.email from users u
                 where u.id = $1 and u.disabled_at is null and ($2 = 'reset' or u.email_verified_at is null)
                     and not exists (select from oauth_clients c where c.service_user_id = u.id)
                     and $5 > (select count(*) from one_time_tokens t where t.user_id = $1 and t.purpose = $2
                                   and t.created_at > now() - interval '1 hour')),
             old as (
                 delete from one_time_tokens
                 where user_id = $1 and expires_at < now() and created_at < now() - interval '1 hour'),
             new_token as (
                 insert into one_time_tokens (digest, user_id, purpose, expires_at)
                 select $3, id, $2, now() + make_interval(secs => $4) from person)
             select email from person",
            &[
                (&user.0, Type::UUID),
                (&purpose.as_str(), Type::TEXT),
                (&token.digest(), Type::BYTEA),
                (&lifetime_seconds, Type::FLOAT8),
                (&at_most_per_hour, Type::INT8),
            ],
        )
        .await?;
    Ok(row.map(|row| row.get("email")))
}

/// Verifies the address of a token's owner. A token that did so already does it again; otherwise whether it is valid.
pub(super) async fn verify_email(postgres: &Postgres, token: &Secret) -> Result<bool> {
    let row = postgres
        .query_opt(
            "with used as (
                 update one_time_tokens set used_at = coalesce(used_at, now())
                 where digest = $1 and purpose = 'verify' and (used_at is not null or expires_at > now())
                 returning user_id)
             update users u set email_verified_at = coalesce(u.email_verified_at, now())
             from used where u.id = used.user_id returning u.id",
            &[(&token.digest(), Type::BYTEA)],
        )
        .await?;
    Ok(row.is_some())
}

/// The address and the username of whoever may set a password by this token.
pub(super) async fn find_reset(postgres: &Postgres, token: &Secret) -> Result<Option<(String, String)>> {
    let row = postgres
        .query_opt(
            "select u.email, u.username from one_time_tokens t join users u on u.id = t.user_id
             where t.digest = $1 and t.purpose = 'reset' and t.used_at is null and t.expires_at > now()",
            &[(&token.digest(), Type::BYTEA)],
        )
        .await?;
    Ok(row.map(|row| (row.get("email"), row.get("username"))))
}

/// Sets the password, ends all sessions and says which; none if the token is not valid any more.
pub(super) async fn reset_password(
    postgres: &Postgres,
    token: &Secret,
    password_hash: &str,
) -> Result<Option<Vec<Identity>>> {
    let row = postgres
        .query_opt(
            "select * from reset_password($1, $2)",
            &[(&token.digest(), Type::BYTEA), (&password_hash, Type::TEXT)],
        )
        .await?;
    Ok(row.map(|row| {
        let (user, sessions): (_, Vec<_>) = (UserId(row.get("user_id")), row.get("session_ids"));
        sessions.into_iter().map(|session| Identity { user, session: SessionId(session) }).collect()
    }))
}
