import { NOW, REPLACING, script } from './script.ts'

/** `stamp`: now, as it is written. */
const STAMP = `${NOW}
local stamp = string.format('%.0f', now)`

/**
 * Whose record it is. It is ours when it names our node and incarnation
 * (ARGV[1] node, ARGV[2] incarnation and a dot), whichever epoch of that. An
 * epoch that was written never gives way to an older one of ours: a Redis client
 * that follows a redirection sends a command again, and later ones may have come first.
 */
const OWNER = `${REPLACING}
local owner = replacing('HMGET', KEYS[1], 'node', 'epoch', 'released')
local epoch = owner[2] or ''
local ours = owner[1] == ARGV[1] and string.sub(epoch, 1, #ARGV[2]) == ARGV[2]
local function count (e) return tonumber(string.match(e, '%d+$')) or 0 end
local function newer (e)
  if ours and count(epoch) > count(e) then return epoch end
  return e
end`

/** Writes fields; an empty value deletes. */
const PUT = `
local function put (from)
  for i = from, #ARGV, 2 do
    if ARGV[i + 1] == '' then
      redis.call('HDEL', KEYS[1], ARGV[i])
    else
      redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    end
  end
end`

/**
 * Writes a record unless another owner has one under this id.
 * KEYS[1] record; ARGV node, incarnation and a dot, epoch, ttl (ms), then field, value, ...
 * Returns 1 written, 0 another owner's, or released.
 */
export const addRecord = script(`${OWNER}${PUT}${STAMP}
if owner[1] and (not ours or owner[3]) then return 0 end
redis.call('HSET', KEYS[1], 'node', ARGV[1], 'epoch', newer(ARGV[3]), 'lastSeenAt', stamp)
put(5)
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1`)

/**
 * Renews a record of ours, and moves it to the epoch. Its session lives: what failed before counts no more.
 * KEYS[1] record; ARGV node, incarnation and a dot, epoch, ttl (ms), then field, value, ... that changed.
 * Returns 1 renewed, 0 another owner's, or released, -1 absent.
 */
export const renewRecord = script(`${OWNER}${PUT}
if not owner[1] then return -1 end
if not ours or owner[3] then return 0 end
${STAMP}
redis.call('HSET', KEYS[1], 'epoch', newer(ARGV[3]), 'lastSeenAt', stamp)
redis.call('HDEL', KEYS[1], 'adoptionFailures', 'adoptionFailedAt')
put(5)
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1`)

/**
 * Deletes a record of ours, unless it is released: then it may be another's any moment.
 * One of which somebody asked for the end stays while nodes that had it are to be told first.
 * KEYS[1] record; ARGV node, incarnation and a dot, '1' if somebody asked or ''.
 * Returns 1 deleted, 0 another owner's, or released, or others are to be told, -1 absent.
 */
export const dropRecord = script(`${OWNER}
if not owner[1] then return -1 end
if not ours or owner[3] then return 0 end
if ARGV[3] == '1' and redis.call('HEXISTS', KEYS[1], 'formerly') == 1 then return 0 end
return redis.call('DEL', KEYS[1])`)

/**
 * Deletes a record that somebody asked to close, if it still has the owner that was told.
 * KEYS[1] record; ARGV its node, its epoch.
 * Returns 1 deleted, 0 another owner's, -1 absent.
 */
export const removeRecord = script(`${OWNER}
if not owner[1] then return -1 end
if owner[1] ~= ARGV[1] or epoch ~= ARGV[2] then return 0 end
return redis.call('DEL', KEYS[1])`)

/**
 * Marks a record of ours as given up. Its session lived: what failed before counts no more.
 * KEYS[1] record; ARGV node, incarnation and a dot, then field, value, ... that changed.
 * Returns 1 released, 0 another owner's, -1 absent.
 */
export const releaseRecord = script(`${OWNER}${PUT}
if not owner[1] then return -1 end
if not ours then return 0 end
if owner[3] then return 1 end
put(3)
redis.call('HDEL', KEYS[1], 'adoptionFailures', 'adoptionFailedAt')
redis.call('HSET', KEYS[1], 'released', '1')
return 1`)

/**
 * Takes a record over from the owner that it was seen with. A record that was
 * seen released must be so still: its owner may have taken it back under the
 * same epoch. One that is ours is an earlier claim. The node that it is taken
 * from is noted (at most eight are): it may only be frozen, and hold the session still.
 * KEYS[1] record; ARGV node, incarnation and a dot, epoch, ttl (ms), the node and epoch it
 * was seen with, '1' if it was released or '', then field, value, ... of its owner.
 * Returns 1 claimed, 0 another owner's, -1 absent.
 */
export const claimRecord = script(`${OWNER}${PUT}
if not owner[1] then return -1 end
local seen = owner[1] == ARGV[5] and epoch == ARGV[6] and (owner[3] or ARGV[7] == '')
if not seen and (not ours or owner[3]) then return 0 end
if owner[1] ~= ARGV[1] and not owner[3] then
  local nodes = { owner[1] }
  for node in string.gmatch(redis.call('HGET', KEYS[1], 'formerly') or '', '[^,]+') do
    if node ~= owner[1] and node ~= ARGV[1] and #nodes < 8 then nodes[#nodes + 1] = node end
  end
  redis.call('HSET', KEYS[1], 'formerly', table.concat(nodes, ','))
end
${STAMP}
redis.call('HSET', KEYS[1], 'node', ARGV[1], 'epoch', newer(ARGV[3]), 'lastSeenAt', stamp)
redis.call('HDEL', KEYS[1], 'released')
put(8)
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1`)

/**
 * Gives a claimed record back to the owner that it had and counts the failed
 * adoption, unless the last one was counted less than its pause ago: several
 * nodes may have tried at once. Sent twice, it does so once.
 * KEYS[1] record; ARGV our node, incarnation and a dot, the pauses after the first, second, ... failure (ms, with commas),
 * then field, value, ... of its owner.
 * Returns 1 restored, 0 not ours any more.
 */
export const unclaimRecord = script(`${OWNER}${PUT}${STAMP}
if not ours or owner[3] then return 0 end
put(4)
local failed = redis.call('HMGET', KEYS[1], 'adoptionFailures', 'adoptionFailedAt')
local failures, at = tonumber(failed[1]) or 0, tonumber(failed[2])
local pauses = {}
for pause in string.gmatch(ARGV[3], '%d+') do pauses[#pauses + 1] = tonumber(pause) end
local since = at and now - at
if since and since >= 0 and since < (pauses[failures] or 0) then return 1 end
redis.call('HSET', KEYS[1], 'adoptionFailures', failures + 1, 'adoptionFailedAt', stamp)
return 1`)

/**
 * Reads a record.
 * KEYS[1] record. Returns field, value, ...; nothing when absent. For one with failed adoptions
 * also 'adoptionFailedAgo', in ms by Redis' own clock.
 */
export const readRecord = script(`
local fields = redis.call('HGETALL', KEYS[1])
local at = tonumber(redis.call('HGET', KEYS[1], 'adoptionFailedAt') or '')
if at then
  ${NOW}
  fields[#fields + 1] = 'adoptionFailedAgo'
  fields[#fields + 1] = string.format('%.0f', now - at)
end
return fields`)

/**
 * Puts sessions into a node's index, used now.
 * KEYS[1] index; ARGV life of the index (ms), id, ... (at most 1000).
 */
export const touchIndex = script(`${REPLACING}${STAMP}
local entries = {}
for i = 2, #ARGV do
  entries[#entries + 1] = stamp
  entries[#entries + 1] = ARGV[i]
end
replacing('ZADD', KEYS[1], unpack(entries))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1`)

/**
 * Puts those sessions into a node's index that are not in it.
 * KEYS[1] index; ARGV life of the index (ms), id, ... (at most 1000).
 */
export const completeIndex = script(`${REPLACING}${STAMP}
local entries = {}
for i = 2, #ARGV do
  entries[#entries + 1] = stamp
  entries[#entries + 1] = ARGV[i]
end
replacing('ZADD', KEYS[1], 'NX', unpack(entries))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1`)

/**
 * Counts a node's index.
 * KEYS[1] index. Returns how many sessions are in it.
 */
export const countIndex = script("return redis.call('ZCARD', KEYS[1])")

/**
 * Takes sessions out of a node's index.
 * KEYS[1] index; ARGV id, ... (at most 1000). Returns how many are left in it.
 */
export const trimIndex = script(`${REPLACING}
replacing('ZREM', KEYS[1], unpack(ARGV))
return redis.call('ZCARD', KEYS[1])`)

/**
 * Looks for sessions in a node's index.
 * KEYS[1] index; ARGV id, ... (at most 1000). Returns those that are in it.
 */
export const listedIn = script(`
local listed = {}
for i = 1, #ARGV do
  if redis.call('ZSCORE', KEYS[1], ARGV[i]) then listed[#listed + 1] = ARGV[i] end
end
return listed`)

/**
 * Reads on in a node's index, oldest use first. Sessions that were touched
 * together share a score and are ordered by id.
 * KEYS[1] index; ARGV score and id of the last entry read ('' and '' at the beginning), limit.
 * Returns id, score, ...
 */
export const pageIndex = script(`
local score, id, limit = ARGV[1], ARGV[2], tonumber(ARGV[3])
if score == '' then return redis.call('ZRANGE', KEYS[1], 0, limit - 1, 'WITHSCORES') end
if redis.call('ZSCORE', KEYS[1], id) == score then
  local rank = redis.call('ZRANK', KEYS[1], id)
  return redis.call('ZRANGE', KEYS[1], rank + 1, rank + limit, 'WITHSCORES')
end
local start = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. score)
local page = {}
while #page < limit * 2 do
  local entries = redis.call('ZRANGE', KEYS[1], start, start + limit - 1, 'WITHSCORES')
  if #entries == 0 then break end
  for i = 1, #entries, 2 do
    if #page < limit * 2 and (entries[i + 1] ~= score or entries[i] > id) then
      page[#page + 1] = entries[i]
      page[#page + 1] = entries[i + 1]
    end
  end
  start = start + limit
end
return page`)
