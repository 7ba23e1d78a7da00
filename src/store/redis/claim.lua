-- Claims a key, unless it is claimed: OwnerRecord::claim. KEYS: 1 claims, 2 marks, 3 request.
-- ARGV: 1, 2 clock; 3 key, 4 TTL, 5 the most claims, 6 fingerprint, 7 how long the request is remembered.
local LIMIT, CLAIMS_PER_OWNER = 10, 9
local now, claim, maximum = clock(), ARGV[3], tonumber(ARGV[5])

local outcome, reused = outcome_of(KEYS[3], ARGV[6], now)
if reused then return reused end
if outcome then
  -- Repeated for the sake of the WAIT behind it, which proves nothing without a write.
  redis.call('HINCRBY', KEYS[2], 'f', 1)
  return { REPLAYED, outcome:byte(1) }
end
local till = redis.call('ZSCORE', KEYS[1], claim)
local held = till and now < tonumber(till)
if not held then
  local count = redis.call('ZCARD', KEYS[1])
  if count >= maximum then
    -- Only a full house is worth counting through.
    count = count - redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
    if count + 1 > maximum then return { LIMIT, CLAIMS_PER_OWNER, maximum, count + 1 } end
  end
  local ttl = tonumber(ARGV[4])
  redis.call('ZADD', KEYS[1], string.format('%.0f', now + ttl), claim)
  if redis.call('PTTL', KEYS[1]) < ttl + 60000 then
    redis.call('PEXPIRE', KEYS[1], string.format('%.0f', ttl + 60000))
  end
end
remember(KEYS[3], ARGV[6], tonumber(ARGV[7]), now, struct.pack('B', held and 0 or 1))
return { 0, held and 0 or 1 }
