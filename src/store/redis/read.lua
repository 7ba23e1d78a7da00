-- Reads a session and, unless it peeks, slides it: OwnerRecord::read.
-- KEYS: 4 content. ARGV: 9 id, 10 whether to slide, 11 'a' all, 'k' these keys, 'n' nothing; then the keys.
local now, id = clock(), ARGV[9]
local entry = redis.call('HMGET', KEYS[1], 'm:' .. id, 'u:' .. id, 'x:' .. id, 'v:' .. id)
local marks = redis.call('HMGET', KEYS[2], ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8])
local refused = refusal(entry[1], entry[2], id, marks, now)
if refused then return refused end
local content
if ARGV[11] == 'a' then
  content = redis.call('HGETALL', KEYS[4])
  if #content == 0 then return { LOST } end
else
  content = redis.call('HMGET', KEYS[4], '.', unpack(ARGV, 12))
  if not content[1] then return { LOST } end
end
local use = entry[2]
if ARGV[10] == '1' and now > used_at(use) then
  use = use_at(now)
  redis.call('HSET', KEYS[1], 'u:' .. id, use)
end
return { DONE, id, entry[1], use, entry[3], entry[4], content }
