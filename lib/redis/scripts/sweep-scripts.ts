import { NOW, REPLACING, script } from './script.ts'

/**
 * Takes the sweeper's part, or keeps it. A holder for ever is none of ours.
 * KEYS[1] sweeper; ARGV node id, life (ms). Returns 1 it is ours, 0 another node's.
 */
export const takeSweep = script(`${REPLACING}
local holder = replacing('GET', KEYS[1])
if holder and holder ~= ARGV[1] and redis.call('PTTL', KEYS[1]) >= 0 then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`)

/**
 * Reads what was not used for long in a node's index, oldest first.
 * KEYS[1] index; ARGV for how long (ms), entries to skip, limit. Returns the size of the index, then ids.
 */
export const pageIdle = script(`${NOW}
local cutoff = string.format('(%.0f', now - ARGV[1])
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', cutoff, 'LIMIT', ARGV[2], ARGV[3])
table.insert(ids, 1, redis.call('ZCARD', KEYS[1]))
return ids`)

/**
 * Deletes an orphan's record that nobody has asked for, unless it is for nodes of a newer format.
 * KEYS[1] record; ARGV node, what the epochs of its live incarnation begin with ('' for a dead node), for how long (ms), our format.
 * Returns 1 deleted, 0 it stays, -1 there is none under this node.
 */
export const sweepRecord = script(`
local record = redis.call('HMGET', KEYS[1], 'node', 'epoch', 'released', 'lastSeenAt', 'reader')
if record[1] ~= ARGV[1] then return -1 end
local lives = ARGV[2] ~= '' and string.sub(record[2] or '', 1, #ARGV[2]) == ARGV[2]
if lives and not record[3] then return 0 end
if (tonumber(record[5]) or 0) > tonumber(ARGV[4]) then return 0 end
${NOW}
if (tonumber(record[4]) or 0) >= now - ARGV[3] then return 0 end
return redis.call('DEL', KEYS[1])`)

/**
 * Takes entries out of a node's index, unless they were used since.
 * KEYS[1] index; ARGV for how long they were not (ms), id, ... (at most 1000). Returns the size of the index.
 */
export const trimIdle = script(`${NOW}
for i = 2, #ARGV do
  local score = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if score and tonumber(score) < now - ARGV[1] then redis.call('ZREM', KEYS[1], ARGV[i]) end
end
return redis.call('ZCARD', KEYS[1])`)
