-- Destroys a credential: OwnerRecord::delete_credential.
slide()
if not credential then
  fence()
  return { DONE, 0 }
end
redis.call('HSET', KEPT, 'd', millis(math.max(destroyed, credential.version)))
redis.call('HDEL', KEPT, field)
keep_names(without(entry[4], field:sub(2)))
return { DONE, 1 }
