import { setTimeout as pause } from 'node:timers/promises'
import { Child, LOAD_CORE, SERVER_CORE } from './process/child.js'
import { freePort } from './process/free-port.js'
import { startRedis } from './process/redis.js'
import { median } from './report.js'

const CONNECTIONS = 16
/** Three beats: every lease has lapsed. */
const LAPSE = 6000

/**
 * Calls to the sessions of a node that others may adopt sessions from, while
 * Redis answers and then while it is away and the lease has lapsed. Per second
 * of the node's CPU time; the ratio is that of the medians.
 */
export async function outage ({ sessions, warmUp, rounds, calls, log }) {
  const redis = await startRedis()
  const port = await freePort()
  const server = new Child('servers/sticky.js', { core: SERVER_CORE, args: [redis.url, 'auto', String(port)] })
  const load = new Child('load/load.js', { core: LOAD_CORE })
  let there = true
  try {
    await server.ask('listen')
    await load.ask('open', { port, count: sessions, connections: CONNECTIONS })
    await load.ask('calls', { port, count: warmUp })
    const measured = async name => {
      const perCpuSecond = []
      for (let round = 1; round <= rounds; round++) {
        const before = await server.ask('usage')
        await load.ask('calls', { port, count: calls })
        perCpuSecond.push(calls / (await server.ask('usage') - before) * 1e6)
      }
      log(`${name}, calls per CPU second: ${perCpuSecond.map(Math.round).join(' ')}`)
      return median(perCpuSecond)
    }
    const present = await measured('Redis answers')
    there = false
    await redis.end()
    await pause(LAPSE)
    const away = await measured('Redis is away')
    return { sessions, present, away, ratio: away / present }
  } finally {
    await Promise.all([load.end(), server.end()])
    if (there) await redis.end()
  }
}
