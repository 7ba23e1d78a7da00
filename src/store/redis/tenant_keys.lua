-- A page of the tenants' wrapped keys. In an order of their own, not by HSCAN: its cursor means nothing to the
-- server that takes over. KEYS: 1 wrapped keys, 2 their order. ARGV: 1 '-' or '(' and the last of the page before,
-- 2 how many.
local whose = redis.call('ZRANGEBYLEX', KEYS[2], ARGV[1], '+', 'LIMIT', 0, ARGV[2])
if not whose[1] then return { 0 } end
return { 0, whose, redis.call('HMGET', KEYS[1], unpack(whose)) }
