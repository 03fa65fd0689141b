-- Gives a place in a throttle back, unless a repeat of the request has taken it anew.
--
-- KEYS[1] who has made which requests, sorted set  ARGV[1] the request  ARGV[2] since when it counts, in µs

if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1])) == tonumber(ARGV[2]) then redis.call('ZREM', KEYS[1], ARGV[1]) end
