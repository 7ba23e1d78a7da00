-- Raises a wide mark in one cell. KEYS: 1 marks, 2 due list, 3 events. ARGV: 1, 2 clock; 3 field, 4 'm' or 'a',
-- 5 until, 6 reason, 7 records that are spared, 8 the longest lifetime, 9 the event's subject or '', 10 length of
-- the log, 11 the time of the call when it is asserted again after a failover, or ''; 12 the latest creation in
-- any cell that was dated ahead.
local now, field, kind, reason = clock(), ARGV[3], ARGV[4], tonumber(ARGV[6])
local known = redis.call('HMGET', KEYS[1], field, 'e', 'l')
local at = now
if ARGV[11] ~= '' then at = math.min(tonumber(ARGV[11]), now) end
local till = at
if kind == 'a' then
  till = math.min(tonumber(ARGV[5]), at)
elseif ARGV[11] == '' then
  -- A creation may be dated a little ahead: what is made so far includes it.
  till = math.max(at, tonumber(known[3] or 0), tonumber(ARGV[12]))
end
local mark = raised(known[1], kind, till, ARGV[7], reason, at, tonumber(ARGV[8]))
redis.call('HSET', KEYS[1], field, mark)
redis.call('HINCRBY', KEYS[1], 'w', 1)
redis.call('ZADD', KEYS[2], string.format('%.0f', at + tonumber(ARGV[8]) + 1), MARK .. field)
-- From now on the sweep walks through the cell and ends what is covered.
redis.call('ZADD', KEYS[2], string.format('%.0f', at), WALK)
if ARGV[9] ~= '' then
  local text = struct.pack('<BdBdB', 5, at, kind == 'm' and 1 or 2, till, reason) .. ARGV[9]
  local last = redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[10], '*', 'p', known[2] or '0-0', 'e', text)
  redis.call('HSET', KEYS[1], 'e', last)
end
return { 0, string.format('%.0f', at) }
