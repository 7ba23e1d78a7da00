-- Requests that may be repeated: what src/session/owner_record/replay.rs says.
local REQUEST_ID_REUSED, REPLAYED = 11, 20

-- What a request did before: its packed outcome, or that it was another request.
local function outcome_of(key, fingerprint, now)
  local known = fingerprint ~= '' and redis.call('GET', key)
  if not known then return nil end
  local same, till, pos = struct.unpack('<c16d', known)
  if now >= till then return nil end
  if same ~= fingerprint then return nil, { REQUEST_ID_REUSED } end
  return known:sub(pos)
end

-- Remembers what a request did. The key's own TTL is a net: the time in it decides.
local function remember(key, fingerprint, ttl, now, outcome)
  if fingerprint == '' then return end
  local value = struct.pack('<c16d', fingerprint, now + ttl) .. outcome
  redis.call('SET', key, value, 'PX', string.format('%.0f', math.max(ttl, 1)))
end
