-- Admits a connection of a session to its user's record.
--
-- KEYS[1] the session's state, string: live or dead
-- KEYS[2] the user's connections, hash: connection -> expires_at ms|session
-- KEYS[3] the partition's open connections, sorted set: connection -> expires_at ms
-- ARGV[1] connection  ARGV[2] expires_at ms|session  ARGV[3] how many at most  ARGV[4] life in ms
-- ARGV[5] '1' when Postgres said that the session is live  ARGV[6] how long to remember that, in s
-- Returns {'dead'} | {'unknown'} (ask Postgres) | {'admitted', the connection that gives way or false}

local state = redis.call('GET', KEYS[1])
if state == 'dead' then return {'dead'} end
if not state then
  if ARGV[5] ~= '1' then return {'unknown'} end
  redis.call('SET', KEYS[1], 'live', 'EX', ARGV[6])
end

local time = redis.call('TIME')
local at, open, oldest, first = time[1] * 1000 + math.floor(time[2] / 1000), 0, false, nil
local connections = redis.call('HGETALL', KEYS[2])
for i = 1, #connections, 2 do
  local expires = tonumber(connections[i + 1]:match('^%d+'))
  if expires <= at then
    redis.call('HDEL', KEYS[2], connections[i]) -- its $disconnect never came
    redis.call('ZREM', KEYS[3], connections[i])
  else
    open = open + 1
    if not first or expires < first then oldest, first = connections[i], expires end
  end
end

if open < tonumber(ARGV[3]) then
  oldest = false
else
  redis.call('HDEL', KEYS[2], oldest)
  redis.call('ZREM', KEYS[3], oldest)
end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
redis.call('ZADD', KEYS[3], ARGV[2]:match('^%d+'), ARGV[1])
return {'admitted', oldest}
