-- Subscribes a connection and returns what it missed, in one step, so that nothing falls between.
--
-- ARGV[1] token  ARGV[2] lease in ms  ARGV[3] hold in ms  ARGV[4] connection  ARGV[5] registration  ARGV[6] user
-- ARGV[7] the last seq the client has, or '' for the newest page  ARGV[8] the highest seq it has seen
-- ARGV[9] how many entries at most  ARGV[10] registration's life in ms
-- Returns {'cold'} | {'stranger', w} | {'behind', w} | {'registered', w, first, role, entries, authors, cut or false}
--   first: the seq the stream starts at

local w = head()
if not w then return {'cold'} end
local role = role_of(ARGV[6])
if not role then return {'stranger', w} end
local last, seen = tonumber(ARGV[7]), tonumber(ARGV[8])
if math.max(last or 0, seen) > w then return {'behind', w} end

redis.call('HSETNX', CONNECTIONS, ARGV[4], ARGV[5])
redis.call('PEXPIRE', CONNECTIONS, ARGV[10])
keep()

local list
if last then
  list = redis.call('XRANGE', STREAM, string.format('%d-0', last + 1), '+', 'COUNT', ARGV[9])
else
  local newest = redis.call('XREVRANGE', STREAM, '+', '-', 'COUNT', ARGV[9])
  list = {}
  for i = #newest, 1, -1 do list[#list + 1] = newest[i] end
end
return {'registered', w, first_of_stream(w), role, list, authors(list), take(ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), w)}
