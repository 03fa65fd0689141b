-- Adds what an instance has counted to the totals.
--
-- KEYS[1] totals, hash  ARGV field, how much, field, how much, ...

for i = 1, #ARGV, 2 do redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1]) end
