-- Marks: what src/session/marks.rs does to them. A packed mark is two frontiers, why, since when, from when on
-- nothing that it covers can be alive, by whom, and the records that each frontier spares.
local function raise_frontier(frontier, till, spared)
  local known = {}
  for _, theirs in ipairs(frontier.spared) do known[theirs[1]] = true end
  for record_id in pairs(spared) do
    if not known[record_id] then table.insert(frontier.spared, { record_id, frontier.till }) end
  end
  for _, theirs in ipairs(frontier.spared) do
    if not spared[theirs[1]] then theirs[2] = math.max(theirs[2], till) end
  end
  frontier.till = math.max(frontier.till, till)
  local kept = {}
  for _, theirs in ipairs(frontier.spared) do
    if theirs[2] < frontier.till then kept[#kept + 1] = theirs end
  end
  frontier.spared = kept
end

local function pack_spared(frontier)
  local out = { struct.pack('<I2', #frontier.spared) }
  for _, theirs in ipairs(frontier.spared) do out[#out + 1] = struct.pack('<c16d', theirs[1], theirs[2]) end
  return table.concat(out)
end

local function unpack_spared(mark, pos)
  local count, found = nil, {}
  count, pos = struct.unpack('<I2', mark, pos)
  for i = 1, count do
    local record_id, till
    record_id, till, pos = struct.unpack('<c16d', mark, pos)
    found[i] = { record_id, till }
  end
  return found, pos
end

-- The second that is meant by a time without milliseconds ends with its last one: Time::latest_meant.
local function latest_meant(till)
  if till % 1000 == 0 then return till + 999 end
  return till
end

-- Raises a mark. `kind` is 'm' for all that was made up to `till`, 'a' for all logins up to then; `spared` is
-- the ids of the records that are left alone, 16 bytes each; `longest` is how long any session lives.
local function raised(mark, kind, till, spared, reason, at, longest)
  local made, logins = { till = -math.huge, spared = {} }, { till = -math.huge, spared = {} }
  local why, set_at, spent_at, by = 0, -math.huge, -math.huge, '\0\0\0\0\0\0\0\0'
  if mark then
    local pos
    made.till, logins.till, why, set_at, spent_at, by, pos = struct.unpack('<ddBddc8', mark)
    made.spared, pos = unpack_spared(mark, pos)
    logins.spared = unpack_spared(mark, pos)
  end
  local function frontiers()
    return struct.pack('<dd', made.till, logins.till), pack_spared(made) .. pack_spared(logins)
  end
  local old_tills, old_spared = frontiers()
  local set = {}
  for pos = 1, #spared, 16 do set[spared:sub(pos, pos + 15)] = true end
  if kind == 'm' then
    raise_frontier(made, till, set)
    raise_frontier(logins, till, set)
  else
    raise_frontier(logins, math.min(latest_meant(till), at), set)
  end
  local tills, spares = frontiers()
  -- A late event that covers nothing new does not change why and when the others ended.
  if tills ~= old_tills or spares ~= old_spared then
    why, set_at, by = reason, math.max(set_at, at), BY
  end
  return tills .. struct.pack('<Bddc8', why, set_at, math.max(spent_at, at + longest + 1), by) .. spares
end
