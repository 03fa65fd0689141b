-- Puts a send of a burst into the inbox, where commits are combined by whoever holds its lease. What does not fit waits for
-- its turn in Postgres; but somebody must empty it.
--
-- KEYS[1] inbox, hash: user:key -> at in µs|user|intent  KEYS[2] the lease to empty it, string: token
-- ARGV[1] user  ARGV[2] idempotency key  ARGV[3] intent  ARGV[4] its life in ms  ARGV[5] token  ARGV[6] lease in ms
-- Returns nothing when it is full, else 1 if the caller took the lease or 0

if redis.call('HLEN', KEYS[1]) >= 1000 and redis.call('EXISTS', KEYS[2]) == 1 then return false end
local time = redis.call('TIME')
local at = time[1] * 1000000 + time[2]
redis.call('HSET', KEYS[1], ARGV[1] .. ':' .. ARGV[2], string.format('%.0f|%s|%s', at, ARGV[1], ARGV[3]))
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return redis.call('SET', KEYS[2], ARGV[5], 'NX', 'PX', ARGV[6]) and 1 or 0
