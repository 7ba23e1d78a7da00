-- Drops a mark once nothing that it covers can be alive: Mark::is_spent. KEYS: 1 marks, 2 due list.
-- ARGV: 1, 2 clock; 3 field.
local now, member = clock(), MARK .. ARGV[3]
local mark = redis.call('HGET', KEYS[1], ARGV[3])
local till = mark and struct.unpack('<d', mark, 26)
if till and now < till then
  redis.call('ZADD', KEYS[2], string.format('%.0f', till), member)
else
  redis.call('HDEL', KEYS[1], ARGV[3])
  redis.call('ZREM', KEYS[2], member)
end
return { 0 }
