//! Many people at once: written to Postgres, since each sign-up costs a password hash.
//!
//! They have accounts without a password, a session and an access token signed with the stack's own key, and all of them
//! are in one conversation. From there on they act through the public API like anybody else.

use anyhow::Result;
use serde_json::json;
use support::{Conversation, TestChat, User, tokens};

const PEOPLE: &str = "
    with people as (
        insert into users (id, email, username, first_name, last_name, password_hash)
            select id, 'member_' || id || '@example.com', 'm' || left(replace(id::text, '-', ''), 24), 'Member', place::text, ''
            from (select gen_random_uuid() as id, place from generate_series(1, $1) place) drawn
            returning id, email, username, name
    ), signed_in as (
        insert into sessions (id, user_id, expires_at)
            select gen_random_uuid(), id, now() + interval '1 day' from people returning id, user_id
    )
    select p.id::text, p.email, p.username, p.name, s.id::text
    from people p join signed_in s on s.user_id = p.id";

const CONVERSATION: &str = "
    with conversation as (
        insert into conversations (id, kind) values (gen_random_uuid(), 'group') returning id
    ), joined as (
        insert into participants (conversation_id, user_id, role)
            select c.id, p.id::uuid, case p.place when 1 then 'admin' else 'member' end
            from conversation c, unnest($1::text[]) with ordinality p(id, place)
    )
    select id::text from conversation";

/// So many people, and the conversation that they are in.
pub(crate) async fn gather(chat: &TestChat, size: usize) -> Result<(Vec<User>, Conversation)> {
    let template = chat.user("template").await.access_token;
    let postgres = chat.stack.postgres_connection(None).await;
    let rows = postgres.query(PEOPLE, &[&i32::try_from(size)?]).await?;
    let people: Vec<_> = rows
        .iter()
        .map(|row| {
            let text = |column: usize| row.get::<_, &str>(column);
            let access_token = tokens::signed_again(&template, |claims| {
                claims["sub"] = json!(text(0));
                claims["sid"] = json!(text(4));
            });
            let user = json!({"id": text(0), "email": text(1), "username": text(2), "name": text(3)});
            let signed_in = json!({"user": user, "access_token": access_token, "refresh_token": ""});
            User::signed_in(chat, &signed_in, String::new())
        })
        .collect();
    let ids: Vec<_> = people.iter().map(|user| user.id.as_str()).collect();
    let row = postgres.query_one(CONVERSATION, &[&ids]).await?;
    Ok((people, Conversation { id: row.get(0) }))
}
