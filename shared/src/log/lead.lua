-- Empties the inbox of a burst, under its lease: removes what is done and returns what waits longest.
--
-- KEYS[1] inbox, hash: user:key -> at in µs|user|intent  KEYS[2] the lease to empty it, string: token
-- ARGV[1] token  ARGV[2] lease in ms  ARGV[3] an intent's life in ms  ARGV[4] how many at most
-- ARGV[5...] what is done, as field, at: one that was sent again meanwhile is to be answered again
-- Returns field, value, field, value, ...; nothing when the inbox is empty, which ends the lease, or another has it

for i = 5, #ARGV, 2 do
  local value = redis.call('HGET', KEYS[1], ARGV[i])
  if value and value:match('^%d+') == ARGV[i + 1] then redis.call('HDEL', KEYS[1], ARGV[i]) end
end
local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[1] then return {} end

local time, waiting = redis.call('TIME'), {}
local now, all = time[1] * 1000000 + time[2], redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local at = tonumber(all[i + 1]:match('^%d+'))
  -- Whoever sent it has given up waiting, and sends it again.
  if at + ARGV[3] * 1000 < now then
    redis.call('HDEL', KEYS[1], all[i])
  else
    waiting[#waiting + 1] = {at, all[i], all[i + 1]}
  end
end
if #waiting == 0 then
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
