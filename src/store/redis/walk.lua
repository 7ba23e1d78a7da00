-- The walk through a cell after a wide invalidation, by one instance at a time. KEYS: 1 marks, 2 due list.
-- ARGV: 1, 2 clock; 3 how long the walk may take before another instance starts it anew; 4 '' to start, or what
-- the start answered, to finish.
local now = clock()
local marks_raised = redis.call('HGET', KEYS[1], 'w') or '0'
if ARGV[4] == '' then
  local since = redis.call('ZSCORE', KEYS[2], WALK)
  if not since or tonumber(since) > now then return { 0, '' } end
  redis.call('ZADD', KEYS[2], string.format('%.0f', now + tonumber(ARGV[3])), WALK)
elseif ARGV[4] == marks_raised then
  redis.call('ZREM', KEYS[2], WALK)
else
  -- Another mark was raised on the way.
  redis.call('ZADD', KEYS[2], string.format('%.0f', now), WALK)
end
return { 0, marks_raised }
