import { failed, ok, skipped } from './check.ts'
import type { Check } from './check.ts'
import type { Inside } from './inside.ts'

/** What a node and the event store ask of Redis, with arguments that each takes; `@` stands for a key. */
export const COMMANDS = [
  'get @', 'set @ 1', 'del @', 'unlink @', 'pexpire @ 1', 'pttl @', 'time',
  'sadd @ 1', 'srem @ 1', 'smembers @', 'scard @',
  'hset @ 1 1', 'hget @ 1', 'hmget @ 1', 'hgetall @', 'hkeys @', 'hlen @', 'hdel @ 1', 'hexists @ 1', 'hincrby @ 1 1',
  'zadd @ 1 1', 'zrem @ 1', 'zcard @', 'zcount @ 0 1', 'zrange @ 0 1', 'zrangebyscore @ 0 1', 'zrank @ 1', 'zscore @ 1',
  'xadd @ * 1 1', 'xrange @ - +', 'xrevrange @ + -', 'xtrim @ MAXLEN 1',
  'eval 1 0', 'evalsha 1 0', 'ping'
]

/** KEYS[1] a key of the plugin's; ARGV commands. Returns the names of those that this user may not run: none is run. */
const FORBIDDEN = `
local forbidden = {}
for _, command in ipairs(ARGV) do
  local words = {}
  for word in string.gmatch(command, '%S+') do words[#words + 1] = word == '@' and KEYS[1] or word end
  if not redis.acl_check_cmd(unpack(words)) then forbidden[#forbidden + 1] = words[1] end
end
return forbidden`

/** A field of INFO on every master; undefined where Redis does not tell. */
async function fields ({ servers }: Inside, section: string, names: string[]): Promise<Array<Record<string, string>> | undefined> {
  try {
    return await Promise.all(servers().map(async server => {
      const info = await server.info(section)
      return Object.fromEntries(names.map(name => [name, new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(info)?.[1] ?? '']))
    }))
  } catch (error) {
    if (/^NOPERM/.test((error as Error).message)) return undefined
    throw error
  }
}

const UNTOLD = 'this user may not run INFO'

export const redisEviction: Check<Inside> = {
  name: 'redis-eviction',
  why: 'With another policy Redis takes heartbeats and records of live sessions away once its memory is full, and nodes that live look dead.',
  cure: { Redis: 'maxmemory-policy noeviction, and maxmemory above what the directory needs. ElastiCache and Azure begin with volatile-lru: use a parameter group of your own' },
  async run (inside) {
    const told = await fields(inside, 'memory', ['maxmemory_policy', 'maxmemory'])
    if (told === undefined) return skipped(UNTOLD)
    const saw = [...new Set(told.map(({ maxmemory_policy: policy, maxmemory }) => `${policy}, maxmemory ${maxmemory}`))].join('; ')
    return told.every(({ maxmemory_policy: policy }) => policy === 'noeviction') ? ok(saw) : failed(saw)
  }
}

export const redisPersistence: Check<Inside> = {
  name: 'redis-persistence',
  why: 'A Redis that comes back empty has forgotten the sessions of nodes that are gone, and who took what: sessions are lost, or have two owners for a moment.',
  cure: { Redis: 'appendonly yes, or a replica to fail over to (Sentinel, Cluster)', Kubernetes: 'a PersistentVolumeClaim for Redis\' folder' },
  async run (inside) {
    const told = await fields(inside, 'everything', ['aof_enabled', 'connected_slaves'])
    if (told === undefined) return skipped(UNTOLD)
    const bare = told.filter(({ aof_enabled: aof, connected_slaves: replicas }) => aof !== '1' && !(Number(replicas) > 0))
    return bare.length > 0
      ? failed(`${bare.length} of ${told.length} servers without AOF and without a replica`)
      : ok([...new Set(told.map(({ aof_enabled: aof, connected_slaves: replicas }) => `${aof === '1' ? 'AOF' : 'no AOF'}, ${replicas} replicas`))].join('; '))
  }
}

export const redisAcl: Check<Inside> = {
  name: 'redis-acl',
  why: 'A command that a node may not run fails when it is needed first: sessions are not recorded, not found, or not handed over. Nothing makes up for it.',
  cure: { Redis: 'the ACL line of docs/operations.md, for the user that the nodes have. Give --redis with that user: its rights are what is looked at' },
  async run ({ client, keyPrefix }) {
    let forbidden: string[]
    try {
      forbidden = await client.eval(FORBIDDEN, 1, `${keyPrefix}doctor`, ...COMMANDS) as string[]
    } catch (error) {
      const { message } = error as Error
      if (/^NOPERM/.test(message)) return failed('eval is not allowed')
      if (/acl_check_cmd/.test(message)) return skipped('this Redis cannot say which commands are allowed')
      throw error
    }
    return forbidden.length > 0 ? failed(`not allowed: ${forbidden.join(' ')}`) : ok(`${COMMANDS.length} commands are allowed`)
  }
}
