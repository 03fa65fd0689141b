-- OAuth 2.0 (RFC 6749): programs that act for people, or for themselves.

create table oauth_clients (
    client_id text primary key,
    name text not null,
    redirect_uris text[] not null,
    grant_types text[] not null,
    secret_digest bytea, -- SHA-256 of 256 random bits; null: a public client, which can keep no secret
    service_user_id uuid references users on delete set null, -- who it is when it acts for nobody
    created_at timestamptz not null default clock_timestamp()
);

create index oauth_clients_created_at_idx on oauth_clients (created_at, client_id);
create index oauth_clients_service_user_id_idx on oauth_clients (service_user_id);

-- By which client a session was started; null: by the person directly. Its refresh tokens are that client's alone.
alter table sessions add column client_id text references oauth_clients on delete set null;
create index sessions_client_id_idx on sessions (client_id);
create index sessions_expires_at_idx on sessions (expires_at);

-- Authorization codes, as SHA-256 digests. The session of each is there from the beginning, with a refresh token that nobody
-- has and ending soon, so that all that ends a session voids a code as well.
create table authorization_codes (
    digest bytea primary key,
    session_id uuid not null references sessions on delete cascade,
    redirect_uri text not null,
    redirect_uri_given boolean not null, -- whether the request named it: then the exchange must, too
    code_challenge text not null, -- RFC 7636, S256
    used_at timestamptz
);

create index authorization_codes_session_id_idx on authorization_codes (session_id);

-- Exchanges a code.
--   redeemed   the refresh token is valid; whose session it is
--   ended      the code was used before: somebody else has it, and what it gave ends
--   refused    it is unknown, expired, void, another client's, or the proof that goes with it is wrong
create function redeem_code(
    p_digest bytea, p_client text, p_redirect_uri text, p_challenge text, p_refresh_digest bytea, p_lifetime interval
)
returns table (outcome text, session_id uuid, user_id uuid, role text)
language plpgsql volatile as $$
#variable_conflict use_column
declare
    v_session sessions%rowtype;
    v_code authorization_codes%rowtype;
begin
    select s.* into v_session from sessions s
        where s.id = (select c.session_id from authorization_codes c where c.digest = p_digest) and s.client_id = p_client
        for update;
    if not found then
        return query select 'refused', null::uuid, null::uuid, null::text;
        return;
    end if;
    -- Under the lock, so that of racing exchanges one is the first.
    select c.* into v_code from authorization_codes c where c.digest = p_digest;
    if v_code.used_at is not null then
        update sessions s set revoked_at = coalesce(s.revoked_at, now()) where s.id = v_session.id;
        return query select 'ended', v_session.id, v_session.user_id, null::text;
        return;
    elsif v_session.revoked_at is not null or v_session.expires_at <= now()
        or v_code.code_challenge <> p_challenge
        or v_code.redirect_uri <> coalesce(p_redirect_uri, case when not v_code.redirect_uri_given then v_code.redirect_uri end, '')
    then
        return query select 'refused', null::uuid, null::uuid, null::text;
        return;
    end if;
    update authorization_codes c set used_at = clock_timestamp() where c.digest = p_digest;
    insert into refresh_tokens (digest, session_id, created_at) values (p_refresh_digest, v_session.id, clock_timestamp());
    update sessions s set last_used_at = now(), expires_at = now() + p_lifetime where s.id = v_session.id;
    return query
        select 'redeemed', v_session.id, u.id, u.role from users u where u.id = v_session.user_id and u.disabled_at is null;
    if not found then
        return query select 'refused', null::uuid, null::uuid, null::text;
    end if;
end
$$;

-- Who a client is when it acts for nobody: the user there is, or one that is made of what is given.
create function service_user(
    p_client text, p_id uuid, p_email text, p_username text, p_first_name text, p_last_name text, p_password_hash text
)
returns uuid
language plpgsql volatile as $$
declare
    v_user uuid;
begin
    select c.service_user_id into v_user from oauth_clients c where c.client_id = p_client for no key update;
    if not found or v_user is not null then
        return v_user;
    end if;
    insert into users (id, email, username, first_name, last_name, password_hash, email_verified_at)
        values (p_id, p_email, p_username, p_first_name, p_last_name, p_password_hash, now());
    update oauth_clients c set service_user_id = p_id where c.client_id = p_client;
    return p_id;
end
$$;

-- Changes a client; what is null stays.
create function change_oauth_client(
    p_actor uuid, p_client text, p_name text, p_redirect_uris text[], p_grant_types text[], p_secret_digest bytea
)
returns setof oauth_clients
language plpgsql volatile as $$
declare
    v_old oauth_clients%rowtype;
    v_new oauth_clients%rowtype;
begin
    select c.* into v_old from oauth_clients c where c.client_id = p_client for no key update;
    if not found then
        return;
    end if;
    update oauth_clients c
        set name = coalesce(p_name, c.name), redirect_uris = coalesce(p_redirect_uris, c.redirect_uris),
            grant_types = coalesce(p_grant_types, c.grant_types),
            secret_digest = coalesce(p_secret_digest, c.secret_digest)
        where c.client_id = p_client returning c.* into v_new;
    if p_secret_digest is not null then
        insert into audit (actor_id, action, target) values (p_actor, 'oauth_client.secret', p_client);
    elsif v_new <> v_old then
        insert into audit (actor_id, action, target) values (p_actor, 'oauth_client.changed', p_client);
    end if;
    return next v_new;
end
$$;

-- Deletes a client: its sessions end, whose ids are returned with their users, and its service user is shut out.
-- Nothing is returned when there is no such client.
create function delete_oauth_client(p_actor uuid, p_client text)
returns table (user_ids uuid[], session_ids uuid[])
language plpgsql volatile as $$
declare
    v_service_user uuid;
begin
    select c.service_user_id into v_service_user from oauth_clients c where c.client_id = p_client for update;
    if not found then
        return;
    end if;
    update users u set disabled_at = coalesce(u.disabled_at, now()) where u.id = v_service_user;
    update sessions s set revoked_at = now()
        where (s.client_id = p_client or s.user_id = v_service_user) and s.revoked_at is null;
    return query
        select coalesce(array_agg(s.user_id), '{}'), coalesce(array_agg(s.id), '{}') from sessions s
        where (s.client_id = p_client or s.user_id = v_service_user) and s.revoked_at >= now() - interval '130 min';
    delete from oauth_clients c where c.client_id = p_client;
    insert into audit (actor_id, action, target) values (p_actor, 'oauth_client.deleted', p_client);
end
$$;

-- As before, and of this client alone: what a client was given no other refreshes, nor the person directly.
drop function rotate_refresh_token(bytea, bytea, interval, interval);

create function rotate_refresh_token(
    p_digest bytea, p_successor bytea, p_grace interval, p_lifetime interval, p_client text default null
)
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
    if not found or v_session.client_id is distinct from p_client then
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
