-- Erasing an account: nothing of the person stays, their messages do, by a "deleted user".

-- Entries that tell of somebody.
create index entries_about_idx on entries ((data ->> 'user_id'))
    where kind in ('participant.added', 'participant.updated', 'participant.removed');

-- What Redis is told once more, in case it was given a conversation as it was before: 30 s later, and again when it was
-- lost or rewound. Ids alone.
create table erasures (
    id bigint generated always as identity primary key,
    user_id uuid not null,
    session_ids uuid[] not null default '{}',
    conversation_ids uuid[] not null,
    created_at timestamptz not null default now(),
    replayed_at timestamptz
);

-- Takes somebody off so many of their entries, and says off how many, and in which conversations. Of many entries it is
-- called many times: in one transaction they would be locked for long. Off none of the last admin's, who cannot be erased.
create function detach_entries(p_user uuid, p_limit integer)
returns table (detached bigint, conversation_ids uuid[])
language plpgsql volatile as $$
#variable_conflict use_column
begin
    with own as (
        select e.conversation_id, e.seq from entries e
        where e.user_id = p_user and (
            not is_admin(p_user)
            or exists (select from users u where u.role = 'admin' and u.disabled_at is null and u.id <> p_user))
        limit p_limit for update
    ), changed as (
        update entries e set user_id = null from own where e.conversation_id = own.conversation_id and e.seq = own.seq
        returning e.conversation_id
    )
    select count(*), coalesce(array_agg(distinct c.conversation_id), '{}') into detached, conversation_ids from changed c;
    if detached > 0 then
        insert into erasures (user_id, conversation_ids) values (p_user, conversation_ids);
    end if;
    return next;
end
$$;

-- Erases a user, if the hash is the one of their password still. They leave every conversation, as if they left
-- themselves; what others are told of it names ids alone.
--   erased       also whose connections may be open, and the conversations that Redis may know them from
--   refused      the password is another by now, or the user is gone
--   last_admin   nobody would be left who is an admin
--   again        they were added to a conversation meanwhile
-- Conversations are locked before the user, as whoever appends to one does, and in order.
create function erase_user(p_user uuid, p_password_hash text, p_key text)
returns table (outcome text, session_ids uuid[], conversation_ids uuid[])
language plpgsql volatile as $$
#variable_conflict use_column
declare
    v_locked uuid[];
    v_conversation uuid;
    v_kind text;
    v_last bigint;
begin
    v_locked := array(select p.conversation_id from participants p where p.user_id = p_user);
    perform from conversations c where c.id = any (v_locked) order by c.id for no key update;
    perform pg_advisory_xact_lock(hashtext('change_user'));
    perform from users u where u.id = p_user and u.password_hash = p_password_hash for update;
    if not found then
        return query select 'refused', null::uuid[], null::uuid[];
        return;
    elsif is_admin(p_user) and not exists (
        select from users u where u.role = 'admin' and u.disabled_at is null and u.id <> p_user
    ) then
        return query select 'last_admin', null::uuid[], null::uuid[];
        return;
    elsif exists (select from participants p where p.user_id = p_user and p.conversation_id <> all (v_locked)) then
        return query select 'again', null::uuid[], null::uuid[];
        return;
    end if;

    session_ids := array(select s.id from sessions s where s.user_id = p_user);
    conversation_ids := array(
        select unnest(v_locked)
        union
        select e.conversation_id from entries e where e.user_id = p_user
        union
        select e.conversation_id from entries e
        where e.data ->> 'user_id' = p_user::text
          and e.kind in ('participant.added', 'participant.updated', 'participant.removed'));

    for v_conversation in select p.conversation_id from participants p where p.user_id = p_user order by 1 loop
        select c.kind, c.last_seq + 1 into v_kind, v_last from conversations c where c.id = v_conversation;
        if v_kind = 'direct' then
            -- Nobody leaves one otherwise; the other keeps it.
            delete from participants p where p.conversation_id = v_conversation and p.user_id = p_user;
            update conversations c
                set last_seq = v_last, updated_at = clock_timestamp(), direct_low = null, direct_high = null
                where c.id = v_conversation;
            insert into entries (conversation_id, seq, kind, user_id, key, data)
                values (v_conversation, v_last, 'participant.removed', p_user, p_key,
                        jsonb_build_object('user_id', p_user, 'by', p_user));
        else
            perform append(v_conversation, p_user, 'participant.removed', p_key, null,
                           jsonb_build_object('user_id', p_user));
        end if;
    end loop;

    update entries e set data = e.data || '{"user_name": "deleted user", "user_email": null}'
        where e.data ->> 'user_id' = p_user::text and e.kind in ('participant.added', 'participant.updated');
    insert into erasures (user_id, session_ids, conversation_ids) values (p_user, session_ids, conversation_ids);
    delete from users u where u.id = p_user;
    outcome := 'erased';
    return next;
end
$$;
