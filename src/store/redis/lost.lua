-- Ends a session whose content Redis has evicted. KEYS: 8 content. ARGV: 13 id.
local entry = entry_of(ARGV[13])
if entry[1] and redis.call('HEXISTS', KEYS[8], '.') == 0 then
  end_live(ARGV[13], entry[1], EVICTED, now, KEYS[8])
end
return { DONE }
