-- The owner's own end of a session: OwnerRecord::end. KEYS: 8 content, 9 credentials. ARGV: 13 id, 14 reason.
local id = ARGV[13]
local entry = entry_of(id)
if refusal(entry[1], entry[2], id, marks, now) then
  fence()
  return { DONE, 0, ended }
end
end_live(id, entry[1], tonumber(ARGV[14]), now, BY, KEYS[8], KEYS[9])
return { DONE, 1, ended }
