-- Installs a snapshot of the log read from Postgres, if it is newer than what is here or nothing is here.
--
-- ARGV[1] token  ARGV[2] lease in ms  ARGV[3] hold in ms  ARGV[4] last_seq  ARGV[5] number of members
-- then per member: user, member; then per entry: seq, kind, user, connection, frame
-- Returns {'folded', {}, cut or false}

local last = tonumber(ARGV[4])
local known = tonumber(redis.call('HGET', META, 'w'))
local w = head()

if not w or last > w then
  redis.call('DEL', STREAM, MEMBERS)
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
  local registrations = redis.call('HGETALL', CONNECTIONS)
  for j = 1, #registrations, 2 do
    local role = roles[registrations[j + 1]:match('^[^|]*')]
    if not role or role == '' then forget(registrations[j]) end
  end
  if not known then
    redis.call('DEL', META)
    redis.call('HSET', META, 'p', last)
  elseif known > last then
    redis.call('HSET', META, 'p', math.min(tonumber(redis.call('HGET', META, 'p') or last), last))
  end
  redis.call('HSET', META, 'w', last)
  w = last
  keep()
end
return {'folded', {}, take(ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), w)}
