-- Credentials that are mailed: they prove that an address is somebody's, once.

-- The token is 256 random bits and stands here as a SHA-256 digest only. Old ones are deleted when the same person is
-- mailed the next. Not more than a few are made in an hour, which is why it is kept when each was.
create table one_time_tokens (
    digest bytea primary key,
    user_id uuid not null references users on delete cascade,
    purpose text not null constraint one_time_tokens_purpose_check check (purpose in ('verify', 'reset')),
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    used_at timestamptz
);

create index one_time_tokens_user_id_idx on one_time_tokens (user_id);

-- Uses a token up to set a password: the other tokens for that are void, the address is proved, and all sessions end.
-- Returns whose password it is, and the sessions whose connections may be open; nothing for a token that is not valid.
-- The user's row is locked first, so racing uses, also of different tokens, have one order and the first one wins.
create function reset_password(p_digest bytea, p_password_hash text)
returns table (user_id uuid, session_ids uuid[])
language plpgsql volatile as $$
#variable_conflict use_column
declare
    v_user_id uuid;
begin
    select u.id into v_user_id from users u
        where u.id = (select t.user_id from one_time_tokens t where t.digest = p_digest and t.purpose = 'reset')
        for no key update;
    -- Read under the lock: a racing use may have used it up while this one waited.
    update one_time_tokens t set used_at = clock_timestamp()
        where t.digest = p_digest and t.user_id = v_user_id and t.purpose = 'reset'
            and t.used_at is null and t.expires_at > clock_timestamp();
    if not found then
        return;
    end if;
    update one_time_tokens t set used_at = clock_timestamp()
        where t.user_id = v_user_id and t.purpose = 'reset' and t.used_at is null;
    update users u
        set password_hash = p_password_hash, email_verified_at = coalesce(u.email_verified_at, clock_timestamp())
        where u.id = v_user_id;
    update sessions s set revoked_at = clock_timestamp() where s.user_id = v_user_id and s.revoked_at is null;
    return query
        -- Also those ended lately: their connections may not have been closed.
        select v_user_id, array(
            select s.id from sessions s
            where s.user_id = v_user_id and s.revoked_at >= clock_timestamp() - interval '130 min');
end
$$;
