-- What a sweep does for sessions of one owner that are due: OwnerRecord::settle. Any number of instances may do
-- it at once; whoever comes first ends a session. KEYS: 8 and on, content and credentials of each. ARGV: 13 and
-- on, the ids.
local dead, lateness = {}, 0
local function keys_of(i) return KEYS[2 * i - 18], KEYS[2 * i - 17] end
for i = 13, #ARGV do
  local id = ARGV[i]
  local entry = entry_of(id)
  if entry[1] then
    local reason, at, by = ending(entry[1], entry[2], marks, now)
    if reason then
      dead[#dead + 1] = { at, id, entry[1], reason, by, keys_of(i) }
      lateness = math.max(lateness, now - at)
    else
      local s = parse(entry[1])
      redis.call('ZADD', DUE, millis(math.min(used_at(entry[2]) + s.idle, s.expires)), hash .. id)
    end
  end
end
table.sort(dead, function(a, b)
  if a[1] ~= b[1] then return a[1] < b[1] end
  return before(a[2], b[2])
end)
for _, entry in ipairs(dead) do
  end_live(entry[2], entry[3], entry[4], entry[1], entry[5], entry[6], entry[7])
end

-- Tombstones stay for their time; that of a rotated id for as long as the session lives on, so that whoever
-- invalidates the old id ends the session.
for i = 13, #ARGV do
  local id, member = ARGV[i], hash .. ARGV[i]
  if not entry_of(id)[1] then
    redis.call('UNLINK', keys_of(i))
    local grave = redis.call('HGET', GRAVES, id)
    local over = grave and struct.unpack('<d', grave, 2) + tombstone_ttl
    local next_one = over and now >= over and successor(id)
    if over and now < over then
      redis.call('ZADD', DUE, millis(over), member)
    elseif next_one then
      local s = parse(next_one.m)
      redis.call('ZADD', DUE, millis(math.min(used_at(next_one.u) + s.idle, s.expires)), member)
    else
      redis.call('HDEL', GRAVES, id)
      redis.call('ZREM', DUE, member)
      unindex('s:' .. id)
    end
  end
end
local left = tonumber(redis.call('HGET', OWNER, 'n') or 0)
if left <= 0 and redis.call('EXISTS', GRAVES) == 0 then redis.call('UNLINK', OWNER) end
return { DONE, #dead, lateness, millis(now), ended }
