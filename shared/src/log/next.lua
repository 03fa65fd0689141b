-- Ends a round of pushes: forgets who is gone, notes who missed it, and takes the next cut or gives the lease back.
-- A job begins with this too, for a round that pushed nothing.
--
-- ARGV[1] token  ARGV[2] lease in ms  ARGV[3] bucket  ARGV[4] pushed through  ARGV[5] when the round was cut, in ms
-- ARGV[6] number gone  ARGV[7] number failed  then the connections: gone, failed, and those told that they lag
-- Returns the next cut or false

local b, gone, failed = tonumber(ARGV[3]), tonumber(ARGV[6]), tonumber(ARGV[7])
for i = 8, #ARGV do
  local connection = ARGV[i]
  if i < 8 + gone then
    forget(connection)
  elseif i < 8 + gone + failed then
    if redis.call('HEXISTS', CONNECTIONS, connection) == 1 then
      redis.call('HSETNX', LAGGING, connection, ARGV[5])
      redis.call('PEXPIRE', LAGGING, WEEK)
    end
  else
    redis.call('HDEL', LAGGING, connection)
  end
end

local w = head()
if not w then return false end
local meta = redis.call('HMGET', META, 'n', 'p' .. b, 'lease' .. b)
local n = tonumber(meta[1] or 1)
if meta[3] ~= ARGV[1] or b >= n then return false end
local p = math.max(tonumber(meta[2] or w), math.min(tonumber(ARGV[4]), w))
redis.call('HSET', META, 'p' .. b, p)
if p >= w then
  redis.call('HDEL', META, 'lease' .. b, 'until' .. b)
  return false
end
local at = now()
redis.call('HSET', META, 'until' .. b, at + tonumber(ARGV[2]))
return cut(b, n, p, w, at, registrations())
