-- Finding people, and what global admins do.

-- The beginning of a username, ignoring case.
create index users_username_prefix_idx on users (lower(username) text_pattern_ops);

create index users_created_at_idx on users (created_at, id);
create index conversations_created_at_idx on conversations (created_at, id) where deleted_at is null;

-- What admins did, to whom or what. Nothing of it is a secret, an address or a text.
create table audit (
    id bigint generated always as identity primary key,
    created_at timestamptz not null default clock_timestamp(),
    actor_id uuid references users on delete set null,
    action text not null,
    target text not null,
    details jsonb not null default '{}'
);

-- Whether somebody is a global admin now: a token may tell an older role.
create function is_admin(p_user uuid) returns boolean
language sql stable as $$
    select exists (select from users u where u.id = p_user and u.role = 'admin' and u.disabled_at is null)
$$;

-- Changes a user's role, or disables them, which ends their sessions.
--   changed      the user follows, and which sessions may have connections left
--   forbidden    the actor is no admin
--   not_found    there is no such user
--   last_admin   nobody would be left who is an admin
create function change_user(p_actor uuid, p_user uuid, p_role text, p_disabled boolean)
returns table (outcome text, changed users, sessions uuid[])
language plpgsql volatile as $$
#variable_conflict use_column
declare
    v_user users%rowtype;
    v_role text;
    v_disabled boolean;
    v_sessions uuid[];
begin
    -- One at a time: two admins that demote each other must not both succeed.
    perform pg_advisory_xact_lock(hashtext('change_user'));
    if not is_admin(p_actor) then
        return query select 'forbidden', null::users, null::uuid[];
        return;
    end if;
    select u.* into v_user from users u where u.id = p_user for no key update;
    if not found then
        return query select 'not_found', null::users, null::uuid[];
        return;
    end if;
    v_role := coalesce(p_role, v_user.role);
    v_disabled := coalesce(p_disabled, v_user.disabled_at is not null);
    if is_admin(p_user) and (v_role <> 'admin' or v_disabled) and not exists (
        select from users u where u.role = 'admin' and u.disabled_at is null and u.id <> p_user
    ) then
        return query select 'last_admin', null::users, null::uuid[];
        return;
    end if;

    if v_role <> v_user.role then
        insert into audit (actor_id, action, target, details)
            values (p_actor, 'user.role', p_user, jsonb_build_object('from', v_user.role, 'to', v_role));
    end if;
    if v_disabled <> (v_user.disabled_at is not null) then
        insert into audit (actor_id, action, target)
            values (p_actor, case when v_disabled then 'user.disabled' else 'user.enabled' end, p_user);
    end if;
    update users u set role = v_role, disabled_at = case when v_disabled then coalesce(u.disabled_at, now()) end
        where u.id = p_user returning u.* into v_user;
    if v_disabled then
        -- Also those ended lately: the request may be the repeat of one whose connections were not closed.
        update sessions s set revoked_at = now() where s.user_id = p_user and s.revoked_at is null;
        select array_agg(s.id) into v_sessions from sessions s
            where s.user_id = p_user and s.revoked_at >= now() - interval '130 min';
    end if;
    return query select 'changed', v_user, coalesce(v_sessions, '{}');
end
$$;

-- Deletes a conversation by an admin's word, of whatever kind; its last entry follows.
--   deleted   forbidden   not_found
create function delete_conversation(p_conversation uuid, p_actor uuid, p_key text)
returns table (outcome text, entry log)
language plpgsql volatile as $$
declare
    v_last bigint;
begin
    if not is_admin(p_actor) then
        return query select 'forbidden', null::log;
        return;
    end if;
    select c.last_seq into v_last from conversations c
        where c.id = p_conversation and c.deleted_at is null for no key update;
    if not found then
        return query select 'not_found', null::log;
        return;
    end if;
    delete from participants p where p.conversation_id = p_conversation;
    delete from entries e where e.conversation_id = p_conversation;
    -- Without its pair, so that the two may start another.
    update conversations c
        set last_seq = v_last + 1, updated_at = clock_timestamp(), deleted_at = now(), direct_low = null,
            direct_high = null
        where c.id = p_conversation;
    insert into entries (conversation_id, seq, kind, user_id, key)
        values (p_conversation, v_last + 1, 'conversation.deleted', p_actor, p_key);
    insert into audit (actor_id, action, target) values (p_actor, 'conversation.deleted', p_conversation);
    return query
        select 'deleted', l from log l where l.conversation_id = p_conversation and l.seq = v_last + 1;
end
$$;
