-- Gives the right to refresh back: OwnerRecord::abandon_refresh. ARGV: 15 the lease,
-- 16 whether its holder may have used the refresh token.
slide()
if not credential or credential.lease ~= ARGV[15] then return { DONE, 0 } end
-- Whether an earlier holder is in doubt stays known: nothing has been refreshed since.
credential.lease, credential.till = nil, nil
if ARGV[16] == "1" then credential.in_doubt = true end
write(credential)
return { DONE, 1 }
