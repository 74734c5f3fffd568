import { REPLACING, script } from './script.ts'

/*
 * The keys of nodes of a format below 2 (see format.ts): `mcp:node:<id>`, and the set of their ids.
 * Newer ones have them only while such nodes live.
 */

/** What stands at a node's key; '' for what is no string. */
const CURRENT = `
local function current ()
  local value = redis.pcall('GET', KEYS[1])
  if type(value) ~= 'table' then return value end
  return string.find(value.err, 'WRONGTYPE', 1, true) and '' or redis.call('GET', KEYS[1])
end`

/**
 * The epoch of what a node says of itself, and whether it is of this incarnation: its epochs begin with it and
 * a dot. What has no epoch is none of a node's: it has neither, and may be written over.
 */
export const INCARNATION = `
local function epochOf (value)
  local read, state = pcall(cjson.decode, value)
  return read and type(state) == 'table' and type(state.epoch) == 'string' and state.epoch
end
local function mine (epoch, incarnation)
  return epoch and string.sub(epoch, 1, #incarnation) == incarnation
end`

/**
 * Takes or renews a node's key.
 * KEYS[1] node; ARGV value (JSON), incarnation and a dot, life (ms), the value that may be replaced ('' for none).
 * Returns 1 renewed, 0 set (the key was gone, or replaced), 2 set (what was there was no node's), or
 * another incarnation's value as it stands.
 */
export const beatNode = script(`${CURRENT}${INCARNATION}
local value = current()
local epoch = value and epochOf(value)
local renewed = mine(epoch, ARGV[2])
if epoch and not renewed and value ~= ARGV[4] then return value end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
if renewed then return 1 end
return value and not epoch and 2 or 0`)

/**
 * Reads a node's key.
 * KEYS[1] node. Returns its value (JSON) or nil.
 */
export const readNode = script("return redis.call('GET', KEYS[1])")

/**
 * Deletes a node's key if it is this incarnation's.
 * KEYS[1] node; ARGV incarnation and a dot. Returns 1 deleted, 0 absent, -1 another incarnation's.
 */
export const dropNode = script(`${CURRENT}${INCARNATION}
local value = current()
if not value then return 0 end
if not mine(epochOf(value), ARGV[1]) then return -1 end
return redis.call('DEL', KEYS[1])`)

/**
 * Adds to a set (node ids, a close set).
 * KEYS[1] set; ARGV life (ms, '' for ever), member, ... Returns how many are in it.
 */
export const addToSet = script(`${REPLACING}
replacing('SADD', KEYS[1], unpack(ARGV, 2))
if ARGV[1] ~= '' then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return redis.call('SCARD', KEYS[1])`)

/**
 * Removes from a set.
 * KEYS[1] set; ARGV member, ... (at most 1000).
 */
export const removeFromSet = script("return redis.call('SREM', KEYS[1], unpack(ARGV))")

/**
 * Counts a set.
 * KEYS[1] set. Returns how many are in it.
 */
export const countSet = script("return redis.call('SCARD', KEYS[1])")

/**
 * Reads a set.
 * KEYS[1] set. Returns its members.
 */
export const readSet = script("return redis.call('SMEMBERS', KEYS[1])")

/**
 * Reads the secret that the nodes share, or makes it.
 * KEYS[1] secret; ARGV what it is to be if there is none, the value that is none ('' for none).
 * Returns what it is.
 */
export const shareSecret = script(`${REPLACING}
local secret = replacing('GET', KEYS[1])
if secret and (secret ~= ARGV[2] or ARGV[2] == '') then return secret end
redis.call('SET', KEYS[1], ARGV[1])
return ARGV[1]`)

/**
 * Deletes a key.
 * KEYS[1] any.
 */
export const deleteKey = script("return redis.call('DEL', KEYS[1])")

/**
 * Reads how much memory the key's server may use, and what it does at the limit.
 * KEYS[1] any. Returns INFO's section on memory.
 */
export const readSettings = script("return redis.call('INFO', 'memory')")

/** Tells whoever listens. KEYS[1] channel; ARGV message (JSON). */
export const publish = script("return redis.call('PUBLISH', KEYS[1], ARGV[1])")
