-- Changes single keys of a session and slides it: OwnerRecord::update. Never makes one.
-- KEYS: 5 content, 6 request. ARGV: 11 id, 12 the revision it must have or '', 13 fingerprint, 14 what is packed below,
-- 15 MCP context, 16 labels, 17 the record that is meant, 18 sealed increments, each or ''; then the parts of the patch.
local REVISION_MISMATCH, OTHER_RECORD, STATE_BYTES, STATE_KEYS = 5, 13, 1, 2
local content = KEYS[5]
local id, if_revision, fingerprint = ARGV[11], ARGV[12], ARGV[13]
local request_ttl, max_bytes, max_keys, changes, watched, shows, sets, removes, adds, appends =
  struct.unpack('<I6I6I6BBBI4I4I4I4', ARGV[14])
local mcp, labels, of_record, sealed_increments = ARGV[15], ARGV[16], ARGV[17], ARGV[18]
-- Where in the arguments the parts of the patch are.
local set_first, remove_first = 19, 19 + 2 * sets
local add_first = remove_first + removes
local append_first = add_first + 3 * adds
local set_last, remove_last, add_last, append_last = remove_first - 1, add_first - 1, append_first - 1, #ARGV

local outcome, reused = outcome_of(KEYS[6], fingerprint, now)
if reused then return reused end
if outcome then return replay(outcome) end
local entry = entry_of(id)
local refused = refusal(entry[1], entry[2], id, marks, now)
if refused then return refused end
local marker = redis.call('HGET', content, '.')
if not marker then return { LOST } end
-- What lies before and behind these stays as it is, and is not taken apart.
local packed = entry[1]
local revision, size, keys, record_id = struct.unpack('<I6I4I4c16', packed, 32)
if of_record ~= '' and of_record ~= record_id then return { OTHER_RECORD } end
if if_revision ~= '' and tonumber(if_revision) ~= revision then return { REVISION_MISMATCH, revision } end

local writes, increments, packed_increments = {}, {}, {}
local incremented, appended
if adds + appends > 0 then incremented, appended = arithmetic() end
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
if changes == 1 then revision = revision + 1 end
packed = packed:sub(1, 31) .. struct.pack('<I6I4I4', revision, size, keys) .. packed:sub(46)
if labels ~= '' then
  local session = parse(packed)
  session.labels = labels
  packed = pack(session)
end
local use = slid(entry[2], now)
redis.call('HSET', OWNER, 'm:' .. id, packed, 'u:' .. id, use)
if mcp ~= '' then
  redis.call('HSET', OWNER, 'x:' .. id, mcp)
  entry[3] = mcp
end
if changes + watched == 2 then event(UPDATED_EVENT, now, id, parse(packed)) end
remember(KEYS[6], fingerprint, request_ttl, now,
  session_outcome(id, 0, revision,
    struct.pack('<I4', #sealed_increments) .. sealed_increments .. table.concat(packed_increments)))
return { DONE, id, packed, use, entry[3], entry[4], shows == 1 and redis.call('HGETALL', content), increments }
