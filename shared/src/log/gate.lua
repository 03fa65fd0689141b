-- The gate of a send: a known idempotency key answers its entry, a throttled send is refused, the rest passes.
-- Whether the sender is a member is not asked: absence from Redis is never an answer.
--
-- KEYS[1] stream  KEYS[2] connections  KEYS[3] changed
-- KEYS[4] how many sends passed lately, string
-- KEYS[5] prefix of the known keys  KEYS[6] prefix of the throttles
-- ARGV[1] user, or '' to take the one the connection is registered for
-- ARGV[2] connection, or ''
-- ARGV[3] idempotency key
-- ARGV[4] up to how many sends within ARGV[5] ms are no burst
-- ARGV[6...] windows: count, length in ms, ...
-- Returns {'known', seq, fields or false, message as it is now or false} | {'throttled', wait in ms}
--         | {'pass' or, in a burst, 'burst', user, since when it takes a place in the windows, in µs, or ''}
--         | {'unregistered'}
-- The prefixes stand for keys in the same slot: which they are is known only once the user is.

local at = now()

local user = ARGV[1]
if user == '' then
  local registration = redis.call('HGET', KEYS[2], ARGV[2])
  if not registration then return {'unregistered'} end
  local expires
  user, expires = registration:match('^([^|]*)|[^|]*|[^|]*|(%d+)')
  if tonumber(expires) * 1000 <= at then return {'unregistered'} end
end

local seq = redis.call('GET', KEYS[5] .. user .. ':' .. ARGV[3])
if seq then
  local entry = redis.call('XRANGE', KEYS[1], seq .. '-0', seq .. '-0')[1]
  return {'known', tonumber(seq), entry and entry[2] or false, redis.call('HGET', KEYS[3], seq)}
end

local wait, since = take(KEYS[6] .. user, ARGV[3], at, 6)
if wait > 0 then return {'throttled', wait} end

local passed = redis.call('INCR', KEYS[4])
if passed == 1 then redis.call('PEXPIRE', KEYS[4], ARGV[5]) end
return {passed <= tonumber(ARGV[4]) and 'pass' or 'burst', user, since}
