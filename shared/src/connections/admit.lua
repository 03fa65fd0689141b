-- Admits a connection of a session to its user's record.
--
-- KEYS[1] sessions, hash: session -> live or dead  KEYS[2] connections, hash: connection -> expires_at ms
-- ARGV[1] session  ARGV[2] connection  ARGV[3] expires_at ms  ARGV[4] how many at most  ARGV[5] life in ms
-- ARGV[6] '1' when Postgres said that the session is live
-- Returns 'admitted' | 'dead' | 'unknown' (ask Postgres) | 'full'

local state = redis.call('HGET', KEYS[1], ARGV[1])
if state == 'dead' then return 'dead' end
if not state then
  if ARGV[6] ~= '1' then return 'unknown' end
  redis.call('HSET', KEYS[1], ARGV[1], 'live')
  redis.call('PEXPIRE', KEYS[1], 24 * 3600 * 1000)
end

local time = redis.call('TIME')
local at, open = time[1] * 1000 + math.floor(time[2] / 1000), 0
local connections = redis.call('HGETALL', KEYS[2])
for i = 1, #connections, 2 do
  if tonumber(connections[i + 1]) > at then
    open = open + 1
  else
    redis.call('HDEL', KEYS[2], connections[i]) -- its $disconnect never came
  end
end
if open >= tonumber(ARGV[4]) then return 'full' end

redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
return 'admitted'
