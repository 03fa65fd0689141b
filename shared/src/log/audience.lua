-- Who is told something that is no entry of the log: that somebody types, has read, comes or goes.
--
-- KEYS[9] prefix of the keys that keep somebody from telling too often (in the same slot)
-- ARGV[1] user, or '' to take the one the connection is registered for  ARGV[2] connection, or ''
-- ARGV[3] not again within so many ms, or 0
-- Returns {'cold'} | {'stranger'} | {'audience', user, member, connection, registration, ...}; nobody when too often
-- Somebody by a connection that is not registered here: {'unregistered'}

if not head() then return {'cold'} end
local user = ARGV[1]
if user == '' then
  local registration = redis.call('HGET', CONNECTIONS, ARGV[2])
  if not registration then return {'unregistered'} end
  user = user_of(registration)
end
if not role_of(user) then return {'stranger'} end
local told = {'audience', user, redis.call('HGET', MEMBERS, user)}
local wait = tonumber(ARGV[3])
if wait > 0 and not redis.call('SET', KEYS[9] .. user, '', 'NX', 'PX', wait) then return told end
for _, part in ipairs(registrations()) do told[#told + 1] = part end
return told
