-- Values of google.protobuf.Value as the bytes that came: what src/session/state.rs does to them.
local NOT_AN_INTEGER, NOT_A_LIST, INTEGER_OUT_OF_RANGE = 7, 8, 9
local LARGEST_INTEGER = 9007199254740991
local NUMBER_TAG, LIST_TAG = 17, 50
-- What a sealed value begins with, and by how much it is longer than what is in the seal.
local SEALED, SEALED_OVERHEAD = 1, 46

local function varint_len(value)
  local len = 1
  while value >= 128 do value, len = value / 128, len + 1 end
  return len
end

-- How long a value counts: a sealed one as what is in the seal, so that a namespace allows the same either way.
local function counted(value)
  if value:byte(1) == SEALED then return math.max(#value - SEALED_OVERHEAD, 0) end
  return #value
end

-- How many bytes an entry of the state takes; none if its value is empty, that is missing.
local function entry_len(key_len, value_len)
  if value_len == 0 then return 0 end
  local inner = 2 + varint_len(key_len) + key_len + varint_len(value_len) + value_len
  return 1 + varint_len(inner) + inner
end

-- What looks into values, made only where a patch does.
local function arithmetic()
  local function varint(bytes, pos)
    local value, scale = 0, 1
    while true do
      local byte = bytes:byte(pos)
      pos = pos + 1
      value = value + byte % 128 * scale
      if byte < 128 then return value, pos end
      scale = scale * 128
    end
  end

  local function put_varint(value)
    local out = ''
    while value >= 128 do
      out = out .. string.char(value % 128 + 128)
      value = math.floor(value / 128)
    end
    return out .. string.char(value)
  end

  -- The sum comes in two halves: together they are exact where the sum is in range.
  local function incremented(value, half, other_half)
    local current = 0
    if value then
      local tag, pos = varint(value, 1)
      if tag ~= NUMBER_TAG then return nil, { NOT_AN_INTEGER } end
      current = struct.unpack('<d', value, pos)
      if math.abs(current) > LARGEST_INTEGER or current ~= math.floor(current) then return nil, { NOT_AN_INTEGER } end
    end
    local sum = current + half + other_half
    if math.abs(sum) > LARGEST_INTEGER then return nil, { INTEGER_OUT_OF_RANGE } end
    return sum
  end

  local function add_elements(found, bytes)
    local pos, len, _ = 1
    while pos <= #bytes do
      _, pos = varint(bytes, pos)
      len, pos = varint(bytes, pos)
      found[#found + 1] = bytes:sub(pos, pos + len - 1)
      pos = pos + len
    end
  end

  local function appended(value, tail, max_length)
    local head = ''
    if value then
      local tag, pos = varint(value, 1)
      if tag ~= LIST_TAG then return nil, { NOT_A_LIST } end
      local len
      len, pos = varint(value, pos)
      head = value:sub(pos, pos + len - 1)
    end
    local elements = head .. tail
    if max_length ~= '' then
      local all, kept = {}, {}
      add_elements(all, head)
      add_elements(all, tail)
      for i = math.max(#all - tonumber(max_length), 0) + 1, #all do
        kept[#kept + 1] = '\10' .. put_varint(#all[i]) .. all[i]
      end
      elements = table.concat(kept)
    end
    return '\50' .. put_varint(#elements) .. elements
  end

  return incremented, appended
end
