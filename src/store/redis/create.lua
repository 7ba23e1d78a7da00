-- Makes a session, or finds the live one of its conversation: OwnerRecord::create.
-- KEYS: 8 content, 9 credentials, 10 request. ARGV: see create.rs.
local CONVERSATION_EXISTS, EXISTING, ENDS_OTHERS = 4, 21, 22
local SESSIONS_PER_OWNER, SESSIONS_PER_TENANT, ANONYMOUS_SESSIONS, CREDENTIALS_PER_SESSION = 6, 7, 8, 10

local id, may_end = ARGV[13], ARGV[14] == '1'
local fingerprint, request_ttl = ARGV[15], tonumber(ARGV[16])
local session = {
  record_id = ARGV[17], made_by = BY, conversation = ARGV[18], login = ARGV[19], labels = ARGV[20],
  idle = tonumber(ARGV[22]), revision = 1, size = tonumber(ARGV[31]), keys = tonumber(ARGV[32]),
}
local authenticated, on_existing = ARGV[24], ARGV[25]
local per_owner, evicts = tonumber(ARGV[26]), ARGV[27] == '1'
-- The credentials are pairs of arguments behind the 36th; then comes the content.
local names, max_credentials, credentials = ARGV[34], tonumber(ARGV[35]), tonumber(ARGV[36])

local outcome, reused = outcome_of(KEYS[10], fingerprint, now)
if reused then return reused end
if outcome then
  if outcome:byte(1) == 2 and not may_end then return { ENDS_OTHERS } end
  if may_end then fence() end
  return replay(outcome)
end
if is_revoked(authenticated) then return { AUTHENTICATION_REVOKED } end
if credentials > max_credentials then return { LIMIT, CREDENTIALS_PER_SESSION, max_credentials, credentials } end

local replaced
local existing = session.conversation ~= '' and redis.call('HGET', OWNER, 'c:' .. session.conversation)
if existing then
  local entry = entry_of(existing)
  if not refusal(entry[1], entry[2], existing, marks, now) then
    local older = authenticated ~= '' and parse(entry[1]).authenticated < tonumber(authenticated)
    if on_existing == 'f' then
      return { CONVERSATION_EXISTS }
    elseif on_existing == 'r' and not older then
      local use = slid(entry[2], now)
      redis.call('HSET', OWNER, 'u:' .. existing, use)
      local revision = parse(entry[1]).revision
      remember(KEYS[10], fingerprint, request_ttl, now, session_outcome(existing, 0, revision))
      return { EXISTING, existing, entry[1], use, entry[3], entry[4] }
    end
    replaced = { existing, entry[1], REPLACED }
  end
end
if is_taken(id) then return { SESSION_EXISTS } end

-- Who has to make room.
local freed = replaced and 1 or 0
local evicted = {}
if user == '' then
  local asked, maximum = math.max(tonumber(ARGV[30]) + 1 - freed, 0), tonumber(ARGV[29])
  if asked > maximum then return { LIMIT, ANONYMOUS_SESSIONS, maximum, asked } end
elseif tonumber(redis.call('HGET', OWNER, 'n') or 0) + 1 - freed > per_owner then
  local others = {}
  for other, entry in pairs(sessions()) do
    if other ~= existing or not replaced then
      if not ending(entry.m, entry.u, marks, now) then
        others[#others + 1] = { other, entry.m, EVICTED, used_at(entry.u) }
      end
    end
  end
  local surplus = #others + 1 - per_owner
  if surplus > 0 and not evicts then return { LIMIT, SESSIONS_PER_OWNER, per_owner, #others + 1 } end
  table.sort(others, function(a, b)
    if a[4] ~= b[4] then return a[4] < b[4] end
    return before(a[1], b[1])
  end)
  for i = 1, math.min(surplus, #others) do evicted[i] = others[i] end
end
if ARGV[28] ~= '' then
  local maximum = tonumber(ARGV[28])
  local asked = math.max(tonumber(ARGV[23]) + 1 - freed - #evicted, 0)
  if asked > maximum then return { LIMIT, SESSIONS_PER_TENANT, maximum, asked } end
end
-- Endings are answered for only by the lane that waits for the replicas.
if (replaced or evicted[1]) and not may_end then return { ENDS_OTHERS } end

if replaced then end_live(replaced[1], replaced[2], replaced[3], now, BY) end
for _, other in ipairs(evicted) do end_live(other[1], other[2], other[3], now, BY) end
forget(id, KEYS[8], KEYS[9])

-- In the very millisecond of an invalidation, what comes after it must also look so.
local created = now
for i = 1, 5 do
  if marks[i] then
    local made, logins = struct.unpack('<dd', marks[i])
    created = math.max(created, made + 1, logins + 1)
  end
end
if created > now and created > tonumber(marks[7] or 0) then redis.call('HSET', MARKS, 'l', millis(created)) end
session.created = created
session.expires = created + tonumber(ARGV[21])
session.authenticated = authenticated == '' and created or tonumber(authenticated)

redis.call('DEL', KEYS[8], KEYS[9])
local span, first = millis(session.expires - now + 2 * tombstone_ttl + 60000), 37 + 2 * credentials
in_chunks('HSET', KEYS[8], first, #ARGV)
redis.call('PEXPIRE', KEYS[8], span)
if credentials > 0 then
  redis.call('HSET', KEYS[9], 'd', '0')
  in_chunks('HSET', KEYS[9], 37, first - 1)
  redis.call('PEXPIRE', KEYS[9], span)
end
event(CREATED_EVENT, now, id, session)
insert_live(id, session, use_at(created), ARGV[33], credentials > 0 and names)
count(1)
remember(KEYS[10], fingerprint, request_ttl, now, session_outcome(id, ended[1] and 2 or 1, 1))
return { DONE, millis(created), ended }
