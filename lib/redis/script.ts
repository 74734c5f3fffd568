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
