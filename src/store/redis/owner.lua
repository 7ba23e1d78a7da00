-- What the scripts share that make, end and look through the sessions of an owner: the rest of what record.lua begins.
-- KEYS: 5 due list, 6 ids, 7 counters; then the script's own. ARGV: 11 the owner's hash, 12 whether the tenant is counted.
local DUE, IDS, COUNTS = KEYS[5], KEYS[6], KEYS[7]
local ROTATED, REPLACED, EVICTED = 4, 5, 6
local SESSION_EXISTS, AUTHENTICATION_REVOKED = 3, 6

local tombstone_ttl = tonumber(ARGV[3])
local who, hash = ARGV[9], ARGV[11]
local tenant, user, issuer = struct.unpack('<Hc0Hc0Hc0', who)
local ending, covers, is_in_force = rules()

-- What this call ended: id, packed tombstone, id, … The tombstone of an id that bears another session by now is
-- one byte longer: nothing of it is to be asserted or cleared away later.
local ended = {}

local function millis(time) return string.format('%.0f', time) end

-- An id as text: a UUID is kept as its sixteen bytes behind a 1.
local function text_of(id)
  if id:byte(1) ~= 1 then return id end
  return (id:sub(2):gsub('.', function(byte) return string.format('%02x', byte:byte()) end))
end

-- Whether one id sorts before another. Lua's own `<` depends on the server's locale.
local function before(a, b)
  a, b = text_of(a), text_of(b)
  for i = 1, math.min(#a, #b) do
    local x, y = a:byte(i), b:byte(i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

-- Makes sure that a key does not outlive its use by much, even if nobody ever sweeps.
local function keep(key, span)
  span = span + 2 * tombstone_ttl + 60000
  if redis.call('PTTL', key) < span then redis.call('PEXPIRE', key, millis(span)) end
end

-- An index entry holds hashes of owners, 16 bytes each.
local function find_hash(known)
  for pos = 1, #known, 16 do
    if known:sub(pos, pos + 15) == hash then return pos end
  end
end

local function index(field, once)
  local known = redis.call('HGET', IDS, field) or ''
  if once and find_hash(known) then return end
  redis.call('HSET', IDS, field, known .. hash)
end

local function unindex(field)
  local known = redis.call('HGET', IDS, field) or ''
  local pos = find_hash(known)
  if not pos then return end
  known = known:sub(1, pos - 1) .. known:sub(pos + 16)
  if known == '' then redis.call('HDEL', IDS, field) else redis.call('HSET', IDS, field, known) end
end

local function login_field(login) return 'p:' .. issuer .. '\0' .. login end

local function count(by)
  redis.call('HINCRBY', OWNER, 'n', by)
  redis.call('HINCRBY', COUNTS, 'n', by)
  if user == '' then redis.call('HINCRBY', COUNTS, 'a', by) end
  if ARGV[12] == '1' and redis.call('HINCRBY', COUNTS, 't:' .. tenant, by) <= 0 then
    redis.call('HDEL', COUNTS, 't:' .. tenant)
  end
end

-- All sessions of the owner that have not been ended: id -> { m = packed, u = last use, x = MCP context,
-- v = names of credentials }.
local function sessions()
  local flat, found = redis.call('HGETALL', OWNER), {}
  for i = 1, #flat, 2 do
    local kind, id = flat[i]:match('^([muxv]):(.*)$')
    if kind then
      found[id] = found[id] or {}
      found[id][kind] = flat[i + 1]
    end
  end
  return found
end

-- The session, not ended yet, that bore `id` before a rotation.
local function successor(id)
  local grave = redis.call('HGET', GRAVES, id)
  if not grave or grave:byte(1) ~= ROTATED then return nil end
  for _, entry in pairs(sessions()) do
    if entry.m:sub(46, 61) == grave:sub(10, 25) then return entry end
  end
end

local function remove_entry(id) redis.call('HDEL', OWNER, 'm:' .. id, 'u:' .. id, 'x:' .. id, 'v:' .. id) end

-- Whether an id is taken: live, or known from before. OwnerRecord::check_free.
local function is_taken(id)
  local entry = entry_of(id)
  local refused = refusal(entry[1], entry[2], id, marks, now)
  if not refused or refused[1] == ENDED then return true end
  local next_one = successor(id)
  return next_one ~= nil and not ending(next_one.m, next_one.u, marks, now)
end

-- Whether a login is older than a mark whose time is not over. OwnerRecord::check_login.
local function is_revoked(authenticated)
  if authenticated == '' then return false end
  for i = 1, 5 do
    if marks[i] and is_in_force(marks[i], now) then
      local _, logins = struct.unpack('<dd', marks[i])
      if tonumber(authenticated) <= logins then return true end
    end
  end
  return false
end

-- A tombstone: why and when it ended, which record it was, who ended it; when and by whom it was made and last used.
-- That of a rotated id stays for as long as the session may live.
local function bury(id, s, reason, at, by, use, wiped)
  local grave = struct.pack('<Bdc16c8dc8', reason, at, s.record_id, by, s.created, s.made_by) .. use
  redis.call('HSET', GRAVES, id, grave)
  keep(GRAVES, math.max(s.expires - now, 0))
  redis.call('ZADD', DUE, millis(wiped and at + tombstone_ttl or at), hash .. id)
  ended[#ended + 1] = id
  ended[#ended + 1] = grave
end

-- Ends a session: its content and its credentials go, its tombstone stays. Where this script cannot declare
-- their keys, they are due for the sweep at once.
local function end_live(id, packed, reason, at, by, content, credentials)
  local s = parse(packed)
  local use = redis.call('HGET', OWNER, 'u:' .. id)
  remove_entry(id)
  local conversation = 'c:' .. s.conversation
  if s.conversation ~= '' and redis.call('HGET', OWNER, conversation) == id then
    redis.call('HDEL', OWNER, conversation)
  end
  if content then redis.call('UNLINK', content, credentials) end
  count(-1)
  bury(id, s, reason, at, by, use, content)
  if s.login ~= '' then unindex(login_field(s.login)) end
  -- Behind the time and who calls: by what the call knows its endings again, if its answer is lost.
  event(ENDED_EVENT, at, id, s, struct.pack('B', reason) .. ARGV[1]:sub(17))
end

-- Clears away what is left under an id that is free again.
local function forget(id, content, credentials)
  local entry = entry_of(id)
  if entry[1] then
    local reason, at, by = ending(entry[1], entry[2], marks, now)
    if reason then
      end_live(id, entry[1], reason, at, by, content, credentials)
      ended[#ended] = ended[#ended] .. '-'
    end
  end
  redis.call('HDEL', GRAVES, id)
end

local function insert_live(id, s, use, mcp, names)
  redis.call('HSET', OWNER, 'O', who, 'm:' .. id, pack(s), 'u:' .. id, use)
  if mcp and mcp ~= '' then redis.call('HSET', OWNER, 'x:' .. id, mcp) end
  if names then redis.call('HSET', OWNER, 'v:' .. id, names) end
  if s.conversation ~= '' then redis.call('HSET', OWNER, 'c:' .. s.conversation, id) end
  redis.call('ZADD', DUE, millis(math.min(used_at(use) + s.idle, s.expires)), hash .. id)
  index('s:' .. id, true)
  if s.login ~= '' then index(login_field(s.login)) end
  keep(OWNER, s.expires - now)
end

-- A repeat of what was done before writes all the same: a WAIT behind it would otherwise prove nothing.
local function fence() redis.call('HINCRBY', MARKS, 'f', 1) end
