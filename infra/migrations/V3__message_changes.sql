-- Changes of messages: edits, deletions and reactions are entries of the log, and the message's row is its latest state.

alter table entries
    add column target bigint,     -- the message an entry is, or is about
    add column reactions jsonb,   -- of a message: [{"emoji", "user_ids"}], in order of their first use
    add column edited_seq bigint; -- of a message: the entry that changed its text last

update entries set target = seq where kind = 'message';

-- Where nothing tells them apart, the planner takes any index that begins with the conversation for as good as the one of
-- (conversation, seq), and reads all of a conversation for one entry. So this one begins with the user, which also finds
-- what somebody wrote.
drop index entries_key;
create unique index entries_key on entries (user_id, key, conversation_id);

-- What was appended since a moment, for maintenance: entries are written in order of time, so this index is tiny.
create index entries_created_at_idx on entries using brin (created_at) with (autosummarize = on);

-- Renames of people that Redis is told of a second time, in case it was given a conversation as it was before.
create table renames (
    id bigint generated always as identity primary key,
    user_id uuid not null references users on delete cascade,
    created_at timestamptz not null default now()
);

create index sessions_revoked_at_idx on sessions (revoked_at) where revoked_at is not null;

drop function append(uuid, uuid, text, text, text, jsonb);
drop view log;

-- An entry as readers see it: who made it and when, and the message it is or is about, in its latest state and with the
-- name its author has now.
create view log as
    select e.conversation_id, e.seq, e.kind, e.user_id as actor_id, e.key, e.connection, e.data, e.created_at,
           m.seq as target, m.user_id, coalesce(u.name, 'deleted user') as user_name, u.email as user_email,
           m.key as message_key, m.content, m.metadata, m.reply_to, m.reactions, m.created_at as message_created_at,
           m.edited_at, m.deleted_at
    from entries e
    -- By both columns of the key: without statistics the planner takes the conversation alone for as good.
    left join lateral (
        select m.* from entries m where m.conversation_id = e.conversation_id and m.seq = e.target offset 0) m on true
    left join users u on u.id = m.user_id;

-- Reactions with one more or less; null when none is left.
create function react(p_reactions jsonb, p_emoji text, p_user uuid, p_on boolean) returns jsonb
language sql immutable as $$
    select jsonb_agg(jsonb_build_object('emoji', emoji, 'user_ids', user_ids) order by place)
    from (
        select r.value ->> 'emoji' as emoji, r.place,
               case when r.value ->> 'emoji' <> p_emoji then r.value -> 'user_ids'
                    when p_on then (r.value -> 'user_ids') || to_jsonb(p_user)
                    else (r.value -> 'user_ids') - p_user::text
               end as user_ids
        from jsonb_array_elements(p_reactions) with ordinality r(value, place)
        union all
        select p_emoji, jsonb_array_length(p_reactions) + 1, jsonb_build_array(p_user)
        where p_on and not p_reactions @> jsonb_build_array(jsonb_build_object('emoji', p_emoji))
    ) all_of_them
    where user_ids <> '[]'
$$;

-- Appends what one request does to the log: the conversation's row is locked, the request's key looked up, the
-- change checked and made, and each entry numbered, in the one transaction that makes all of it durable.
-- One function call and not one statement of CTEs: those share a snapshot taken before the lock is held.
--   appended     the entries follow, in order (usually one)
--   duplicate    the key is known: the entries it made then follow
--   unchanged    it is so already; no new entry. Of a message, the entry that it is follows
--   anything else is why it was refused: not_found, forbidden, direct, no_reply_to, no_message, not_sender, no_user,
--   no_participant, full, last_admin, name_taken, bad_channel_name, too_many_emojis, too_many_reactions; no entry,
--   nothing changed
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
    v_message entries%rowtype;
begin
    select c.* into v_conversation from conversations c where c.id = p_conversation for no key update;
    if not found or v_conversation.deleted_at is not null then
        return query select 'not_found', null::log;
        return;
    end if;

    -- "Is not distinct", because equality would let the planner read all of the conversation for the one key. What is
    -- read instead is one entry for each conversation in which this person used the key.
    select e.seq into v_first from entries e
        where e.user_id = p_actor and e.key = p_key and e.conversation_id is not distinct from p_conversation;
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
    -- Who takes part in a channel is a global admin's to decide, also from outside.
    if v_role is distinct from 'admin' and v_conversation.kind = 'channel'
       and p_kind in ('participant.added', 'participant.removed')
       and exists (select from users u where u.id = p_actor and u.role = 'admin' and u.disabled_at is null) then
        v_role := 'admin';
    end if;
    if v_role is null then
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
        insert into entries (conversation_id, seq, kind, user_id, key, connection, target, content, metadata, reply_to)
            values (p_conversation, v_first, p_kind, p_actor, p_key, p_connection, v_first, p_data ->> 'content',
                    nullif(p_data -> 'metadata', 'null'), (p_data ->> 'reply_to')::bigint);

    elsif p_kind in ('message.updated', 'message.deleted', 'reaction') then
        select e.* into v_message from entries e
            where e.conversation_id = p_conversation and e.seq = (p_data ->> 'message')::bigint
              and e.kind = 'message' and e.deleted_at is null;
        if not found then
            return query select 'no_message', null::log;
            return;
        elsif p_kind <> 'reaction' and v_message.user_id is distinct from p_actor
              and not (p_kind = 'message.deleted' and v_role = 'admin') then
            return query select 'not_sender', null::log;
            return;
        end if;

        if p_kind = 'message.updated' then
            if v_message.content = p_data ->> 'content' then
                return query select 'unchanged', l from log l
                    where l.conversation_id = p_conversation and l.seq = v_message.seq;
                return;
            end if;
            update entries e set content = p_data ->> 'content', edited_at = clock_timestamp(), edited_seq = v_first
                where e.conversation_id = p_conversation and e.seq = v_message.seq;
            insert into entries (conversation_id, seq, kind, user_id, key, connection, target)
                values (p_conversation, v_first, p_kind, p_actor, p_key, p_connection, v_message.seq);

        elsif p_kind = 'message.deleted' then
            update entries e set content = null, metadata = null, reactions = null, deleted_at = clock_timestamp()
                where e.conversation_id = p_conversation and e.seq = v_message.seq;
            -- Through which entry the stream may still hold the text.
            insert into entries (conversation_id, seq, kind, user_id, key, connection, target, data)
                values (p_conversation, v_first, p_kind, p_actor, p_key, p_connection, v_message.seq,
                        jsonb_build_object('through', coalesce(v_message.edited_seq, v_message.seq)));

        else
            v_message.reactions := coalesce(v_message.reactions, '[]');
            if (p_data ->> 'on')::boolean = (v_message.reactions @> jsonb_build_array(
                    jsonb_build_object('emoji', p_data -> 'emoji', 'user_ids', jsonb_build_array(p_actor)))) then
                return query select 'unchanged', l from log l
                    where l.conversation_id = p_conversation and l.seq = v_message.seq;
                return;
            elsif (p_data ->> 'on')::boolean then
                if jsonb_array_length(v_message.reactions) >= 20
                   and not v_message.reactions @> jsonb_build_array(jsonb_build_object('emoji', p_data -> 'emoji')) then
                    return query select 'too_many_emojis', null::log;
                    return;
                elsif jsonb_array_length(jsonb_path_query_array(v_message.reactions, '$[*].user_ids[*]')) >= 1000 then
                    return query select 'too_many_reactions', null::log;
                    return;
                end if;
            end if;
            update entries e
                set reactions = react(v_message.reactions, p_data ->> 'emoji', p_actor, (p_data ->> 'on')::boolean)
                where e.conversation_id = p_conversation and e.seq = v_message.seq;
            insert into entries (conversation_id, seq, kind, user_id, key, connection, target, data)
                values (p_conversation, v_first, p_kind, p_actor, p_key, p_connection, v_message.seq,
                        jsonb_build_object('message_id', v_message.seq || '-0', 'user_id', p_actor,
                                           'emoji', p_data -> 'emoji', 'on', p_data -> 'on'));
        end if;

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
        if v_conversation.kind = 'channel' then
            if p_data ->> 'name' !~ '^[a-z0-9-]{2,50}$' then
                return query select 'bad_channel_name', null::log;
                return;
            end if;
            begin
                update conversations c set name = p_data ->> 'name' where c.id = p_conversation;
            exception when unique_violation then
                return query select 'name_taken', null::log;
                return;
            end;
        else
            update conversations c set name = p_data ->> 'name' where c.id = p_conversation;
        end if;
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

-- Appends messages together, in one transaction: [{"user", "key", "connection", "data"}], no two of one key. Each is
-- checked by itself against what was there before, as `append` does, but all of them by the same few statements. The settings leave only nested loops
-- over indexes, which are right here however little the planner knows of the tables.
create function append_messages(p_conversation uuid, p_messages jsonb)
returns table (place bigint, outcome text, entry log)
language plpgsql volatile
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
    v_conversation conversations%rowtype;
    v_outcomes text[];
    v_seqs bigint[];
    v_last bigint;
begin
    select c.* into v_conversation from conversations c where c.id = p_conversation for no key update;
    if not found or v_conversation.deleted_at is not null then
        return query
            select m.place, 'not_found', null::log
            from jsonb_array_elements(p_messages) with ordinality m(value, place);
        return;
    end if;

    with asked as materialized (
        select m.place, (m.value ->> 'user')::uuid as user_id, m.value ->> 'key' as key,
               (m.value -> 'data' ->> 'reply_to')::bigint as reply_to
        from jsonb_array_elements(p_messages) with ordinality m(value, place)
    ), found as materialized (
        select a.place, a.reply_to,
               (select e.seq from entries e
                where e.user_id = a.user_id and e.key = a.key
                  and e.conversation_id is not distinct from p_conversation) as seq,
               (select p.role from participants p
                where p.conversation_id = p_conversation and p.user_id = a.user_id) as role,
               (select e.kind from entries e
                where e.conversation_id = p_conversation and e.seq = a.reply_to) as replied_to
        from asked a
    ), checked as (
        select f.place, f.seq,
               case when f.seq is not null then 'duplicate'
                    when f.role is null then 'not_found'
                    when f.reply_to is not null and f.replied_to is distinct from 'message' then 'no_reply_to'
                    else 'appended'
               end as outcome
        from found f
    ), numbered as (
        select c.place, c.outcome,
               case when c.outcome = 'appended'
                    then v_conversation.last_seq + row_number() over (partition by c.outcome order by c.place)
                    else c.seq
               end as seq
        from checked c
    )
    select array_agg(n.outcome order by n.place), array_agg(n.seq order by n.place),
           max(n.seq) filter (where n.outcome = 'appended')
        into v_outcomes, v_seqs, v_last
        from numbered n;

    if v_last is not null then
        insert into entries (conversation_id, seq, kind, user_id, key, connection, target, content, metadata, reply_to)
            select p_conversation, v_seqs[m.place], 'message', (m.value ->> 'user')::uuid, m.value ->> 'key',
                   m.value ->> 'connection', v_seqs[m.place], m.value -> 'data' ->> 'content',
                   nullif(m.value -> 'data' -> 'metadata', 'null'), (m.value -> 'data' ->> 'reply_to')::bigint
            from jsonb_array_elements(p_messages) with ordinality m(value, place)
            where v_outcomes[m.place] = 'appended'
            order by m.place;
        update conversations c set last_seq = v_last, updated_at = clock_timestamp() where c.id = p_conversation;
    end if;
    return query
        select said.place, said.outcome,
               (select l from log l where l.conversation_id = p_conversation and l.seq = said.seq)
        from unnest(v_outcomes, v_seqs) with ordinality said(outcome, seq, place)
        order by said.place;
end
$$;
