-- A page of a due list behind a member that had a time, in the list's order: by time, then by member. All servers have
-- it in the same order, unlike what a ZSCAN goes through. Changes nothing.
-- KEYS: 1 due list. ARGV: 1 the time and 2 the member; 3 how many.

-- Lua's own `<` depends on the server's locale.
local function is_behind(member)
  for i = 1, math.min(#member, #ARGV[2]) do
    local x, y = member:byte(i), ARGV[2]:byte(i)
    if x ~= y then return x > y end
  end
  return #member > #ARGV[2]
end

local from = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. ARGV[1])
local till = from + redis.call('ZCOUNT', KEYS[1], ARGV[1], ARGV[1])
while from < till do
  local middle = math.floor((from + till) / 2)
  if is_behind(redis.call('ZRANGE', KEYS[1], middle, middle)[1]) then till = middle else from = middle + 1 end
end
return redis.call('ZRANGE', KEYS[1], from, from + ARGV[3] - 1, 'WITHSCORES')
