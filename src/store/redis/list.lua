-- A page of the owner's live sessions, newest first: OwnerRecord::list.
-- ARGV: 13 size, 14 created_at and 15 id of the last session of the page before, or ''.
local size, after = tonumber(ARGV[13]), tonumber(ARGV[14])
local function newer(a_created, a_id, b_created, b_id)
  if a_created ~= b_created then return a_created > b_created end
  return before(b_id, a_id)
end
local found = {}
for id, entry in pairs(sessions()) do
  if not ending(entry.m, entry.u, marks, now) then
    local created = parse(entry.m).created
    if not after or newer(after, ARGV[15], created, id) then
      found[#found + 1] = { created, id, entry }
    end
  end
end
table.sort(found, function(a, b) return newer(a[1], a[2], b[1], b[2]) end)
local page = {}
for i = 1, math.min(size, #found) do
  local entry = found[i][3]
  page[i] = { found[i][2], entry.m, entry.u, entry.x or false, entry.v or false }
end
return { DONE, #found > size and 1 or 0, page }
