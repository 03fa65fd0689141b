-- A page of the stream, for a member.
--
-- ARGV[1] user  ARGV[2] 'after' or 'before'  ARGV[3] after or before which seq  ARGV[4] how many at most
-- Returns {'cold'} | {'stranger', w} | {'page', w, first, entries in order, authors, changed messages}

local w = head()
if not w then return {'cold'} end
if not role_of(ARGV[1]) then return {'stranger', w} end

local list
if ARGV[2] == 'after' then
  list = redis.call('XRANGE', STREAM, id_of(ARGV[3] + 1), '+', 'COUNT', ARGV[4])
else
  local newest = redis.call('XREVRANGE', STREAM, id_of(ARGV[3] - 1), '-', 'COUNT', ARGV[4])
  list = {}
  for i = #newest, 1, -1 do list[#list + 1] = newest[i] end
end
local shown = overlay(list)
return {'page', w, first_of_stream(w), list, shown[1], shown[2]}
