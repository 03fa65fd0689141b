-- What the scripts of a conversation's log share; put in front of each of them.
--
-- KEYS[1] meta         hash: w (folded through), p (pushed through), lease (token), until and since (ms),
--                      relieved (the token before it)
-- KEYS[2] stream       entries, id <seq>-0, fields: kind, user, connection, frame
-- KEYS[3] members      hash: user id -> {"role", "name", "email"}; role "" after leaving; field "" always there
-- KEYS[4] connections  hash: connection id -> user|session|connected_at ms|expires_at ms
-- KEYS[5] lagging      set: connections that missed a push

local META, STREAM, MEMBERS, CONNECTIONS, LAGGING = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local WEEK = 7 * 24 * 3600 * 1000

-- Redis' clock, in ms.
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- How far the log is folded; nil when cold. A key that is missing is cold, never "nobody is a member".
local function head()
  local w = redis.call('HGET', META, 'w')
  if not w or redis.call('EXISTS', MEMBERS) == 0 then return nil end
  return tonumber(w)
end

local function role_of(user)
  local member = redis.call('HGET', MEMBERS, user)
  local role = member and cjson.decode(member).role
  return role ~= '' and role or nil
end

-- Keeps a quiet conversation for a week; after that it is cold.
local function keep()
  redis.call('PEXPIRE', META, WEEK)
  redis.call('PEXPIRE', STREAM, WEEK)
  redis.call('PEXPIRE', MEMBERS, WEEK)
end

local function seq_of(entry)
  return tonumber(entry[1]:match('^%d+'))
end

-- The seq the stream starts at; what is before it is in Postgres alone.
local function first_of_stream(w)
  local oldest = redis.call('XRANGE', STREAM, '-', '+', 'COUNT', 1)[1]
  return oldest and seq_of(oldest) or w + 1
end

-- Ends a registration.
local function forget(connection)
  redis.call('HDEL', CONNECTIONS, connection)
  redis.call('SREM', LAGGING, connection)
end

-- What is to be pushed, and to whom, in one moment: {through, now, entries, connections, lagging}. After a holder
-- died this may be much; it comes in stretches.
local STRETCH = 200
local function cut(p, w, at)
  local list = redis.call('XRANGE', STREAM, string.format('%d-0', p + 1), string.format('%d-0', w), 'COUNT', STRETCH)
  local through = #list == STRETCH and seq_of(list[STRETCH]) or w
  return {through, at, list, redis.call('HGETALL', CONNECTIONS), redis.call('SMEMBERS', LAGGING)}
end

-- Takes the lease to push, if there is something to push and nobody holds it: the cut, or false. Somebody who has
-- held it for hold_ms is relieved: what is under way is repeated, and their invocation may end.
local function take(token, lease_ms, hold_ms, w)
  local meta = redis.call('HMGET', META, 'p', 'lease', 'until', 'since')
  local p, at = tonumber(meta[1] or w), now()
  if p >= w then return false end
  if redis.call('HLEN', CONNECTIONS) == 0 then
    redis.call('HSET', META, 'p', w) -- nobody to push to
    return false
  end
  if meta[2] and meta[2] ~= token and tonumber(meta[3]) > at and at - tonumber(meta[4]) <= hold_ms then
    return false
  end
  redis.call('HSET', META, 'lease', token, 'until', at + lease_ms, 'since', at, 'relieved', meta[2] or '')
  return cut(p, w, at)
end

-- The people that entries were made by, as user, member, user, member, ...
local function authors(list)
  local seen, people = {}, {}
  for _, entry in ipairs(list) do
    local user = entry[2][4]
    if user ~= '' and not seen[user] then
      seen[user] = true
      people[#people + 1] = user
      people[#people + 1] = redis.call('HGET', MEMBERS, user) or ''
    end
  end
  return people
end
