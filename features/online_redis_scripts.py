"""What Redis does in one step: the Lua scripts of online_redis.py. Each is bounded by the rows it is given.

Two values are compared byte by byte: Lua compares texts by the locale of the server.
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
for at = 3, #ARGV, 2 do redis.call('HSET', KEYS[2], ARGV[at], ARGV[at + 1]) end
return 1
"""

# KEYS lock, generations, services, views, then rows, staged and overlay of each view.
# ARGV token, the generation that was compared, the new one or nothing, generations to keep, number of views, then view and fingerprint of
# each, then service and features of each. Answers `lost`, `moved` or `done`. Rows into an empty view are shown by renaming alone.
SHOW = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'lost' end
if (redis.call('LINDEX', KEYS[2], 0) or '') ~= ARGV[2] then return 'moved' end
local count = tonumber(ARGV[5])
for view = 1, count do
  local rows, staged, overlay = KEYS[3 * view + 2], KEYS[3 * view + 3], KEYS[3 * view + 4]
  redis.call('HSET', KEYS[4], ARGV[2 * view + 4], ARGV[2 * view + 5])
  if redis.call('EXISTS', staged) == 1 then
    if redis.call('HLEN', rows) <= 1 then
      redis.call('HSET', staged, '', '1')
      redis.call('RENAME', staged, rows)
    else
      redis.call('RENAME', staged, overlay)
    end
  end
end
for at = 2 * count + 6, #ARGV, 2 do redis.call('HSET', KEYS[3], ARGV[at], ARGV[at + 1]) end
if ARGV[3] ~= '' then
  redis.call('LPUSH', KEYS[2], ARGV[3])
  redis.call('LTRIM', KEYS[2], 0, ARGV[4] - 1)
end
return 'done'
"""

# KEYS rows, overlay; ARGV cursor, rows at once. Moves shown rows to their place; readers see the same before and after.
# Answers the next cursor and how many are left.
SETTLE = """
local page = redis.call('HSCAN', KEYS[2], ARGV[1], 'COUNT', ARGV[2])
for at = 1, #page[2], 2 do
  local key, row = page[2][at], page[2][at + 1]
  if row == '' then redis.call('HDEL', KEYS[1], key) else redis.call('HSET', KEYS[1], key, row) end
  redis.call('HDEL', KEYS[2], key)
end
return {page[1], redis.call('HLEN', KEYS[2])}
"""

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

ALL = {"write": WRITE, "stage": STAGE, "show": SHOW, "settle": SETTLE, "times": TIMES, "hand_over": HAND_OVER}
