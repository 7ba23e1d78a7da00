-- One session's story: OwnerRecord::inspect. Changes nothing. KEYS: 8 content. ARGV: 13 id.
local id = ARGV[13]
local entry = entry_of(id)
local grave = redis.call('HGET', GRAVES, id)
local sizes, seen, reason, at, by, lives_on = {}, {}, 0, 0, NO_ONE, false
if entry[1] then
  local why, since, who_did = ending(entry[1], entry[2], marks, now)
  if why then reason, at, by = why, millis(since), who_did end
  local content = redis.call('HGETALL', KEYS[8])
  for i = 1, #content, 2 do
    -- The marker is no key of the state.
    if content[i]:byte(1) == 107 then
      sizes[#sizes + 1] = content[i]:sub(2)
      sizes[#sizes + 1] = counted(content[i + 1])
    end
  end
elseif grave then
  for other, kept in pairs(sessions()) do
    if kept.m:sub(46, 61) == grave:sub(10, 25) then lives_on = other end
  end
end
for i = 1, 5 do
  if marks[i] then
    local s = entry[1] and parse(entry[1])
    local is_covered = s and covers(marks[i], entry[1], s.created, s.authenticated)
    seen[#seen + 1] = { i, marks[i], is_covered and 1 or 0 }
  end
end
return { DONE, millis(now), grave, lives_on, reason, at, by, seen, sizes, entry[1] and 1 or 0,
  id, entry[1], entry[2], false, entry[4] }
