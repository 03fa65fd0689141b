-- Ends a connection in its user's record.
--
-- KEYS[1] the user's connections, hash: connection -> expires_at ms|session
-- KEYS[2] when the user was here last, string, in ms
-- KEYS[3] the partition's open connections, sorted set: connection -> expires_at ms
-- ARGV[1] connection  ARGV[2] now, in ms  ARGV[3] how long to remember that, in s
-- Returns how many connections the user has left

redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
local left, connections = 0, redis.call('HGETALL', KEYS[1])
for i = 1, #connections, 2 do
  if tonumber(connections[i + 1]:match('^%d+')) > tonumber(ARGV[2]) then left = left + 1 end
end
if left == 0 then redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[3]) end
return left
