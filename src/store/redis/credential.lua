-- Looks a credential up: OwnerRecord::credential.
slide()
if not credential then return { DONE, session.record_id, next_version } end
return { DONE, session.record_id, next_version, credential.version, credential.sealed }
