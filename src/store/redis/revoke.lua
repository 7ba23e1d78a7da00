-- Ends what an invalidation covers of one owner's sessions: OwnerRecord::invalidate.
-- ARGV: 13 target ('i' id, 'l' login, 'o' all of the owner's), 14 its value, 15 'm' all made up to now or 'a' logins
-- up to then, 16 then, 17 the id that is spared or '', 18 reason, 19 whether to count only, 20 the longest
-- lifetime, 21 the time of the call when it is asserted again after a failover, or ''.
local target, value, kind, spared_id = ARGV[13], ARGV[14], ARGV[15], ARGV[17]
local reason, counts_only = tonumber(ARGV[18]), ARGV[19] == '1'
local at = now
if ARGV[21] ~= '' then at = math.min(tonumber(ARGV[21]), now) end

local all = sessions()
local function record_under(id)
  if id == '' then return nil end
  if all[id] then return all[id].m:sub(46, 61) end
  local grave = redis.call('HGET', GRAVES, id)
  return grave and grave:sub(10, 25)
end
local till = at
if kind == 'a' then
  till = math.min(tonumber(ARGV[16]), at)
elseif ARGV[21] == '' then
  -- Sessions made behind a mark of this very millisecond are dated later, but they were made before now.
  for _, entry in pairs(all) do till = math.max(till, parse(entry.m).created) end
end
local spared = record_under(spared_id)
local wanted = target == 'i' and record_under(value)

local meant = {}
for id, entry in pairs(all) do
  local s = parse(entry.m)
  local is_meant = target == 'o' or target == 'l' and s.login == value or target == 'i' and s.record_id == wanted
  local is_reached
  if kind == 'm' then
    is_reached = s.created <= till
  else
    is_reached = s.authenticated <= math.min(latest_meant(till), at)
  end
  if is_meant and is_reached and s.record_id ~= spared and not ending(entry.m, entry.u, marks, now) then
    meant[#meant + 1] = id
  end
end
if counts_only then return { DONE, #meant, ended } end

if target == 'o' then
  local field = ARGV[4]
  redis.call('HSET', MARKS, field, raised(marks[1], kind, till, spared or '', reason, at, tonumber(ARGV[20])))
  -- The mark goes when nothing that it covers can be alive any more.
  redis.call('ZADD', DUE, millis(at + tonumber(ARGV[20]) + 1), MARK .. field)
else
  fence()
end
for _, id in ipairs(meant) do end_live(id, all[id].m, 16 + reason, at, BY) end
return { DONE, #meant, ended, millis(at) }
