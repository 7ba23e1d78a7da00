-- Clears away what is left of an owner whose record is gone (evicted by Redis, or past its own TTL).
-- KEYS: 1 owner record, 2 tombstones, 3 due list, 4 ids, 5 and on content and credentials of each. ARGV: 1 the owner's hash, then ids.
if redis.call('EXISTS', KEYS[1]) == 1 then return { 0 } end
local hash = ARGV[1]
for i = 2, #ARGV do
  local field = 's:' .. ARGV[i]
  local known = redis.call('HGET', KEYS[4], field)
  redis.call('UNLINK', KEYS[2], KEYS[2 * i + 1], KEYS[2 * i + 2])
  redis.call('ZREM', KEYS[3], hash .. ARGV[i])
  if known then
    local kept = {}
    for pos = 1, #known, 16 do
      local whose = known:sub(pos, pos + 15)
      if whose ~= hash then kept[#kept + 1] = whose end
    end
    if kept[1] then
      redis.call('HSET', KEYS[4], field, table.concat(kept))
    else
      redis.call('HDEL', KEYS[4], field)
    end
  end
end
return { 0 }
