-- Conversations, who takes part, and the log: one sequence of entries per conversation.

create table conversations (
    id uuid primary key,
    kind text not null constraint conversations_kind_check check (kind in ('direct', 'group', 'channel')),
    name text,
    -- The two of a direct conversation, in order of id, so that the pair is unique however requests race.
    direct_low uuid references users,
    direct_high uuid references users,
    last_seq bigint not null default 0,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz, -- the row stays: a seq is never used twice
    constraint conversations_direct_key unique (direct_low, direct_high)
) with (fillfactor = 70); -- every entry updates last_seq; room on the page keeps those updates off the indexes

create table participants (
    conversation_id uuid not null references conversations,
    user_id uuid not null references users on delete cascade,
    role text not null default 'member' constraint participants_role_check check (role in ('admin', 'member')),
    read_seq bigint not null default 0,
    muted boolean not null default false,
    archived boolean not null default false,
    joined_at timestamptz not null default clock_timestamp(),
    primary key (conversation_id, user_id)
);

create index participants_user_id_idx on participants (user_id);

-- The log. An entry is a message or a change (membership, role, name, deletion); both take the next seq.
-- A message's row is also its latest state. `key` is the idempotency key within (conversation, user): the
-- client's `c:<client_id>` or, without one, the request's `r:<request id>`; a second entry of the same
-- request has `+` behind it.
create table entries (
    conversation_id uuid not null references conversations,
    seq bigint not null,
    kind text not null,
    user_id uuid references users on delete set null,
    key text not null,
    connection text, -- over which it came; that one is answered, not pushed to
    data jsonb,
    content text,
    metadata jsonb,
    reply_to bigint,
    created_at timestamptz not null default clock_timestamp(),
    edited_at timestamptz,
    deleted_at timestamptz,
    primary key (conversation_id, seq)
);

create unique index entries_key on entries (conversation_id, user_id, key);
-- No index of messages alone: changes between them are few, so the primary key serves pages, the last message and the
-- unread count as well, and an insert has one index less to write.

-- An entry as readers see it: with the name its user has now.
create view log as
    select e.conversation_id, e.seq, e.kind, e.user_id, coalesce(u.name, 'deleted user') as user_name,
           u.email as user_email, e.key, e.connection, e.data, e.content, e.metadata, e.reply_to, e.created_at, e.edited_at,
           e.deleted_at
    from entries e left join users u on u.id = e.user_id;

-- A participant as readers see it, in the public contract's words.
create function participant_json(p participants) returns jsonb
language sql stable as $$
    select jsonb_build_object('user_id', u.id, 'user_name', u.name, 'user_email', u.email, 'role', p.role,
                              'joined_at', to_char(p.joined_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
    from users u where u.id = p.user_id
$$;

-- Appends what one request does to the log: the conversation's row is locked, the request's key looked up, the
-- change checked and made, and each entry numbered, in the one transaction that makes all of it durable.
-- One function call and not one statement of CTEs: those share a snapshot taken before the lock is held.
--   appended     the entries follow, in order (usually one)
--   duplicate    the key is known: the entries it made then follow
--   unchanged    it is so already; no entry
--   anything else is why it was refused: not_found, forbidden, direct, no_reply_to, no_user, no_participant,
--   full, last_admin; no entry, nothing changed
create function append(
    p_conversation uuid, p_actor uuid, p_kind text, p_key text, p_connection text, p_data jsonb)
returns table (outcome text, entry log)
language plpgsql volatile as $$
declare
    v_conversation conversations%rowtype;
    v_role text;
    v_first bigint;
    v_last bigint;
    v_target uuid;
    v_target_role text;
    v_promoted participants%rowtype;
begin
    select c.* into v_conversation from conversations c where c.id = p_conversation for no key update;
    if not found or v_conversation.deleted_at is not null then
        return query select 'not_found', null::log;
        return;
    end if;

    -- By equality on the whole key: without statistics the planner takes anything else for a scan of all that
    -- the sender ever said here.
    select e.seq into v_first from entries e
        where e.conversation_id = p_conversation and e.user_id = p_actor and e.key = p_key;
    if found then
        return query
            select 'duplicate', l from log l
            where l.conversation_id = p_conversation
              and (l.seq = v_first
                   or (p_kind = 'participant.removed' and l.seq = v_first + 1 and l.key = p_key || '+'))
              and l.seq between v_first and v_first + 1
            order by l.seq;
        return;
    end if;

    select p.role into v_role from participants p where p.conversation_id = p_conversation and p.user_id = p_actor;
    if not found then
        return query select 'not_found', null::log;
        return;
    end if;

    v_first := v_conversation.last_seq + 1;
    v_last := v_first;
    v_target := (p_data ->> 'user_id')::uuid;

    if p_kind = 'message' then
        if (p_data ->> 'reply_to') is not null and not exists (
            select from entries e
            where e.conversation_id = p_conversation and e.seq = (p_data ->> 'reply_to')::bigint and e.kind = 'message'
        ) then
            return query select 'no_reply_to', null::log;
            return;
        end if;
        insert into entries (conversation_id, seq, kind, user_id, key, connection, content, metadata, reply_to)
            values (p_conversation, v_first, p_kind, p_actor, p_key, p_connection, p_data ->> 'content',
                    nullif(p_data -> 'metadata', 'null'), (p_data ->> 'reply_to')::bigint);

    elsif v_conversation.kind = 'direct' then
        return query select 'direct', null::log;
        return;

    elsif v_role <> 'admin' and not (p_kind = 'participant.removed' and v_target = p_actor) then
        return query select 'forbidden', null::log;
        return;

    elsif p_kind = 'conversation.updated' then
        if v_conversation.name is not distinct from p_data ->> 'name' then
            return query select 'unchanged', null::log;
            return;
        end if;
        update conversations c set name = p_data ->> 'name' where c.id = p_conversation;
        insert into entries (conversation_id, seq, kind, user_id, key, data)
            values (p_conversation, v_first, p_kind, p_actor, p_key,
                    jsonb_build_object('id', p_conversation, 'name', p_data ->> 'name'));

    elsif p_kind = 'conversation.deleted' then
        delete from participants p where p.conversation_id = p_conversation;
        delete from entries e where e.conversation_id = p_conversation;
        update conversations c set deleted_at = now() where c.id = p_conversation;
        insert into entries (conversation_id, seq, kind, user_id, key)
            values (p_conversation, v_first, p_kind, p_actor, p_key);

    elsif p_kind = 'participant.added' then
        if not exists (select from users u where u.id = v_target) then
            return query select 'no_user', null::log;
            return;
        elsif exists (select from participants p where p.conversation_id = p_conversation and p.user_id = v_target) then
            return query select 'unchanged', null::log;
            return;
        elsif (select count(*) from participants p where p.conversation_id = p_conversation) >= 1000 then
            return query select 'full', null::log;
            return;
        end if;
        insert into participants (conversation_id, user_id, role) values (p_conversation, v_target, p_data ->> 'role');
        insert into entries (conversation_id, seq, kind, user_id, key, data)
            select p_conversation, v_first, p_kind, p_actor, p_key, participant_json(p)
            from participants p where p.conversation_id = p_conversation and p.user_id = v_target;

    elsif p_kind in ('participant.updated', 'participant.removed') then
        select p.role into v_target_role from participants p
            where p.conversation_id = p_conversation and p.user_id = v_target;
        if not found then
            return query select 'no_participant', null::log;
            return;
        end if;

        if p_kind = 'participant.updated' then
            if v_target_role = p_data ->> 'role' then
                return query select 'unchanged', null::log;
                return;
            elsif v_target_role = 'admin' and not exists (
                select from participants p
                where p.conversation_id = p_conversation and p.role = 'admin' and p.user_id <> v_target
            ) then
                return query select 'last_admin', null::log;
                return;
            end if;
            update participants p set role = p_data ->> 'role'
                where p.conversation_id = p_conversation and p.user_id = v_target;
            insert into entries (conversation_id, seq, kind, user_id, key, data)
                select p_conversation, v_first, p_kind, p_actor, p_key, participant_json(p)
                from participants p where p.conversation_id = p_conversation and p.user_id = v_target;
        else
            delete from participants p where p.conversation_id = p_conversation and p.user_id = v_target;
            insert into entries (conversation_id, seq, kind, user_id, key, data)
                values (p_conversation, v_first, p_kind, p_actor, p_key,
                        jsonb_build_object('user_id', v_target, 'by', p_actor));
            -- Nobody must be left without an admin: the longest-standing participant becomes it.
            if not exists (select from participants p where p.conversation_id = p_conversation and p.role = 'admin') then
                update participants p set role = 'admin'
                    where p.conversation_id = p_conversation and p.user_id = (
                        select o.user_id from participants o where o.conversation_id = p_conversation
                        order by o.joined_at, o.user_id limit 1)
                    returning p.* into v_promoted;
                if found then
                    v_last := v_first + 1;
                    insert into entries (conversation_id, seq, kind, user_id, key, data)
                        values (p_conversation, v_last, 'participant.updated', p_actor, p_key || '+',
                                participant_json(v_promoted));
                end if;
            end if;
        end if;

    else
        raise exception 'append: unknown kind %', p_kind;
    end if;

    update conversations c set last_seq = v_last, updated_at = clock_timestamp() where c.id = p_conversation;
    return query
        select 'appended', l from log l
        where l.conversation_id = p_conversation and l.seq between v_first and v_last
        order by l.seq;
end
$$;

-- Starts a group: its creator is its admin. Returns who was named but does not exist; if anybody, nothing is made.
create function start_group(p_id uuid, p_creator uuid, p_name text, p_user_ids uuid[], p_emails text[])
returns table (unknown_ids uuid[], unknown_emails text[])
language plpgsql volatile as $$
begin
    select coalesce(array_agg(i), '{}') into unknown_ids from unnest(p_user_ids) i
        where not exists (select from users u where u.id = i);
    select coalesce(array_agg(m), '{}') into unknown_emails from unnest(p_emails) m
        where not exists (select from users u where lower(u.email) = lower(m));
    if cardinality(unknown_ids) = 0 and cardinality(unknown_emails) = 0 then
        insert into conversations (id, kind, name) values (p_id, 'group', p_name);
        insert into participants (conversation_id, user_id, role) values (p_id, p_creator, 'admin');
        insert into participants (conversation_id, user_id)
            select p_id, named.id from (
                select unnest(p_user_ids) as id
                union
                select u.id from unnest(p_emails) m join users u on lower(u.email) = lower(m)
            ) named
            where named.id <> p_creator
            order by named.id;
    end if;
    return next;
end
$$;

-- Starts the direct conversation of two people, or finds the one there is.
create function start_direct(p_id uuid, p_one uuid, p_other uuid)
returns table (outcome text, id uuid)
language plpgsql volatile as $$
#variable_conflict use_column
begin
    if not exists (select from users u where u.id = p_other) then
        return query select 'no_user', null::uuid;
        return;
    end if;
    -- The unique constraint makes a racing request wait here until the other has committed.
    insert into conversations (id, kind, direct_low, direct_high)
        values (p_id, 'direct', least(p_one, p_other), greatest(p_one, p_other))
        on conflict on constraint conversations_direct_key do nothing;
    if found then
        insert into participants (conversation_id, user_id) values (p_id, p_one), (p_id, p_other);
        return query select 'started', p_id;
    else
        return query
            select 'exists', c.id from conversations c
            where c.direct_low = least(p_one, p_other) and c.direct_high = greatest(p_one, p_other);
    end if;
end
$$;
