-- Who is told something that is no entry of the log: that somebody types, has read, comes or goes.
--
-- KEYS[9] prefix of the keys that keep somebody from telling too often (in the same slot)
-- ARGV[1] user  ARGV[2] not again within so many ms, or 0
-- Returns {'cold'} | {'stranger'} | {'audience', member, connection, registration, ...}; nobody when too often

if not head() then return {'cold'} end
if not role_of(ARGV[1]) then return {'stranger'} end
local told = {'audience', redis.call('HGET', MEMBERS, ARGV[1])}
local wait = tonumber(ARGV[2])
if wait > 0 and not redis.call('SET', KEYS[9] .. ARGV[1], '', 'NX', 'PX', wait) then return told end
for _, part in ipairs(registrations()) do told[#told + 1] = part end
return told
