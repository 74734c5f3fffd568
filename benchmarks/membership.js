import { createRequire } from 'node:module'
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { startRedis } from './process/redis.js'

const HEARTBEAT = 2000

/**
 * What so many nodes cost that only know each other: their directories are the
 * real ones, in this process, over a few connections of their own; they have no
 * sessions. Then a deploy of all of them: each leaves, and another comes, a
 * share of them each second.
 *
 * @returns {Promise<{ nodes: number, calm: Share, deploy: Share }>} shares of a core: of Redis, and of one node
 * @typedef {{ redis: number, node: number, seconds: number }} Share
 */
export async function membership ({ nodes = 1000, connections = 50, seconds = 30, perSecond = 20, dist = new URL('../dist/', import.meta.url), log = () => {} }) {
  const { Redis } = createRequire(new URL('../package.json', import.meta.url))('ioredis')
  const { redisDirectory } = await import(new URL('redis/session-directory.js', dist).href)
  const { newIdentity } = await import(new URL('directory/node.js', dist).href)
  const redis = await startRedis()
  const clients = Array.from({ length: connections }, () => new Redis(redis.url))
  for (const client of clients) client.setMaxListeners(0)
  let made = 0
  const elsewhere = `${'0'.repeat(16)}.${randomBytes(16).toString('base64url')}`

  async function start () {
    const node = newIdentity({ id: `node-${++made}`, tags: 1 })
    const local = {
      size: 0, draining: false, room: 1000, leased: true, tagged: {}, has: () => false, record: () => undefined, ids: () => [], end () {}, kept () {}, beating: () => () => {}, superseded () {}, drainAsked () {}
    }
    const directory = redisDirectory({ client: clients[made % connections], node, keyPrefix: 'mcp:', ttl: 3_600_000, heartbeat: HEARTBEAT, log: { debug () {}, info () {}, warn (fields, text) { log(`${text} ${JSON.stringify(fields)}`) }, error () {} } })
    await directory.start(local)
    // A node that forwards: it remembers an owner, and wants to know whether it lives.
    const looking = setInterval(() => { directory.locate(elsewhere).catch(() => {}) }, HEARTBEAT)
    return { directory, local, stop: async () => { clearInterval(looking); await directory.stop([], 1000) } }
  }

  async function share (work) {
    const before = await spent(clients[0])
    const cpu = process.cpuUsage()
    const begun = performance.now()
    await work()
    const took = performance.now() - begun
    const { user, system } = process.cpuUsage(cpu)
    return { redis: ((await spent(clients[0])) - before) / (took / 1000), node: (user + system) / 1000 / took / nodes, seconds: took / 1000 }
  }

  const all = []
  try {
    for (let i = 0; i < nodes; i++) {
      all.push(await start())
      if (i === 0) await all[0].directory.add({ id: elsewhere, createdAt: Date.now(), protocolVersion: '2025-11-25', clientInfo: { name: 'x', version: '1' } })
      // Their beats are spread over the interval, as those of processes are.
      if (i % 10 === 9) await delay(HEARTBEAT * 10 / nodes)
    }
    await delay(2 * HEARTBEAT)
    const known = await all[0].directory.nodes()
    if (known.length !== nodes) throw new Error(`${known.length} nodes of ${nodes} are known`)
    const calm = await share(() => delay(seconds * 1000))
    const deploy = await share(async () => {
      for (let i = 0; i < nodes; i++) {
        const old = all[i]
        old.local.draining = true
        old.directory.announce()
        const young = await start()
        await old.stop()
        all[i] = young
        if (i % perSecond === perSecond - 1) await delay(800)
      }
    })
    return { nodes, calm, deploy }
  } finally {
    await Promise.allSettled(all.map(({ stop }) => stop()))
    for (const client of clients) client.disconnect()
    await redis.end()
  }
}

/** Seconds of CPU that Redis has used. */
async function spent (client) {
  const info = await client.info('cpu')
  return ['used_cpu_user', 'used_cpu_sys'].reduce((sum, name) => sum + Number(new RegExp(`^${name}:(.*)$`, 'm').exec(info)[1]), 0)
}
