-- Empties the inbox of a burst, under its lease: removes what is done and returns what waits.
--
-- KEYS[1] inbox, hash: user:key -> at in µs|user|intent  KEYS[2] the lease to empty it, string: token
-- ARGV[1] token  ARGV[2] lease in ms  ARGV[3] an intent's life in ms  ARGV[4...] the fields that are done
-- Returns field, value, field, value, ...; nothing when the inbox is empty, which ends the lease, or another has it

for i = 4, #ARGV do redis.call('HDEL', KEYS[1], ARGV[i]) end
local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[1] then return {} end

local time, waiting = redis.call('TIME'), {}
local at, all = time[1] * 1000000 + time[2], redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  -- Whoever sent it has given up waiting, and sends it again.
  if tonumber(all[i + 1]:match('^%d+')) + ARGV[3] * 1000 < at then
    redis.call('HDEL', KEYS[1], all[i])
  else
    waiting[#waiting + 1] = all[i]
    waiting[#waiting + 1] = all[i + 1]
  end
end
if #waiting == 0 then
  redis.call('DEL', KEYS[2])
else
  redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
end
return waiting
