-- What the scripts of a conversation's log share; put in front of each of them.
--
-- KEYS[1] meta         hash: w (folded through), n (number of buckets), of each bucket b from 0: p<b> (pushed through),
--                      lease<b> (token of who pushes) and until<b> (its end in ms); and revision, the last of revoked
--                      when the connections were last cleared of it
-- KEYS[2] stream       entries, id <seq>-0, fields: kind, user, connection, frame
-- KEYS[3] members      hash: user id -> {"role", "name", "email"}; role "" after leaving; field "" always there
-- KEYS[4] changed      hash: seq of a message in the stream -> the message as it is now; field "" always there
-- KEYS[5] connections  hash: connection id -> user|session|connected_at ms|expires_at ms|hash
-- KEYS[6] lagging      hash: connection that misses pushes -> since when, in ms
-- KEYS[7] revoked      sorted set of the partition: sessions that were ended, by when, in ms; last, at infinity, a name
--                      that is new whenever one was added
-- KEYS[8] warm         sorted set of the partition: conversations that are here, by when they last changed, in ms

local META, STREAM, MEMBERS, CHANGED = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local CONNECTIONS, LAGGING, REVOKED, WARM = KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local WEEK = 7 * 24 * 3600 * 1000
-- Up to so many connections whoever publishes pushes; beyond, jobs do, each for a bucket of about so many.
local INLINE, BUCKET = 128, 256

-- Redis' clock, in ms.
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- How far the log is folded; nil when cold. A key that is missing is cold, never "nobody is a member".
local function head()
  local w = redis.call('HGET', META, 'w')
  if not w or redis.call('EXISTS', MEMBERS, CHANGED) < 2 then return nil end
  return tonumber(w)
end

local function role_of(user)
  local member = redis.call('HGET', MEMBERS, user)
  local role = member and cjson.decode(member).role
  return role ~= '' and role or nil
end

-- Keeps a quiet conversation for a week; after that it is cold.
local function keep(conversation, at)
  for _, key in ipairs({META, STREAM, MEMBERS, CHANGED}) do redis.call('PEXPIRE', key, WEEK) end
  redis.call('ZADD', WARM, at, conversation)
end

local function seq_of(entry)
  return tonumber(entry[1]:match('^%d+'))
end

local function id_of(seq)
  return string.format('%d-0', seq)
end

-- The seq the stream starts at; what is before it is in Postgres alone.
local function first_of_stream(w)
  local oldest = redis.call('XRANGE', STREAM, '-', '+', 'COUNT', 1)[1]
  return oldest and seq_of(oldest) or w + 1
end

local function user_of(registration)
  return registration:match('^[^|]*')
end

-- Ends a registration.
local function forget(connection)
  redis.call('HDEL', CONNECTIONS, connection)
  redis.call('HDEL', LAGGING, connection)
end

-- The registrations that still hold, as connection, registration, ...; those of sessions that were ended are dropped. That
-- is looked for only when some were ended since it was looked for last: none of them can register.
local function registrations()
  local all = redis.call('HGETALL', CONNECTIONS)
  local revision = redis.call('ZREVRANGE', REVOKED, 0, 0)[1]
  if #all == 0 or not revision or redis.call('HGET', META, 'revision') == revision then return all end
  local live = {}
  for i = 1, #all, 2 do
    if redis.call('ZSCORE', REVOKED, all[i + 1]:match('^[^|]*|([^|]*)')) then
      forget(all[i])
    else
      live[#live + 1] = all[i]
      live[#live + 1] = all[i + 1]
    end
  end
  if redis.call('HEXISTS', META, 'w') == 1 then redis.call('HSET', META, 'revision', revision) end
  return live
end

-- What is to be pushed, and to whom, in one moment: {bucket, through, now, entries, registrations, lagging}. After a
-- holder died this may be much; it comes in stretches.
local STRETCH = 200
local function cut(b, n, p, w, at, all)
  local list = redis.call('XRANGE', STREAM, id_of(p + 1), id_of(w), 'COUNT', STRETCH)
  local through = #list == STRETCH and seq_of(list[STRETCH]) or w
  if n > 1 then
    local own = {}
    for i = 1, #all, 2 do
      if tonumber(all[i + 1]:match('%d+$')) % n == b then
        own[#own + 1] = all[i]
        own[#own + 1] = all[i + 1]
      end
    end
    all = own
  end
  return {b, through, at, list, all, redis.call('HGETALL', LAGGING)}
end

-- Fits the number of buckets to the number of connections, when nothing waits to be pushed or when there are too few.
-- Then every bucket goes on from where the slowest was, and all leases end.
local function rebucket(w)
  local meta = redis.call('HMGET', META, 'n', 'p0')
  local n, count, fitting = tonumber(meta[1] or 1), redis.call('HLEN', CONNECTIONS), 1
  if count > INLINE then
    while count > fitting * BUCKET do fitting = fitting * 2 end
    fitting = math.max(fitting, 2)
  end
  if fitting == n then return end
  local least = tonumber(meta[2] or w)
  for b = 1, n - 1 do
    least = math.min(least, tonumber(redis.call('HGET', META, 'p' .. b) or w))
  end
  if fitting < n and least < w then return end
  for b = 0, n - 1 do redis.call('HDEL', META, 'p' .. b, 'lease' .. b, 'until' .. b) end
  for b = 0, fitting - 1 do redis.call('HSET', META, 'p' .. b, least) end
  redis.call('HSET', META, 'n', fitting)
end

-- Takes the leases to push what is to be pushed and nobody pushes: {cut or false, buckets}. Of a single bucket it is the
-- cut, to be pushed by the caller; of several it is their numbers, for jobs that push under the caller's token.
local function take(token, lease_ms, w)
  local meta = redis.call('HMGET', META, 'n', 'p0', 'lease0', 'until0')
  local n = tonumber(meta[1] or 1)
  if n == 1 then
    local p = tonumber(meta[2] or w)
    if p >= w then return {false, {}} end
    local at = now()
    if meta[3] and meta[3] ~= token and tonumber(meta[4]) > at then return {false, {}} end
    local all = registrations()
    if #all == 0 then
      redis.call('HSET', META, 'p0', w) -- nobody to push to
      return {false, {}}
    end
    redis.call('HSET', META, 'lease0', token, 'until0', at + lease_ms)
    return {cut(0, n, p, w, at, all), {}}
  end

  local at, jobs = now(), {}
  for b = 0, n - 1 do
    meta = redis.call('HMGET', META, 'p' .. b, 'lease' .. b, 'until' .. b)
    if tonumber(meta[1] or w) < w and (not meta[2] or meta[2] == token or tonumber(meta[3]) <= at) then
      redis.call('HSET', META, 'lease' .. b, token, 'until' .. b, at + lease_ms)
      jobs[#jobs + 1] = b
    end
  end
  return {false, jobs}
end

-- What is to be shown in place of what entries say: their authors as they are known now, as user, member, ..., and the
-- messages that changed since, as seq, message, ...
local function overlay(list)
  local seen, people, messages, seqs = {}, {}, {}, {}
  for _, entry in ipairs(list) do
    local kind, user = entry[2][2], entry[2][4]
    if kind == 'message' then
      seqs[#seqs + 1] = string.format('%d', seq_of(entry))
    elseif kind == 'message.updated' then
      seqs[#seqs + 1] = entry[2][8]:match('"message":{"id":"(%d+)%-0"')
    end
    if user ~= '' and not seen[user] then
      seen[user] = true
      people[#people + 1] = user
      people[#people + 1] = redis.call('HGET', MEMBERS, user) or ''
    end
  end
  if #seqs > 0 and redis.call('HLEN', CHANGED) > 1 then
    for i, message in ipairs(redis.call('HMGET', CHANGED, unpack(seqs))) do
      if message then
        messages[#messages + 1] = seqs[i]
        messages[#messages + 1] = message
      end
    end
  end
  return {people, messages}
end
