-- Folds committed entries into what Redis holds, in order and without a hole, and takes what is to be pushed.
--
-- KEYS[6] prefix of the known keys (in the same slot)
-- ARGV[1] token  ARGV[2] lease in ms  ARGV[3] hold in ms  ARGV[4] how many entries the stream keeps
-- ARGV[5] known keys' life in s  ARGV[6...] per entry: seq, kind, user, connection, key, frame, effect, subject, member
--   effect: '' | 'join' (subject's member row is set) | 'leave' (subject) | 'delete' (the conversation)
-- Returns {'cold'} | {'behind', w} | {'folded', removed, cut or false}
--   removed: connections that entries unregistered, as connection, frame, connection, frame, ...

local FIELDS = 9

local w = head()
if not w then return {'cold'} end

-- Nothing is written before all is known to fit.
local expected = w + 1
for i = 6, #ARGV, FIELDS do
  local seq = tonumber(ARGV[i])
  if seq > w then
    if seq ~= expected then return {'behind', w} end
    expected = expected + 1
  end
end

local removed = {}

local function unregister(user, frame)
  local registrations = redis.call('HGETALL', CONNECTIONS)
  for i = 1, #registrations, 2 do
    if not user or registrations[i + 1]:sub(1, #user + 1) == user .. '|' then
      forget(registrations[i])
      removed[#removed + 1] = registrations[i]
      removed[#removed + 1] = frame
    end
  end
end

for i = 6, #ARGV, FIELDS do
  local seq = tonumber(ARGV[i])
  local kind, user, connection, key, frame = ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5]
  local effect, subject, member = ARGV[i + 6], ARGV[i + 7], ARGV[i + 8]
  redis.call('SET', KEYS[6] .. user .. ':' .. key, ARGV[i], 'EX', ARGV[5])
  if seq > w then
    if effect == 'delete' then
      redis.call('DEL', STREAM, MEMBERS)
      redis.call('HSET', MEMBERS, '', '')
      unregister(nil, frame)
    end
    redis.call('XADD', STREAM, 'MAXLEN', '~', ARGV[4], ARGV[i] .. '-0',
      'kind', kind, 'user', user, 'connection', connection, 'frame', frame)
    if effect == 'join' then
      redis.call('HSET', MEMBERS, subject, member)
    elseif effect == 'leave' then
      local left = redis.call('HGET', MEMBERS, subject)
      if left then
        local gone = cjson.decode(left)
        gone.role = ''
        redis.call('HSET', MEMBERS, subject, cjson.encode(gone))
      end
      unregister(subject, frame)
    end
    w = seq
  end
end

redis.call('HSET', META, 'w', w)
keep()
return {'folded', removed, take(ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), w)}
