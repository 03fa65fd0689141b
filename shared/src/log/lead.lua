-- Empties the inbox of a burst, under its lease: removes what is done and returns what waits longest.
--
-- KEYS[1] inbox, hash: user:key -> at in µs|user|intent  KEYS[2] the lease to empty it, string: token
-- ARGV[1] token  ARGV[2] lease in ms  ARGV[3] an intent's life in ms  ARGV[4] how many at most
-- ARGV[5] how many are done  then those and the ones being answered now, as field, at: one that was sent again meanwhile
-- is to be answered again
-- Returns field, value, field, value, ...; nothing when the inbox holds nothing else or another has the lease, which ends
-- when the inbox is empty

local answering = {}
for i = 6, #ARGV, 2 do
  if i < 6 + 2 * tonumber(ARGV[5]) then
    local value = redis.call('HGET', KEYS[1], ARGV[i])
    if value and value:match('^%d+') == ARGV[i + 1] then redis.call('HDEL', KEYS[1], ARGV[i]) end
  else
    answering[ARGV[i]] = ARGV[i + 1]
  end
end
local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[1] then return {} end

local time, waiting = redis.call('TIME'), {}
local now, all = time[1] * 1000000 + time[2], redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local digits = all[i + 1]:match('^%d+')
  local at = tonumber(digits)
  if answering[all[i]] == digits then
    -- It stays until it is answered: whoever takes over answers it.
  elseif at + ARGV[3] * 1000 < now then
    redis.call('HDEL', KEYS[1], all[i]) -- whoever sent it has given up waiting, and sends it again
  else
    waiting[#waiting + 1] = {at, all[i], all[i + 1]}
  end
end
if #waiting == 0 and not next(answering) then
  redis.call('DEL', KEYS[2])
  return {}
end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
table.sort(waiting, function(one, other) return one[1] < other[1] end)
local oldest = {}
for i = 1, math.min(#waiting, tonumber(ARGV[4])) do
  oldest[#oldest + 1] = waiting[i][2]
  oldest[#oldest + 1] = waiting[i][3]
end
return oldest
