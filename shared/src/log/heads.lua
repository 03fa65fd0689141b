-- Where the log is, and whether a connection is still registered; takes what a dead handler left unpushed.
--
-- ARGV[1] token  ARGV[2] lease in ms  ARGV[3] hold in ms  ARGV[4] connection
-- Returns {w or false, 1 or 0, cut or false}

local w = head()
local registered = redis.call('HEXISTS', CONNECTIONS, ARGV[4])
return {
  registered == 1 and w or false, -- to anybody else where the log is would be news
  registered,
  w and take(ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), w) or false,
}
