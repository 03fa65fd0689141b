-- Ends a round of pushes: forgets who is gone, marks who missed it, and takes the next cut or gives the lease back.
--
-- ARGV[1] token  ARGV[2] lease in ms  ARGV[3] pushed through
-- ARGV[4] number gone  ARGV[5] number failed  then the connections: gone, failed, and those told that they lag
-- Returns the next cut or false

local gone, failed = tonumber(ARGV[4]), tonumber(ARGV[5])
for i = 6, #ARGV do
  local connection = ARGV[i]
  if i < 6 + gone then
    forget(connection)
  elseif i < 6 + gone + failed then
    if redis.call('HEXISTS', CONNECTIONS, connection) == 1 then
      redis.call('SADD', LAGGING, connection)
      redis.call('PEXPIRE', LAGGING, WEEK)
    end
  else
    redis.call('SREM', LAGGING, connection)
  end
end

local w = head()
if not w then return false end
local meta = redis.call('HMGET', META, 'p', 'lease', 'relieved')
-- A finished round is progress, also that of a holder who was relieved meanwhile; but not that of one from before
-- Redis was lost, which the connections registered since then know nothing of.
if meta[2] ~= ARGV[1] and meta[3] ~= ARGV[1] then return false end
local p = math.max(tonumber(meta[1] or w), math.min(tonumber(ARGV[3]), w))
redis.call('HSET', META, 'p', p)
if meta[2] ~= ARGV[1] then return false end

if p >= w then
  redis.call('HDEL', META, 'lease', 'until', 'since')
  return false
end
local at = now()
redis.call('HSET', META, 'until', at + tonumber(ARGV[2]))
return cut(p, w, at)
