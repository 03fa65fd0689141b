-- People, how they prove who they are, and where they are signed in.

create table users (
    id uuid primary key,
    email text not null,
    username text not null,
    first_name text not null,
    last_name text not null,
    name text not null generated always as (first_name || ' ' || last_name) stored,
    password_hash text not null, -- a PHC string: the parameters travel with the hash, so they can rise
    role text not null default 'user' constraint users_role_check check (role in ('user', 'admin')),
    email_verified_at timestamptz,
    disabled_at timestamptz,
    created_at timestamptz not null default now()
);

-- Uniqueness ignores case and is decided here, never by a select before an insert. Code matches on the names.
create unique index users_email_key on users (lower(email));
create unique index users_username_key on users (lower(username));

-- A signed-in lineage of refresh tokens.
create table sessions (
    id uuid primary key,
    user_id uuid not null references users on delete cascade,
    ip text,
    user_agent text,
    created_at timestamptz not null default now(),
    last_used_at timestamptz not null default now(),
    expires_at timestamptz not null,
    revoked_at timestamptz
);

create index sessions_user_id_idx on sessions (user_id);

-- Every refresh token a session ever had, as a SHA-256 digest. `rotated_at` is set when it is used: once more
-- within the grace is a lost answer, later it is theft and ends the session.
create table refresh_tokens (
    digest bytea primary key,
    session_id uuid not null references sessions on delete cascade,
    created_at timestamptz not null default now(),
    rotated_at timestamptz
);

create index refresh_tokens_session_id_idx on refresh_tokens (session_id);

-- Uses a refresh token: marks it rotated, stores its successor and returns whose session it is.
--   rotated   the new token is valid
--   ended     its session has ended, if only now: the token was used before, longer ago than the grace
--   refused   nobody was given it
-- The session row is locked first, so racing uses of one token are told apart in one order.
create function rotate_refresh_token(p_digest bytea, p_successor bytea, p_grace interval, p_lifetime interval)
returns table (outcome text, session_id uuid, user_id uuid, role text, disabled boolean)
language plpgsql volatile as $$
#variable_conflict use_column
declare
    v_session sessions%rowtype;
    v_token refresh_tokens%rowtype;
begin
    select s.* into v_session from sessions s
        where s.id = (select t.session_id from refresh_tokens t where t.digest = p_digest)
        for update;
    if not found then
        return query select 'refused', null::uuid, null::uuid, null::text, false;
        return;
    elsif v_session.revoked_at is not null or v_session.expires_at <= now() then
        return query select 'ended', v_session.id, v_session.user_id, null::text, false;
        return;
    end if;
    -- Read again under the lock: a racing use may have rotated it while this one waited.
    select t.* into v_token from refresh_tokens t where t.digest = p_digest;
    if v_token.rotated_at < clock_timestamp() - p_grace then
        update sessions s set revoked_at = now() where s.id = v_session.id;
        return query select 'ended', v_session.id, v_session.user_id, null::text, false;
        return;
    end if;
    update refresh_tokens t set rotated_at = clock_timestamp() where t.digest = p_digest and t.rotated_at is null;
    insert into refresh_tokens (digest, session_id, created_at) values (p_successor, v_session.id, clock_timestamp());
    update sessions s set last_used_at = now(), expires_at = now() + p_lifetime where s.id = v_session.id;
    return query
        select 'rotated', v_session.id, u.id, u.role, u.disabled_at is not null
        from users u where u.id = v_session.user_id;
end
$$;
