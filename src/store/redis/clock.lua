-- What a due list holds beside sessions, whose members begin with an owner's hash: never with sixteen zeros.
local WALK, MARK = '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0w', '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0m'

-- Who calls, in eight bytes: see CallerTag. ARGV: 1 the instance's clock and who calls, 2 a time set by hand ('' outside
-- of tests).
local CLOCK, BY = struct.unpack('<dc8', ARGV[1])

-- A promoted replica with a slow clock follows the instances, but nobody's fast clock leads by more than 2 s.
local function clock()
  if ARGV[2] ~= '' then return tonumber(ARGV[2]) end
  local time = redis.call('TIME')
  local server = time[1] * 1000 + math.floor(time[2] / 1000)
  return math.max(server, math.min(CLOCK, server + 2000))
end
