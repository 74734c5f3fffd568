import { script } from './script.ts'

/**
 * Claims or renews a node's key.
 * KEYS[1] node; ARGV value (JSON), epoch, life (ms), the value that may be replaced ('' for none).
 * Returns 1 renewed, 0 set (the key was gone, or replaced), or another epoch's value as it stands.
 */
export const beatNode = script(`
local value = redis.call('GET', KEYS[1])
local mine = value and cjson.decode(value).epoch == ARGV[2]
if value and not mine and value ~= ARGV[4] then return value end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
return mine and 1 or 0`)

/**
 * Reads a node's key.
 * KEYS[1] node. Returns its value (JSON) or nil.
 */
export const readNode = script("return redis.call('GET', KEYS[1])")

/**
 * Deletes a node's key if it is this epoch's.
 * KEYS[1] node; ARGV epoch. Returns 1 deleted, 0 absent, -1 another epoch's.
 */
export const dropNode = script(`
local value = redis.call('GET', KEYS[1])
if not value then return 0 end
if cjson.decode(value).epoch ~= ARGV[1] then return -1 end
return redis.call('DEL', KEYS[1])`)

/**
 * Adds to a set (node ids, a close set).
 * KEYS[1] set; ARGV life (ms, '' for ever), member, ...
 */
export const addMembers = script(`
redis.call('SADD', KEYS[1], unpack(ARGV, 2))
if ARGV[1] ~= '' then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return 1`)

/**
 * Removes from a set.
 * KEYS[1] set; ARGV member, ... (at most 1000).
 */
export const removeMembers = script("return redis.call('SREM', KEYS[1], unpack(ARGV))")

/**
 * Reads a set.
 * KEYS[1] set. Returns its members.
 */
export const readMembers = script("return redis.call('SMEMBERS', KEYS[1])")

/**
 * Deletes a key.
 * KEYS[1] any.
 */
export const deleteKey = script("return redis.call('DEL', KEYS[1])")
