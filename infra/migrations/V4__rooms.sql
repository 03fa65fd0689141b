-- Channels, what a list of conversations shows, and search.

-- Decided here, however requests race; the name of a deleted channel is free again. Code matches on the name.
create unique index conversations_channel_name_key on conversations (name)
    where kind = 'channel' and deleted_at is null;

-- Participants in the order they are shown, so that the first ten of a thousand cost ten.
create index participants_joined_at_idx on participants (conversation_id, joined_at, user_id);

-- Messages alone: other entries may be many between two of them, and neither the last message, nor a page, nor the
-- unread count shall walk through those.
create index entries_messages_idx on entries (conversation_id, seq) where kind = 'message';

-- Those of some conversations that the reader takes part in, as they see them, latest activity first.
-- A function, because its plan is kept: planning would take as long as running it. The settings leave only
-- nested loops over indexes, which are right here however little the planner knows of the tables.
create function show_conversations(p_reader uuid, p_ids uuid[])
returns table (
    id uuid, kind text, name text, role text, last_seq bigint, muted boolean, archived boolean, created_at timestamptz,
    updated_at timestamptz, participant_ids uuid[], participant_names text[], participant_emails text[],
    participant_roles text[], participants_joined_at timestamptz[], participant_count bigint, unread_count bigint,
    last_message log)
language plpgsql stable
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
#variable_conflict use_column
begin
    return query
        select c.id, c.kind, c.name, me.role, c.last_seq, me.muted, me.archived, c.created_at, c.updated_at,
               -- Arrays of columns: JSON of each participant would take as long as all the rest.
               first_ten.ids, first_ten.names, first_ten.emails, first_ten.roles, first_ten.joined_at,
               (select count(*) from participants p where p.conversation_id = c.id),
               (select count(*)
                from (select from entries e
                      where e.conversation_id = c.id and e.kind = 'message' and e.seq > me.read_seq
                        and e.user_id is distinct from p_reader and e.deleted_at is null
                      order by e.seq desc limit 100) unread),
               (select l from log l where l.conversation_id = c.id and l.kind = 'message' order by l.seq desc limit 1)
        from unnest(p_ids) wanted
        cross join lateral (
            select p.* from participants p where p.conversation_id = wanted and p.user_id = p_reader offset 0) me
        join conversations c on c.id = wanted
        cross join lateral (
            select array_agg(o.id) as ids, array_agg(o.name) as names, array_agg(o.email) as emails,
                   array_agg(o.role) as roles, array_agg(o.joined_at) as joined_at
            from (select u.id, u.name, u.email, p.role, p.joined_at
                  from (select * from participants p where p.conversation_id = c.id
                        order by p.joined_at, p.user_id limit 10) p
                  join users u on u.id = p.user_id
                  order by p.joined_at, p.user_id) o) first_ten
        order by c.updated_at desc, c.id desc;
end
$$;

drop function start_group(uuid, uuid, text, uuid[], text[]);

-- Starts a group or a channel: its creator is its admin.
--   started      it is made
--   forbidden    only global admins start channels
--   unknown      these do not exist, of those who were named
--   name_taken   there is a channel of this name
-- Unless it is started, nothing is made.
create function start_conversation(
    p_id uuid, p_kind text, p_creator uuid, p_name text, p_user_ids uuid[], p_emails text[])
returns table (outcome text, unknown_ids uuid[], unknown_emails text[])
language plpgsql volatile as $$
begin
    -- The role of now: a token may tell an older one.
    if p_kind = 'channel' and not exists (
        select from users u where u.id = p_creator and u.role = 'admin' and u.disabled_at is null
    ) then
        return query select 'forbidden', null::uuid[], null::text[];
        return;
    end if;

    select coalesce(array_agg(i), '{}') into unknown_ids from unnest(p_user_ids) i
        where not exists (select from users u where u.id = i);
    select coalesce(array_agg(m), '{}') into unknown_emails from unnest(p_emails) m
        where not exists (select from users u where lower(u.email) = lower(m));
    if cardinality(unknown_ids) > 0 or cardinality(unknown_emails) > 0 then
        outcome := 'unknown';
        return next;
        return;
    end if;

    -- The unique index makes a racing request wait here until the other has committed.
    insert into conversations (id, kind, name) values (p_id, p_kind, p_name)
        on conflict (name) where kind = 'channel' and deleted_at is null do nothing;
    if not found then
        outcome := 'name_taken';
        return next;
        return;
    end if;
    insert into participants (conversation_id, user_id, role) values (p_id, p_creator, 'admin');
    insert into participants (conversation_id, user_id)
        select p_id, named.id from (
            select unnest(p_user_ids) as id
            union
            select u.id from unnest(p_emails) m join users u on lower(u.email) = lower(m)
        ) named
        where named.id <> p_creator
        order by named.id;
    outcome := 'started';
    return next;
end
$$;

-- The words of a text. Punctuation only separates: the parser would make one word of an address or a path, which
-- nobody could find by its parts, and none of what looks like a tag.
create function search_words(p_text text) returns tsvector
language sql immutable strict parallel safe
return to_tsvector('simple', translate(p_text, '!"#$%&''()*+,-./:;<=>?@[\]^_`{|}~', repeat(' ', 32)));

-- What finds the texts with all words of `p_text`, of which the last may be the beginning of one. Null, which finds
-- nothing, without any word. Whatever the text is, words hold no character that means something to a query.
create function search_query(p_text text) returns tsquery
language sql immutable strict parallel safe as $$
    select string_agg('''' || w.lexeme || case when w.place = w.last then ''':*' else '''' end, ' & ')::tsquery
    from (
        select w.lexeme, p.place, max(p.place) over () as last
        from unnest(search_words(p_text)) w cross join lateral (select max(place) as place from unnest(w.positions) place) p
    ) w
$$;

-- The pending list is what makes inserts cheap. A short one, because each search reads it, and because one insert has to
-- wait while it is merged: at most 30 ms were measured, where the default of 4 MB made it 130.
create index entries_search_idx on entries using gin (search_words(content)) with (gin_pending_list_limit = 256)
    where content is not null;
