-- Changes single keys of a session and slides it: OwnerRecord::update. Never makes one.
-- KEYS: 8 content, 9 request. ARGV: see update.rs.
local REVISION_MISMATCH, OTHER_RECORD, STATE_BYTES, STATE_KEYS = 5, 13, 1, 2
local content = KEYS[8]
local id, if_revision = ARGV[13], ARGV[14]
local fingerprint, request_ttl = ARGV[15], tonumber(ARGV[16])
local changes, watched, shows = ARGV[17] == '1', ARGV[18] == '1', ARGV[19] == '1'
local max_bytes, max_keys = tonumber(ARGV[20]), tonumber(ARGV[21])
local mcp, labels = ARGV[22], ARGV[23]
local of_record, sealed_increments = ARGV[24], ARGV[25]

local outcome, reused = outcome_of(KEYS[9], fingerprint, now)
if reused then return reused end
if outcome then return replay(outcome) end
local entry = entry_of(id)
local refused = refusal(entry[1], entry[2], id, marks, now)
if refused then return refused end
local marker = redis.call('HGET', content, '.')
if not marker then return { LOST } end
local session = parse(entry[1])
if of_record ~= '' and of_record ~= session.record_id then return { OTHER_RECORD } end
if if_revision ~= '' and tonumber(if_revision) ~= session.revision then
  return { REVISION_MISMATCH, session.revision }
end

-- The parts of the patch, one behind the other, each with its number of arguments before it.
local at = 26
local function part()
  local first = at + 1
  at = first + tonumber(ARGV[at])
  return first, at - 1
end
local set_first, set_last = part()
local remove_first, remove_last = part()
local add_first, add_last = part()
local append_first, append_last = part()

local writes, increments, packed_increments = {}, {}, {}
for i = add_first, add_last, 3 do
  local value = redis.call('HGET', content, ARGV[i])
  local sum, fault = incremented(value, tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]))
  if fault then return fault end
  writes[#writes + 1] = { ARGV[i], struct.pack('<Bd', NUMBER_TAG, sum) }
  increments[#increments + 1] = sum
  -- Whoever repeats the request says which keys they were.
  packed_increments[#packed_increments + 1] = struct.pack('<d', sum)
end
for i = append_first, append_last, 3 do
  local value = redis.call('HGET', content, ARGV[i])
  local list, fault = appended(value, ARGV[i + 2], ARGV[i + 1])
  if fault then return fault end
  writes[#writes + 1] = { ARGV[i], list }
end

local size, keys = session.size, session.keys
local function resize(key, old_len, new_len)
  -- A field is its key behind one character.
  local key_len = #key - 1
  size = size - entry_len(key_len, old_len) + entry_len(key_len, new_len)
  keys = keys + (new_len > 0 and 1 or 0) - (old_len > 0 and 1 or 0)
end
-- Only where a value may be sealed does it have to be looked at.
local seals = marker ~= ''
local function old_len(key)
  if not seals then return redis.call('HSTRLEN', content, key) end
  return counted(redis.call('HGET', content, key) or '')
end
for _, write in ipairs(writes) do resize(write[1], old_len(write[1]), #write[2]) end
local first_seal = false
for i = set_first, set_last, 2 do
  resize(ARGV[i], old_len(ARGV[i]), counted(ARGV[i + 1]))
  first_seal = first_seal or not seals and ARGV[i + 1]:byte(1) == SEALED
end
for i = remove_first, remove_last do resize(ARGV[i], old_len(ARGV[i]), 0) end
if keys > max_keys then return { LIMIT, STATE_KEYS, max_keys, keys } end
if size > max_bytes then return { LIMIT, STATE_BYTES, max_bytes, size } end

for _, write in ipairs(writes) do redis.call('HSET', content, write[1], write[2]) end
in_chunks('HSET', content, set_first, set_last)
if first_seal then redis.call('HSET', content, '.', 's') end
in_chunks('HDEL', content, remove_first, remove_last)
session.size, session.keys = size, keys
if changes then session.revision = session.revision + 1 end
if labels ~= '' then session.labels = labels end
local use = slid(entry[2], now)
local packed = pack(session)
redis.call('HSET', OWNER, 'm:' .. id, packed, 'u:' .. id, use)
if mcp ~= '' then
  redis.call('HSET', OWNER, 'x:' .. id, mcp)
  entry[3] = mcp
end
if changes and watched then event(UPDATED_EVENT, now, id, session) end
remember(KEYS[9], fingerprint, request_ttl, now,
  session_outcome(id, 0, session.revision,
    struct.pack('<I4', #sealed_increments) .. sealed_increments .. table.concat(packed_increments)))
return { DONE, id, packed, use, entry[3], entry[4], shows and redis.call('HGETALL', content), increments }
