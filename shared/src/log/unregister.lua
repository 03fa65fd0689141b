-- Ends a connection's registration.
--
-- ARGV[1] connection  ARGV[2] up to how many see who comes and goes
-- Returns the other connections, when it was the user's last one here and there are few; otherwise nobody

local registration = redis.call('HGET', CONNECTIONS, ARGV[1])
if not registration then return {} end
forget(ARGV[1])
if redis.call('HLEN', CONNECTIONS) >= tonumber(ARGV[2]) then return {} end

local user, audience, all = user_of(registration), {}, registrations()
for i = 1, #all, 2 do
  if user_of(all[i + 1]) == user then return {} end
  audience[#audience + 1] = all[i]
end
return audience
