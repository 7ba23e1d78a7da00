-- Writes a credential as the version that it was sealed for: OwnerRecord::put_credential.
-- ARGV: 15 version, 16 the lease under which it was refreshed or '', 17 what is sealed, 18 the most credentials.
local CREDENTIALS_PER_SESSION = 10
local version, lease, maximum = tonumber(ARGV[15]), ARGV[16], tonumber(ARGV[18])
if lease ~= '' then
  if credential and credential.completed == lease then
    -- The answer to the first completion was lost.
    slide()
    return { DONE, credential.version }
  end
  local is_held = credential and credential.lease == lease and now < credential.till
  if not is_held then return { LEASE_LOST } end
end
if version ~= next_version then return { CREDENTIAL_CHANGED } end
if not credential then
  -- Of the hash's fields one is no credential, in whose place counts the one to come.
  local asked = math.max(redis.call('HLEN', KEPT), 1)
  if asked > maximum then return { LIMIT, CREDENTIALS_PER_SESSION, maximum, asked } end
end

slide()
if not kept[1] then redis.call('HSET', KEPT, 'd', '0') end
write({ version = version, sealed = ARGV[17], completed = lease ~= '' and lease })
keep(KEPT, session.expires - now)
if not credential then keep_names((entry[4] or '') .. framed(field:sub(2))) end
return { DONE, version }
