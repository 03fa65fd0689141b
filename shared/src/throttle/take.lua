-- Lets a request through a throttle, or says how long it has to wait.
--
-- KEYS[1] who has made which requests, sorted set  ARGV[1] the request  ARGV[2...] windows: count, length in ms, ...
-- Returns {wait in ms or 0, since when it counts, in µs, or ''}

return {take(KEYS[1], ARGV[1], now(), 2)}
