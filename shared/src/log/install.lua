-- Installs a snapshot of the log read from Postgres, if it is newer than what is here or nothing is here.
--
-- ARGV[1] token  ARGV[2] lease in ms  ARGV[3] conversation  ARGV[4] last_seq  ARGV[5] number of members
-- then per member: user, member; then per entry: seq, kind, user, connection, frame
-- Returns {'folded', {}, cut or false, buckets}

local last = tonumber(ARGV[4])
local known = tonumber(redis.call('HGET', META, 'w'))
local w = head()

if not w or last > w then
  redis.call('DEL', STREAM, MEMBERS, CHANGED)
  redis.call('HSET', CHANGED, '', '')
  redis.call('HSET', MEMBERS, '', '')
  local i, roles = 6, {}
  for _ = 1, tonumber(ARGV[5]) do
    redis.call('HSET', MEMBERS, ARGV[i], ARGV[i + 1])
    roles[ARGV[i]] = cjson.decode(ARGV[i + 1]).role
    i = i + 2
  end
  while i <= #ARGV do
    redis.call('XADD', STREAM, ARGV[i] .. '-0',
      'kind', ARGV[i + 1], 'user', ARGV[i + 2], 'connection', ARGV[i + 3], 'frame', ARGV[i + 4])
    i = i + 5
  end
  local all = redis.call('HGETALL', CONNECTIONS)
  for j = 1, #all, 2 do
    local role = roles[user_of(all[j + 1])]
    if not role or role == '' then forget(all[j]) end
  end
  if not known then
    redis.call('DEL', META)
    redis.call('HSET', META, 'p0', last)
  elseif known > last then
    for b = 0, tonumber(redis.call('HGET', META, 'n') or 1) - 1 do
      local p = tonumber(redis.call('HGET', META, 'p' .. b) or last)
      redis.call('HSET', META, 'p' .. b, math.min(p, last))
    end
  end
  redis.call('HSET', META, 'w', last)
  w = last
  keep(ARGV[3], now())
end
local work = take(ARGV[1], tonumber(ARGV[2]), w)
return {'folded', {}, work[1], work[2]}
