-- The rules of src/session that decide who is alive.
-- ARGV: 3 how long tombstones stay, 4 to 8 the fields of the marks that concern the owner (its own first).
-- KEYS: 1 owner record, 2 marks, 3 tombstones.
local DONE, NOT_FOUND, ENDED, LOST = 0, 1, 2, 12
local EXPIRED_IDLE, EXPIRED_ABSOLUTE = 1, 2

local NO_ONE = '\0\0\0\0\0\0\0\0'

-- A use of a session: when, and by whom. Of several in one millisecond the first one counts: Kept::slide.
local function used_at(use) return (struct.unpack('<d', use)) end
local function use_at(time) return struct.pack('<dc8', time, BY) end

-- A script makes its functions anew each time it runs. These are made only where they are needed: most sessions that
-- are asked for are alive, and no mark concerns them.
local function rules()
  -- A frontier as it counts for one record: spared ones have their own.
  local function until_for(mark, at, frontier, record_id)
    local count, pos = struct.unpack('<I2', mark, at)
    for _ = 1, count do
      local spared, theirs
      spared, theirs, pos = struct.unpack('<c16d', mark, pos)
      if spared == record_id then frontier = theirs end
    end
    return frontier, pos
  end

  -- Whether a mark covers a session: Mark::covers.
  local function covers(mark, packed, created, authenticated)
    local made, logins = struct.unpack('<dd', mark)
    if #mark > 45 then
      local record_id, pos = packed:sub(46, 61), 42
      made, pos = until_for(mark, pos, made, record_id)
      logins = until_for(mark, pos, logins, record_id)
    end
    return created <= made or authenticated <= logins
  end

  -- Whether its time is not over: a mark covers nothing after it, whether or not a sweep has dropped it.
  local function is_in_force(mark, now) return now < struct.unpack('<d', mark, 26) end

  -- Why, when and by whom a session ended, nothing while it is alive: Kept::end. The earliest of several reasons counts.
  local function ending(packed, use, marks, now)
    local _, created, expires, authenticated, idle = struct.unpack('<BdddI6', packed)
    local used = used_at(use)
    local reason, at, by
    for i = 1, 5 do
      local mark = marks[i]
      if mark and is_in_force(mark, now) and covers(mark, packed, created, authenticated) then
        local why, set_at = struct.unpack('<Bd', mark, 17)
        if not at or set_at < at or set_at == at and 16 + why < reason then
          reason, at, by = 16 + why, set_at, mark:sub(34, 41)
        end
      end
    end
    local deadline = math.min(used + idle, expires)
    if math.max(now, used) >= deadline and not (at and at < deadline) then
      return deadline == expires and EXPIRED_ABSOLUTE or EXPIRED_IDLE, deadline, NO_ONE
    end
    return reason, at, by
  end

  return ending, covers, is_in_force
end

-- Why there is no live session under an id, as its owner may know it; nothing if there is one.
local function refusal(packed, use, id, marks, now)
  local reason, at
  if packed then
    if not (marks[1] or marks[2] or marks[3] or marks[4] or marks[5]) then
      local expires, _, idle = struct.unpack('<ddI6', packed, 10)
      local used = used_at(use)
      if math.max(now, used) < math.min(used + idle, expires) then return nil end
    end
    reason, at = rules()(packed, use, marks, now)
    if not reason then return nil end
  else
    local grave = redis.call('HGET', KEYS[3], id)
    if not grave then return { NOT_FOUND } end
    reason, at = struct.unpack('<Bd', grave)
  end
  if now < at + tonumber(ARGV[3]) then return { ENDED, reason } end
  return { NOT_FOUND }
end
