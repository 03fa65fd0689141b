-- Where the log is; takes what a dead handler left unpushed.
--
-- ARGV[1] token  ARGV[2] lease in ms
-- Returns {w or false, cut or false, buckets}

local w = head()
local work = w and take(ARGV[1], tonumber(ARGV[2]), w) or {false, {}}
return {w or false, work[1], work[2]}
