-- Whether the owner has, or lately had, a session with this id: OwnerRecord::knows. ARGV: 13 id.
-- Answers the record's id too, for those who want to spare it: OwnerRecord::spared.
local id = ARGV[13]
local packed = redis.call('HGET', OWNER, 'm:' .. id)
local grave = not packed and redis.call('HGET', GRAVES, id)
return { DONE, is_taken(id) and 1 or 0, packed and packed:sub(46, 61) or grave and grave:sub(10, 25) }
