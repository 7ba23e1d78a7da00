-- Gives a session a new id: OwnerRecord::rotate. The old one is dead in the same step.
-- KEYS: 8 content under the old id, 9 under the new one, 10 and 11 the credentials, 12 request. ARGV: 13 old id, 14 new id, 15 fingerprint,
-- 16 how long the request is remembered, 17 a new authenticated_at or '', 18 '=' and a new login, or '',
-- 19 whether the new id would lie elsewhere.
local MISPLACED = 23
local old, new, fingerprint = ARGV[13], ARGV[14], ARGV[15]

local outcome, reused = outcome_of(KEYS[12], fingerprint, now)
if reused then return reused end
if outcome then
  fence()
  return replay(outcome)
end
local entry = entry_of(old)
local refused = refusal(entry[1], entry[2], old, marks, now)
if refused then return refused end
if redis.call('HEXISTS', KEYS[8], '.') == 0 then return { LOST } end
if entry[4] and redis.call('HEXISTS', KEYS[10], 'd') == 0 then return { LOST } end
if ARGV[19] == '1' then return { MISPLACED } end
if is_revoked(ARGV[17]) then return { AUTHENTICATION_REVOKED } end
if is_taken(new) then return { SESSION_EXISTS } end

forget(new, KEYS[9], KEYS[11])
local session = parse(entry[1])
local previous_login = session.login
remove_entry(old)
bury(old, session, ROTATED, now, BY, entry[2], true)
local use = slid(entry[2], now)
if ARGV[17] ~= '' then session.authenticated = tonumber(ARGV[17]) end
if ARGV[18] ~= '' then session.login = ARGV[18]:sub(2) end
redis.call('RENAME', KEYS[8], KEYS[9])
if entry[4] then redis.call('RENAME', KEYS[10], KEYS[11]) else redis.call('UNLINK', KEYS[11]) end
event(ROTATED_EVENT, now, new, session, framed(old) .. framed(previous_login))
if previous_login ~= '' then unindex(login_field(previous_login)) end
insert_live(new, session, use, entry[3], entry[4])
remember(KEYS[12], fingerprint, tonumber(ARGV[16]), now, session_outcome(new, 0, session.revision))
return { DONE, new, pack(session), use, entry[3], entry[4], redis.call('HGETALL', KEYS[9]), ended }
