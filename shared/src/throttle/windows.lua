-- Behind every script that throttles: sliding windows over a sorted set, entry -> when it was let in, in µs by Redis' clock.

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2] -- in µs, so that order within a ms counts
end

-- Lets an entry in if every window has room for it. The windows stand in ARGV from `first` on: count, length in ms, ...;
-- where there are none everything is let in and nothing is kept.
-- Returns for how many ms it has to wait, 0 when it is in; and since when it is, in µs, or '' when it was in before.
local function take(key, entry, at, first)
  if #ARGV < first then return 0, '' end
  -- A repeat within the window is paid for: it takes the place it has, under the time it is made now.
  local own = tonumber(redis.call('ZSCORE', key, entry))
  local function newest(n)
    return tonumber(redis.call('ZREVRANGE', key, n - 1, n - 1, 'WITHSCORES')[2])
  end
  local wait, longest = 0, 0
  for i = first, #ARGV, 2 do
    local count, length = tonumber(ARGV[i]), tonumber(ARGV[i + 1]) * 1000
    -- The count-th newest entry, this one's own aside, must have left the window.
    local nth = newest(count)
    if own and nth and own >= nth then nth = newest(count + 1) end
    if nth then wait = math.max(wait, nth + length - at) end
    longest = math.max(longest, length)
  end
  if wait > 0 then return math.ceil(wait / 1000), '' end
  local since = string.format('%.0f', at)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', at - longest))
  redis.call('ZADD', key, since, entry)
  redis.call('PEXPIRE', key, math.ceil(longest / 1000))
  return 0, own and '' or since
end

