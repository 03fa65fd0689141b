-- The gate of a send: a known idempotency key answers its entry, a throttled send is refused, the rest passes.
-- Whether the sender is a member is not asked: absence from Redis is never an answer.
--
-- KEYS[1] stream  KEYS[2] connections  KEYS[3] changed
-- KEYS[4] inbox, hash: user:key -> at in µs|user|intent  KEYS[5] the lease to empty it, string: token
-- KEYS[6] how many sends passed lately, string
-- KEYS[7] prefix of the known keys  KEYS[8] prefix of the throttles
-- ARGV[1] user, or '' to take the one the connection is registered for
-- ARGV[2] connection, or ''
-- ARGV[3] idempotency key
-- ARGV[4] token  ARGV[5] lease in ms  ARGV[6] intent, what to put into the inbox, or '' if the sender must be answered
-- ARGV[7] up to how many sends within ARGV[8] ms are committed one by one  ARGV[9] an intent's life in ms
-- ARGV[10...] windows: count, length in ms, ...
-- Returns {'known', seq, fields or false, message as it is now or false} | {'throttled', wait in ms} | {'pass', user}
--         | {'queued', 1 if the caller took the lease, else 0} | {'unregistered'}
-- The prefixes stand for keys in the same slot: which they are is known only once the user is.

local time = redis.call('TIME')
local at = time[1] * 1000000 + time[2] -- in µs, so that order within a ms counts

local user = ARGV[1]
if user == '' then
  local registration = redis.call('HGET', KEYS[2], ARGV[2])
  if not registration then return {'unregistered'} end
  local expires
  user, expires = registration:match('^([^|]*)|[^|]*|[^|]*|(%d+)')
  if tonumber(expires) * 1000 <= at then return {'unregistered'} end
end

local seq = redis.call('GET', KEYS[7] .. user .. ':' .. ARGV[3])
if seq then
  local entry = redis.call('XRANGE', KEYS[1], seq .. '-0', seq .. '-0')[1]
  return {'known', tonumber(seq), entry and entry[2] or false, redis.call('HGET', KEYS[3], seq)}
end

if #ARGV > 9 then
  local sends = KEYS[8] .. user
  -- A repeat within the window is paid for: it takes the place it has, under the time it is made now.
  local own = tonumber(redis.call('ZSCORE', sends, ARGV[3]))
  local function newest(n)
    return tonumber(redis.call('ZREVRANGE', sends, n - 1, n - 1, 'WITHSCORES')[2])
  end
  local wait, longest = 0, 0
  for i = 10, #ARGV, 2 do
    local count, length = tonumber(ARGV[i]), tonumber(ARGV[i + 1]) * 1000
    -- The count-th newest send, this one's own aside, must have left the window.
    local nth = newest(count)
    if own and nth and own >= nth then nth = newest(count + 1) end
    if nth then wait = math.max(wait, nth + length - at) end
    longest = math.max(longest, length)
  end
  if wait > 0 then return {'throttled', math.ceil(wait / 1000)} end
  redis.call('ZREMRANGEBYSCORE', sends, '-inf', string.format('%.0f', at - longest))
  redis.call('ZADD', sends, string.format('%.0f', at), ARGV[3])
  redis.call('PEXPIRE', sends, math.ceil(longest / 1000))
end

local passed = redis.call('INCR', KEYS[6])
if passed == 1 then redis.call('PEXPIRE', KEYS[6], ARGV[8]) end
if ARGV[6] == '' or passed <= tonumber(ARGV[7]) then return {'pass', user} end

-- A burst: commits are combined by whoever holds the inbox's lease. What does not fit waits for its turn in Postgres; but
-- somebody must empty it.
if redis.call('HLEN', KEYS[4]) >= 1000 and redis.call('EXISTS', KEYS[5]) == 1 then return {'pass', user} end
redis.call('HSET', KEYS[4], user .. ':' .. ARGV[3], string.format('%.0f|%s|%s', at, user, ARGV[6]))
redis.call('PEXPIRE', KEYS[4], ARGV[9])
return {'queued', redis.call('SET', KEYS[5], ARGV[4], 'NX', 'PX', ARGV[5]) and 1 or 0}
