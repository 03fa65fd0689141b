-- Notes that a connection is alive, throttles what it commands, and reads its record. One that is forgotten stays so.
--
-- KEYS[1] the connection's record, hash  KEYS[2] which commands came lately, sorted set
-- ARGV[1] now, in ms  ARGV[2] a field, or '' for all of the record
-- ARGV[3] the command's request  ARGV[4...] windows: count, length in ms, ...
-- Returns {wait in ms} when it is throttled, else {0, the field's value or field, value, field, value, ...}

if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'seen_at', ARGV[1]) end
local wait = take(KEYS[2], ARGV[3], now(), 4)
if wait > 0 then return {wait} end
if ARGV[2] ~= '' then return {0, redis.call('HGET', KEYS[1], ARGV[2])} end
return {0, redis.call('HGETALL', KEYS[1])}
