-- Notes that sessions have ended, and that there is something new to be looked for.
--
-- KEYS[1] revoked, sorted set of the partition: sessions that were ended, by when, in ms; last, at infinity, a new name
-- ARGV[1] the new name  ARGV[2] for how long, in ms  ARGV[3] now, in ms  ARGV[4...] the sessions

redis.call('ZREMRANGEBYSCORE', KEYS[1], 'inf', 'inf')
redis.call('ZADD', KEYS[1], 'inf', ARGV[1])
for i = 4, #ARGV do redis.call('ZADD', KEYS[1], ARGV[3], ARGV[i]) end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
