import { createHash } from 'node:crypto'

/** A Lua script that touches exactly one key. */
export interface Script { lua: string, sha: string }

/**
 * Everything we ask of Redis is a script, reads too: a Cluster client sends
 * EVALSHA to masters whatever its `scaleReads` says, and there is one way to
 * call, bound and retry.
 */
export function script (lua: string): Script {
  return { lua, sha: createHash('sha1').update(lua).digest('hex') }
}

/**
 * Lua: `replacing(command, KEYS[1], ...)` does as redis.call, but a key of another
 * type, which nobody of us can have written, goes first.
 */
export const REPLACING = `
local function replacing (...)
  local answer = redis.pcall(...)
  if type(answer) ~= 'table' or not answer.err then return answer end
  if string.find(answer.err, 'WRONGTYPE', 1, true) then redis.call('DEL', KEYS[1]) end
  return redis.call(...)
end`

/** Lua: `now`, milliseconds since the Unix epoch by Redis' own clock. */
export const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)`
