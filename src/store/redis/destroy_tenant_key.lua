-- Destroys a tenant's wrapped key. KEYS: 1 wrapped keys, 2 their order. ARGV: 1 whose.
local destroyed = redis.call('HDEL', KEYS[1], ARGV[1])
-- Also where there is none: a WAIT behind it would otherwise prove nothing.
redis.call('ZADD', KEYS[2], 0, ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
return { 0, destroyed }
