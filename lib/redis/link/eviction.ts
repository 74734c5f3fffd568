import type { Keys } from '../keys.ts'
import type { Log } from './availability.ts'
import type { Link } from './link.ts'
import { readSettings } from '../scripts/node-scripts.ts'

/** The eviction policy of a server that is limited and takes away keys it was told to keep; undefined where none does, or it does not tell. */
export async function evictingPolicy (link: Link, keys: Keys): Promise<string | undefined> {
  let info: string
  try {
    info = String(await link.run(readSettings, keys.nodes))
  } catch {
    // An ACL need not let us ask.
    return undefined
  }
  const field = (name: string) => new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(info)?.[1]
  const policy = field('maxmemory_policy')
  return policy === undefined || policy === 'noeviction' || field('maxmemory') === '0' ? undefined : policy
}

/** Says so where Redis may take away what the directory keeps. */
export async function warnOfEviction (link: Link, keys: Keys, log: Pick<Log, 'warn'>): Promise<void> {
  const policy = await evictingPolicy(link, keys)
  if (policy !== undefined) log.warn({ maxmemoryPolicy: policy }, 'Redis may evict what the session directory keeps there; set its maxmemory-policy to noeviction')
}
