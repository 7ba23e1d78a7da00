-- What the scripts share that work on one credential: src/session/owner_record/credentials.rs.
-- KEYS: 8 content, 9 credentials. ARGV: 13 id, 14 the name's field; then the script's own.
-- The hash of a session's credentials is there from the first one on: 'd' the highest version that was destroyed,
-- 'k' and a name a packed credential.
local CREDENTIAL_NOT_FOUND, CREDENTIAL_CHANGED, LEASE_LOST = 14, 15, 16
local NOBODY = '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'
local id, field, KEPT = ARGV[13], ARGV[14], KEYS[9]

local entry = entry_of(id)
local refused = refusal(entry[1], entry[2], id, marks, now)
if refused then return refused end
if redis.call('HEXISTS', KEYS[8], '.') == 0 then return { LOST } end
local session = parse(entry[1])

-- A packed credential: whether it is in doubt, version, lease, until when, the lease that it was written under;
-- then what is sealed.
local function unpack_credential(packed)
  local in_doubt, version, lease, till, completed, pos = struct.unpack('<BI6c16dc16', packed)
  return {
    in_doubt = in_doubt == 1, version = version, lease = lease ~= NOBODY and lease or nil, till = till,
    completed = completed ~= NOBODY and completed or nil, sealed = packed:sub(pos),
  }
end

local function write(c)
  local head = struct.pack('<BI6c16dc16', c.in_doubt and 1 or 0, c.version, c.lease or NOBODY, c.till or 0,
    c.completed or NOBODY)
  redis.call('HSET', KEPT, field, head .. c.sealed)
end

-- The names stand in the owner's record, one behind the other, so that every answer can show them.
local function keep_names(names) redis.call('HSET', OWNER, 'v:' .. id, names) end

local function without(names, name)
  local kept, pos = {}, 1
  while pos <= #names do
    local other
    other, pos = struct.unpack('<Hc0', names, pos)
    if other ~= name then kept[#kept + 1] = framed(other) end
  end
  return table.concat(kept)
end

-- Every operation that finds its session slides it.
local function slide()
  if now > used_at(entry[2]) then redis.call('HSET', OWNER, 'u:' .. id, use_at(now)) end
end

local kept = redis.call('HMGET', KEPT, 'd', field)
if entry[4] and not kept[1] then return { LOST } end
local destroyed = tonumber(kept[1] or 0)
local credential = kept[2] and unpack_credential(kept[2])
local next_version = (credential and credential.version or destroyed) + 1
