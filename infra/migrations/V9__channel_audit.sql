-- What admins do in channels is on the audit trail as well.

-- Whom a global admin adds to a channel, themselves included, or removes from it, without being its admin.
create function note_channel_deed() returns trigger
language plpgsql as $$
declare
    v_target uuid := (new.data ->> 'user_id')::uuid;
begin
    -- Whoever leaves does nothing to others; whoever comes by their own word was outside until now.
    if (new.kind = 'participant.added' or new.user_id <> v_target)
       and exists (select from conversations c where c.id = new.conversation_id and c.kind = 'channel')
       and not exists (
           select from participants p
           where p.conversation_id = new.conversation_id and p.user_id = new.user_id and p.role = 'admin'
             and p.user_id <> v_target
       ) then
        insert into audit (actor_id, action, target, details)
            values (new.user_id, 'channel.' || new.kind, new.conversation_id,
                    jsonb_build_object('user_id', v_target));
    end if;
    return null;
end
$$;

create trigger note_channel_deed after insert on entries for each row
    when (new.kind in ('participant.added', 'participant.removed')) execute function note_channel_deed();

-- Starts a group or a channel: its creator is its admin.
--   started      it is made
--   forbidden    only global admins start channels
--   unknown      these do not exist, of those who were named
--   name_taken   there is a channel of this name
-- Unless it is started, nothing is made.
create or replace function start_conversation(
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
    if p_kind = 'channel' then
        insert into audit (actor_id, action, target) values (p_creator, 'channel.started', p_id);
    end if;
    outcome := 'started';
    return next;
end
$$;
