-- Sets another password in the place of the one with this hash, ends the other sessions and voids the links that would set
-- one. Returns the sessions whose connections may be open; nothing when the hash is another by now.
-- The user is locked first: a sign-in by the old password is seen here, or sees the new hash.
create function replace_password(p_user uuid, p_session uuid, p_old text, p_new text)
returns table (session_ids uuid[])
language plpgsql volatile as $$
begin
    perform from users u where u.id = p_user and u.password_hash = p_old for no key update;
    if not found then
        return;
    end if;
    update users u set password_hash = p_new where u.id = p_user;
    update one_time_tokens t set used_at = clock_timestamp()
        where t.user_id = p_user and t.purpose = 'reset' and t.used_at is null;
    update sessions s set revoked_at = clock_timestamp()
        where s.user_id = p_user and s.id <> p_session and s.revoked_at is null;
    return query
        -- Also those ended lately: their connections may not have been closed.
        select array(
            select s.id from sessions s
            where s.user_id = p_user and s.id <> p_session and s.revoked_at >= clock_timestamp() - interval '130 min');
end
$$;

-- What points to a user is found when one is erased.
create index audit_actor_id_idx on audit (actor_id);
create index renames_user_id_idx on renames (user_id);
create index conversations_direct_high_idx on conversations (direct_high) where direct_high is not null;

-- Sessions that somebody is signed in by, with the name of the client that has one. One that waits for its code to be
-- exchanged is not yet.
create view live_sessions as
    select s.*, c.name as client_name
    from sessions s left join oauth_clients c on c.client_id = s.client_id
    where s.revoked_at is null and s.expires_at > now()
      and not exists (select from authorization_codes a where a.session_id = s.id and a.used_at is null);
