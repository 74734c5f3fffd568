import { script } from './script.ts'

const NOW = `
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))`

/**
 * Writes a record unless another owner has one under this id.
 * KEYS[1] record; ARGV node, epoch, ttl (ms), then field, value, ...
 * Returns 1 written, 0 another owner's.
 */
export const addRecord = script(`
local owner = redis.call('HMGET', KEYS[1], 'node', 'epoch')
if owner[1] and (owner[1] ~= ARGV[1] or owner[2] ~= ARGV[2]) then return 0 end
${NOW}
redis.call('HSET', KEYS[1], 'node', ARGV[1], 'epoch', ARGV[2], 'lastSeenAt', now, unpack(ARGV, 4))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1`)

/**
 * Renews a record of ours.
 * KEYS[1] record; ARGV node, epoch, ttl (ms).
 * Returns 1 renewed, 0 another owner's, -1 absent.
 */
export const renewRecord = script(`
local owner = redis.call('HMGET', KEYS[1], 'node', 'epoch')
if not owner[1] then return -1 end
if owner[1] ~= ARGV[1] or owner[2] ~= ARGV[2] then return 0 end
${NOW}
redis.call('HSET', KEYS[1], 'lastSeenAt', now)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1`)

/**
 * Deletes a record if it still names this node and epoch.
 * KEYS[1] record; ARGV node, epoch.
 * Returns 1 deleted, 0 another owner's, -1 absent.
 */
export const dropRecord = script(`
local owner = redis.call('HMGET', KEYS[1], 'node', 'epoch')
if not owner[1] then return -1 end
if owner[1] ~= ARGV[1] or owner[2] ~= ARGV[2] then return 0 end
redis.call('DEL', KEYS[1])
return 1`)

/**
 * Reads a record.
 * KEYS[1] record. Returns field, value, ...; nothing when absent.
 */
export const readRecord = script("return redis.call('HGETALL', KEYS[1])")

/**
 * Puts sessions into a node's index, used now.
 * KEYS[1] index; ARGV life of the index (ms), id, ... (at most 1000).
 */
export const touchIndex = script(`
${NOW}
local entries = {}
for i = 2, #ARGV do
  entries[#entries + 1] = now
  entries[#entries + 1] = ARGV[i]
end
redis.call('ZADD', KEYS[1], unpack(entries))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1`)

/**
 * Takes sessions out of a node's index.
 * KEYS[1] index; ARGV id, ... (at most 1000). Returns how many are left in it.
 */
export const trimIndex = script(`
redis.call('ZREM', KEYS[1], unpack(ARGV))
return redis.call('ZCARD', KEYS[1])`)

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
