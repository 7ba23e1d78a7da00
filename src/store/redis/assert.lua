-- Asserts an ending again that a failover may have lost, with its original time. KEYS: 8 content,
-- 9 credentials.
-- ARGV: 13 id, 14 packed tombstone.
local id, grave = ARGV[13], ARGV[14]
local reason, at, record_id, by = struct.unpack('<Bdc16c8', grave)
local entry = entry_of(id)
if entry[1] then
  if entry[1]:sub(46, 61) == record_id then end_live(id, entry[1], reason, at, by, KEYS[8], KEYS[9]) end
elseif redis.call('HSETNX', GRAVES, id, grave) == 1 then
  redis.call('HSET', OWNER, 'O', who)
  keep(OWNER, 0)
  keep(GRAVES, 0)
  redis.call('ZADD', DUE, millis(at + tombstone_ttl), hash .. id)
  index('s:' .. id, true)
end
return { DONE }
