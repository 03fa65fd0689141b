-- Folds committed entries into what Redis holds, in order and without a hole, and takes what is to be pushed.
--
-- KEYS[9] prefix of the known keys (in the same slot)
-- ARGV[1] token  ARGV[2] lease in ms  ARGV[3] conversation  ARGV[4] how many entries the stream keeps
-- ARGV[5] known keys' life in s  ARGV[6...] per entry: seq, kind, user, connection, key, frame, effect, subject, value
--   effect: '' | 'join' (the user subject; value: their member row) | 'leave' (the user subject)
--           | 'change' (the message subject; value: it as it is now) | 'retract' (all through subject) | 'delete'
-- Returns {'cold'} | {'behind', w} | {'folded', removed, cut or false, buckets}
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

rebucket(w)
local removed, before = {}, w

local function unregister(user, frame)
  local all = registrations()
  for i = 1, #all, 2 do
    if not user or user_of(all[i + 1]) == user then
      forget(all[i])
      removed[#removed + 1] = all[i]
      removed[#removed + 1] = frame
    end
  end
end

-- What changed before the stream begins is in Postgres, and not missed here.
local function forget_changes_before(first)
  for _, seq in ipairs(redis.call('HKEYS', CHANGED)) do
    if seq ~= '' and tonumber(seq) < first then redis.call('HDEL', CHANGED, seq) end
  end
end

local effects = {}

function effects.join(subject, value)
  redis.call('HSET', MEMBERS, subject, value)
end

function effects.leave(subject, _, frame)
  local left = redis.call('HGET', MEMBERS, subject)
  if left then
    local gone = cjson.decode(left)
    gone.role = ''
    redis.call('HSET', MEMBERS, subject, cjson.encode(gone))
  end
  unregister(subject, frame)
end

function effects.change(subject, value)
  local first = first_of_stream(w)
  if tonumber(subject) >= first then
    redis.call('HSET', CHANGED, subject, value)
    if redis.call('HLEN', CHANGED) > 1000 then forget_changes_before(first) end
  end
end

function effects.retract(subject)
  redis.call('XTRIM', STREAM, 'MINID', '=', id_of(tonumber(subject) + 1))
  forget_changes_before(tonumber(subject) + 1)
end

for i = 6, #ARGV, FIELDS do
  local seq = tonumber(ARGV[i])
  local kind, user, connection, key, frame = ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5]
  local effect, subject, value = ARGV[i + 6], ARGV[i + 7], ARGV[i + 8]
  redis.call('SET', KEYS[9] .. user .. ':' .. key, ARGV[i], 'EX', ARGV[5])
  if seq > w then
    if effect == 'delete' then
      redis.call('DEL', STREAM, MEMBERS, CHANGED)
      redis.call('HSET', MEMBERS, '', '')
      redis.call('HSET', CHANGED, '', '')
      unregister(nil, frame)
    end
    redis.call('XADD', STREAM, 'MAXLEN', '~', ARGV[4], ARGV[i] .. '-0',
      'kind', kind, 'user', user, 'connection', connection, 'frame', frame)
    if effects[effect] then effects[effect](subject, value, frame) end
    w = seq
  end
end

redis.call('HSET', META, 'w', w)
-- Seldom, because it is many commands: what is lost too early is cold, and loaded again.
if math.floor(w / 100) > math.floor(before / 100) or redis.call('PTTL', STREAM) < 0 then keep(ARGV[3], now()) end
local work = take(ARGV[1], tonumber(ARGV[2]), w)
return {'folded', removed, work[1], work[2]}
