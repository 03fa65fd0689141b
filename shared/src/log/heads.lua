-- Where the log is, and whether a connection is still registered; takes what a dead handler left unpushed.
--
-- ARGV[1] token  ARGV[2] lease in ms  ARGV[3] connection
-- Returns {w or false, 1 or 0, cut or false, buckets}

local w = head()
local registered = redis.call('HEXISTS', CONNECTIONS, ARGV[3])
local work = w and take(ARGV[1], tonumber(ARGV[2]), w) or {false, {}}
return {
  registered == 1 and w or false, -- to anybody else where the log is would be news
  registered,
  work[1],
  work[2],
}
