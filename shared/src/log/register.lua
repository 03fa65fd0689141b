-- Subscribes a connection and returns what it missed, in one step, so that nothing falls between.
--
-- ARGV[1] token  ARGV[2] lease in ms  ARGV[3] conversation  ARGV[4] connection  ARGV[5] registration
-- ARGV[6] the last seq the client has, or '' for the newest page  ARGV[7] the highest seq it has seen
-- ARGV[8] how many entries at most  ARGV[9] registration's life in ms  ARGV[10] up to how many see who comes and goes
-- Returns {'cold'} | {'ended'} | {'stranger', w} | {'behind', w}
--         | {'registered', w, first, role, entries, authors, changed messages, cut or false, buckets, audience}
--   first: the seq the stream starts at
--   audience: when this is the user's first connection here, the other connections; otherwise nobody

local w = head()
if not w then return {'cold'} end
local user, session = ARGV[5]:match('^([^|]*)|([^|]*)')
if redis.call('ZSCORE', REVOKED, session) then return {'ended'} end
local role = role_of(user)
if not role then return {'stranger', w} end
local last, seen = tonumber(ARGV[6]), tonumber(ARGV[7])
if math.max(last or 0, seen) > w then return {'behind', w} end

local audience = {}
if redis.call('HSETNX', CONNECTIONS, ARGV[4], ARGV[5]) == 1 and redis.call('HLEN', CONNECTIONS) <= tonumber(ARGV[10]) then
  local all = registrations()
  for i = 1, #all, 2 do
    if all[i] ~= ARGV[4] then
      if user_of(all[i + 1]) == user then
        audience = {}
        break
      end
      audience[#audience + 1] = all[i]
    end
  end
end
redis.call('PEXPIRE', CONNECTIONS, ARGV[9])
keep(ARGV[3], now())

local list
if last then
  list = redis.call('XRANGE', STREAM, id_of(last + 1), '+', 'COUNT', ARGV[8])
else
  local newest = redis.call('XREVRANGE', STREAM, '+', '-', 'COUNT', ARGV[8])
  list = {}
  for i = #newest, 1, -1 do list[#list + 1] = newest[i] end
end
local shown, work = overlay(list), take(ARGV[1], tonumber(ARGV[2]), w)
return {'registered', w, first_of_stream(w), role, list, shown[1], shown[2], work[1], work[2], audience}
