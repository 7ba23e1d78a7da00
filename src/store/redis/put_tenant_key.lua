-- Keeps a tenant's wrapped key if what is kept is what was expected. KEYS: 1 wrapped keys, 2 their order.
-- ARGV: 1 whose, 2 '=' and what was expected, or '' for nothing, 3 the wrapped key.
local known = redis.call('HGET', KEYS[1], ARGV[1])
if (known and '=' .. known or '') ~= ARGV[2] then return { 0, 0 } end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('ZADD', KEYS[2], 0, ARGV[1])
return { 0, 1 }
