-- Ends a session of which Redis has evicted a part. KEYS: 8 content, 9 credentials. ARGV: 13 id.
local entry = entry_of(ARGV[13])
local function lacks(key, field) return redis.call('HEXISTS', key, field) == 0 end
if entry[1] and (lacks(KEYS[8], '.') or entry[4] and lacks(KEYS[9], 'd')) then
  end_live(ARGV[13], entry[1], EVICTED, now, NO_ONE, KEYS[8], KEYS[9])
end
return { DONE, ended }
