-- Notes that a connection is alive, and reads its record. One that is forgotten stays so.
--
-- KEYS[1] the connection's record, hash  ARGV[1] now, in ms  ARGV[2] a field, or '' for all of the record
-- Returns the field's value, or field, value, field, value, ...

if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'seen_at', ARGV[1]) end
if ARGV[2] ~= '' then return redis.call('HGET', KEYS[1], ARGV[2]) end
return redis.call('HGETALL', KEYS[1])
