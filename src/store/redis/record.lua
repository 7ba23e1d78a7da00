-- What the scripts share that change an owner's record. Those that make and end sessions have owner.lua behind it: what a
-- script does not need, it does not make each time it runs.
-- KEYS: 1 owner record, 2 marks, 3 tombstones, 4 events. ARGV: 9 the packed owner, 10 length of the log.
local OWNER, MARKS, GRAVES, EVENTS = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local LIMIT = 10
local CREATED_EVENT, UPDATED_EVENT, ROTATED_EVENT, ENDED_EVENT = 1, 2, 3, 4

local now = clock()
-- Beside the marks: the id of the cell's last event, and the latest creation that was dated ahead.
local marks = redis.call('HMGET', MARKS, ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8], 'e', 'l')
local last_event = marks[6] or '0-0'

local function framed(text) return struct.pack('<Hc0', #text, text) end

-- A packed session: what Meta holds but the last use and the MCP context. Bytes 26 to 45 are idle TTL,
-- revision, size and number of keys of the state; the record's id is at 46 to 61, and who made it at 62 to 69; the
-- labels come last.
local function parse(packed)
  local _, created, expires, authenticated, idle, revision, size, keys, record_id, made_by, conversation, login, labels =
    struct.unpack('<BdddI6I6I4I4c16c8Hc0Hc0', packed)
  return {
    created = created, expires = expires, authenticated = authenticated, idle = idle, revision = revision,
    size = size, keys = keys, record_id = record_id, made_by = made_by, conversation = conversation, login = login,
    labels = packed:sub(labels),
  }
end

local function pack(s)
  return struct.pack('<BdddI6I6I4I4c16c8', 1, s.created, s.expires, s.authenticated, s.idle, s.revision, s.size,
    s.keys, s.record_id, s.made_by) .. framed(s.conversation) .. framed(s.login) .. s.labels
end

-- Each event names the one before it in the cell, so that a reader notices what was trimmed or lost.
local function event(kind, at, id, s, more)
  local text = struct.pack('<BdI6c16', kind, at, s.revision, s.record_id) .. ARGV[9] .. framed(id)
    .. framed(s.conversation) .. framed(s.login) .. (more or '')
  last_event = redis.call('XADD', EVENTS, 'MAXLEN', '~', ARGV[10], '*', 'p', last_event, 'e', text)
  redis.call('HSET', MARKS, 'e', last_event)
end

local function slid(use, now)
  if now > used_at(use) then return use_at(now) end
  return use
end

-- A session: packed, last use, MCP context if it has one, names of credentials if it ever had any.
local function entry_of(id)
  return redis.call('HMGET', OWNER, 'm:' .. id, 'u:' .. id, 'x:' .. id, 'v:' .. id)
end

-- HSET or HDEL with any number of arguments.
local function in_chunks(command, key, first, last)
  for from = first, last, 1000 do
    redis.call(command, key, unpack(ARGV, from, math.min(from + 999, last)))
  end
end

-- How a remembered request is answered: without state, at the revision of then. `how` is 1 if it made the
-- session, 2 if it ended others for it, else 0.
local function session_outcome(id, how, revision, more)
  return struct.pack('<BI6', how, revision) .. framed(id) .. (more or '')
end

local function replay(outcome)
  local how, revision, id, pos = struct.unpack('<BI6Hc0', outcome)
  local entry = entry_of(id)
  local refused = refusal(entry[1], entry[2], id, marks, now)
  if refused then return refused end
  return { REPLAYED, id, entry[1], entry[2], entry[3], entry[4], how, revision, outcome:sub(pos) }
end
