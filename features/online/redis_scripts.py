"""What Redis does in one step: the Lua scripts of redis_server.py. Each is bounded by the rows it is given.

Each hash of rows has a field with an empty name, its mark: `1` while there is an overlay, else `0`, and then the served generation.
Two values are compared byte by byte: Lua compares texts by the locale of the server.
"""

_MARKED = """
local function mark(rows, flag)
  redis.call('HSET', rows, '', flag .. (redis.call('LINDEX', KEYS[1], 0) or ''))
end
"""

# KEYS generations, views; ARGV prefix of hashes of rows, expected generation, what to put in its place.
# Every hash of rows that is there gets the mark of the new one. Answers `moved` or `done`.
JUDGE = (
    _MARKED
    + """
if (redis.call('LINDEX', KEYS[1], 0) or '') ~= ARGV[2] then return 'moved' end
redis.call('LSET', KEYS[1], 0, ARGV[3])
for _, view in ipairs(redis.call('HKEYS', KEYS[2])) do
  local rows = ARGV[1] .. view
  local held = redis.call('HGET', rows, '')
  if held then mark(rows, string.sub(held, 1, 1)) end
end
return 'done'
"""
)

# KEYS generations, schemas, views, then the hash of rows of each view; ARGV `apply`, `write` or `publish`, then name, fingerprint and
# description of each. A publish makes no schema current; a write makes no hash of a known view, which was evicted then.
DECLARE = (
    _MARKED
    + """
for at = 2, #ARGV, 3 do
  local rows = KEYS[3 + (at + 1) / 3]
  redis.call('HSET', KEYS[2], ARGV[at] .. ':' .. ARGV[at + 1], ARGV[at + 2])
  local is_kept = ARGV[1] == 'write' and redis.call('HEXISTS', KEYS[3], ARGV[at]) == 1
  if ARGV[1] ~= 'publish' then redis.call('HSET', KEYS[3], ARGV[at], ARGV[at + 1]) end
  if not is_kept and redis.call('HEXISTS', rows, '') == 0 then mark(rows, '0') end
end
"""
)

# KEYS rows, overlay; ARGV keys. Answers the mark and the rows as readers see them while there is an overlay; an empty one was removed.
READ = """
local found = redis.call('HMGET', KEYS[1], '', unpack(ARGV))
if redis.call('EXISTS', KEYS[2]) == 1 then
  for at, row in ipairs(redis.call('HMGET', KEYS[2], unpack(ARGV))) do
    if row then found[at + 1] = row ~= '' and row end
  end
end
return found
"""

# KEYS lock, generations, rows, overlay; ARGV the generation that the rows were made for, then key, row and expected held row of each.
# An expected row is `n` (any), `a` (none), or `h` and the row. Answers `publishing`, `moved` (read again), or `done`.
WRITE = """
if redis.call('EXISTS', KEYS[1]) == 1 then return 'publishing' end
if (redis.call('LINDEX', KEYS[2], 0) or '') ~= ARGV[1] then return 'moved' end
local covered = redis.call('EXISTS', KEYS[4]) == 1
local function held_of(key)
  local over = covered and redis.call('HGET', KEYS[4], key)
  if over then return over ~= '' and over end
  return redis.call('HGET', KEYS[3], key)
end
local function is_older(row, held)
  for at = 9, 24 do
    local mine, theirs = string.byte(row, at), string.byte(held, at)
    if mine ~= theirs then return mine < theirs end
  end
  return false
end
for at = 2, #ARGV, 3 do
  local expected = ARGV[at + 2]
  if expected ~= 'n' then
    local held = held_of(ARGV[at])
    if (held and 'h' .. held or 'a') ~= expected then return 'moved' end
  end
end
for at = 2, #ARGV, 3 do
  local key, row = ARGV[at], ARGV[at + 1]
  local held = held_of(key)
  if not held or not is_older(row, held) then
    redis.call('HSET', KEYS[3], key, row)
    if covered then redis.call('HDEL', KEYS[4], key) end
  end
end
return 'done'
"""

# KEYS lock, staged; ARGV token, milliseconds, then key and row of each. Answers 0 if the lock was lost.
STAGE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
for at = 3, #ARGV, 2000 do redis.call('HSET', KEYS[2], unpack(ARGV, at, math.min(at + 1999, #ARGV))) end
return 1
"""

# KEYS lock, then hashes of staged rows; ARGV token. Removes them. Answers 0 if the lock was lost.
UNSTAGE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('UNLINK', unpack(KEYS, 2))
return 1
"""

# KEYS generations, lock, services, views, then rows, staged and overlay of each view.
# ARGV token, the generation that was compared, the new one or nothing, generations to keep, prefix of hashes of rows, number of views, then
# view and fingerprint of each, then service and features of each. Answers `lost`, `moved` or `done`.
# Rows of a view that had none are shown by renaming alone, others as an overlay.
SHOW = (
    _MARKED
    + """
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 'lost' end
if (redis.call('LINDEX', KEYS[1], 0) or '') ~= ARGV[2] then return 'moved' end
if ARGV[3] ~= '' then
  redis.call('LPUSH', KEYS[1], ARGV[3])
  redis.call('LTRIM', KEYS[1], 0, ARGV[4] - 1)
end
local count, flags = tonumber(ARGV[6]), {}
for view = 1, count do
  local rows, staged, overlay = KEYS[3 * view + 2], KEYS[3 * view + 3], KEYS[3 * view + 4]
  redis.call('HSET', KEYS[4], ARGV[2 * view + 5], ARGV[2 * view + 6])
  flags[rows] = '0'
  if redis.call('EXISTS', staged) == 1 then
    if redis.call('HLEN', rows) <= 1 then
      redis.call('RENAME', staged, rows)
    else
      redis.call('RENAME', staged, overlay)
      flags[rows] = '1'
    end
  end
end
for at = 2 * count + 7, #ARGV, 2 do redis.call('HSET', KEYS[3], ARGV[at], ARGV[at + 1]) end
for _, view in ipairs(redis.call('HKEYS', KEYS[4])) do
  local rows = ARGV[5] .. view
  local held = redis.call('HGET', rows, '')
  if flags[rows] or held then mark(rows, flags[rows] or string.sub(held, 1, 1)) end
end
return 'done'
"""
)

# KEYS generations, rows, overlay; ARGV cursor, rows at once. Moves shown rows to their place; readers see the same before and after.
# Answers the next cursor and how many are left.
SETTLE = (
    _MARKED
    + """
local page = redis.call('HSCAN', KEYS[3], ARGV[1], 'COUNT', ARGV[2])
for at = 1, #page[2], 2 do
  local key, row = page[2][at], page[2][at + 1]
  if row == '' then redis.call('HDEL', KEYS[2], key) else redis.call('HSET', KEYS[2], key, row) end
  redis.call('HDEL', KEYS[3], key)
end
local left = redis.call('HLEN', KEYS[3])
if left == 0 then mark(KEYS[2], '0') end
return {page[1], left}
"""
)

# KEYS a hash of rows; ARGV cursor, rows at once. Answers the next cursor, then each key with its two times; none for a removed row.
TIMES = """
local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local found = {page[1]}
for at = 1, #page[2], 2 do
  found[#found + 1] = page[2][at]
  found[#found + 1] = string.sub(page[2][at + 1], 9, 24)
end
return found
"""

# KEYS lock; ARGV token that is held, token to hold instead (or nothing: free it), milliseconds. Answers 1 if that was done.
HAND_OVER = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1
"""

ALL = {
    "declare": DECLARE,
    "read": READ,
    "write": WRITE,
    "stage": STAGE,
    "unstage": UNSTAGE,
    "show": SHOW,
    "settle": SETTLE,
    "times": TIMES,
    "hand_over": HAND_OVER,
    "judge": JUDGE,
}
