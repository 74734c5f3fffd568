import { REPLACING, script } from './script.ts'

/**
 * Notes a step of a session's trail; a second time it changes nothing. Of too many the oldest goes: the
 * names of the fields are in their order.
 * KEYS[1] trail; ARGV field, step (JSON), life (ms; 0: the trail goes), steps that are kept.
 */
export const noteStep = script(`${REPLACING}
if ARGV[3] == '0' then return redis.call('DEL', KEYS[1]) end
replacing('HSET', KEYS[1], ARGV[1], ARGV[2])
if redis.call('HLEN', KEYS[1]) > tonumber(ARGV[4]) then
  local fields = redis.call('HKEYS', KEYS[1])
  table.sort(fields)
  redis.call('HDEL', KEYS[1], fields[1])
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])`)

/** Reads a trail: field, step, ... KEYS[1] trail. A key of another type is none. */
export const readTrail = script(`
local entries = redis.pcall('HGETALL', KEYS[1])
if entries.err then return {} end
return entries`)
