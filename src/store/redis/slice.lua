-- A slice of a cell's sessions: those that are alive, of owners who may be meant. Changes nothing.
-- KEYS: 1 marks, then owner records. ARGV: 1, 2 clock; 3 to 5 '=' and tenant, user and issuer that are meant, or '';
-- then for each owner its hash, how many ids, and these.
local now, answer, at, ending = clock(), {}, 6, rules()
local function is_meant(wanted, part) return wanted == '' or wanted:sub(2) == part end
for k = 2, #KEYS do
  local hash, first = ARGV[at], at + 2
  at = first + tonumber(ARGV[at + 1])
  local head = redis.call('HMGET', KEYS[k], 'O', 'n')
  local tenant, user, issuer
  if head[1] then tenant, user, issuer = struct.unpack('<Hc0Hc0Hc0', head[1]) end
  if tenant and is_meant(ARGV[3], tenant) and is_meant(ARGV[4], user) and is_meant(ARGV[5], issuer) then
    local marks = redis.call('HMGET', KEYS[1], 'o:' .. hash, '*', 't:' .. tenant, 'i:' .. issuer,
      'u:' .. issuer .. '\0' .. user)
    local found = {}
    for i = first, at - 1 do
      local id = ARGV[i]
      local entry = redis.call('HMGET', KEYS[k], 'm:' .. id, 'u:' .. id, 'v:' .. id)
      if entry[1] and not ending(entry[1], entry[2], marks, now) then
        found[#found + 1] = { id, entry[1], entry[2], false, entry[3] }
      end
    end
    if found[1] then answer[#answer + 1] = { head[1], head[2], found } end
  end
end
return { DONE, string.format('%.0f', now), answer }
