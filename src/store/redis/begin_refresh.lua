-- Gives the right to refresh a credential to one caller at a time: OwnerRecord::begin_refresh.
-- ARGV: 15 the version that the caller found stale, 16 its lease, 17 for how long.
local LEASED, REFRESHED, BUSY = 0, 1, 2
local lease = ARGV[16]
slide()
if not credential then return { CREDENTIAL_NOT_FOUND } end
if credential.version > tonumber(ARGV[15]) then
  return { DONE, REFRESHED, session.record_id, credential.version, credential.sealed }
end
-- The caller's own lease: the answer to its first attempt was lost.
if credential.lease and credential.lease ~= lease then
  if now < credential.till then return { DONE, BUSY, millis(credential.till) } end
  credential.in_doubt = true
end
credential.lease, credential.till = lease, now + tonumber(ARGV[17])
write(credential)
return { DONE, LEASED, session.record_id, credential.version, credential.sealed, millis(credential.till),
  credential.in_doubt and 1 or 0 }
