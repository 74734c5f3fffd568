import { Redis } from 'ioredis'
import { Child, LOAD_CORE, SERVER_CORE } from './process/child.js'
import { freePort } from './process/free-port.js'

const CONNECTIONS = 16
const PREFIX = 'mcp:'

/**
 * Sessions are opened, change their state, and are closed at once, again and
 * again. What is in Redis beside the node's own keys afterwards, and what the
 * second half of the sessions has added to the node's heap and open files.
 */
export async function leftBehind ({ cycles, redis, log }) {
  const port = await freePort()
  const server = new Child('servers/sticky.js', { core: SERVER_CORE, args: [redis.url, 'auto', String(port), 'mark'] })
  const load = new Child('load/load.js', { core: LOAD_CORE })
  const client = new Redis(redis.url)
  try {
    // Other parts leave the sessions of nodes that they kill.
    await client.flushall()
    await server.ask('listen')
    const half = async () => {
      await load.ask('cycles', { port, count: cycles / 2, connections: CONNECTIONS, tool: 'mark' })
      const { heapUsed } = await server.ask('memory')
      return { heapUsed, files: await server.ask('files') }
    }
    const first = await half()
    const second = await half()
    const key = await server.ask('nodeKey')
    const left = async () => await client.zcard(`${key}:sessions`) + (await client.keys(`${PREFIX}session:*`)).length
    // The last of them are on their way.
    for (let i = 0; i < 100 && await left() > 0; i++) await new Promise(resolve => setTimeout(resolve, 100))
    const result = { cycles, inRedis: await left(), heap: (second.heapUsed - first.heapUsed) / (cycles / 2), files: second.files - first.files }
    log(`of ${cycles} sessions ${result.inRedis} keys and index entries are left; each adds ${result.heap.toFixed(1)} bytes of heap, all together ${result.files} open files`)
    return result
  } finally {
    client.disconnect()
    await Promise.all([load.end(), server.end()])
  }
}
