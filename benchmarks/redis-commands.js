import { Child, LOAD_CORE, SERVER_CORE } from './process/child.js'
import { Monitor } from './process/monitor.js'

/** Keys that nodes have in common. */
export const SHARED = new Set(['mcp:members', 'mcp:loads', 'mcp:tags', 'mcp:nodes', 'mcp:secret'])

/**
 * What Redis is asked while one session of this node makes its calls, seen
 * with MONITOR. The node's own keys (heartbeat, close set) are left out. `script`,
 * `args`, `kind`: another server, and clients without a session.
 *
 * @returns {Promise<{ calls: number, commands: Record<string, number>, heartbeats: number }>} commands by name and kind of key
 */
export async function redisCommands ({ calls, redis, script = 'servers/sticky.js', args = ['auto'], kind }) {
  const server = new Child(script, { core: SERVER_CORE, args: [redis.url, ...args] })
  const load = new Child('load/load.js', { core: LOAD_CORE })
  const monitor = await Monitor.open(redis.port)
  try {
    const port = await server.ask('listen')
    const nodeKey = await server.ask('nodeKey')
    const isHeartbeat = ({ key }) => SHARED.has(key) || (key?.startsWith(nodeKey) && !key.endsWith(':sessions'))
    await load.ask('open', { port, count: 1, connections: 1, kind })
    const begin = await monitor.mark()
    await load.ask('calls', { port, count: calls })
    // Whatever the calls left for later goes out with the next heartbeat at the latest, and MONITOR sees that.
    const called = await monitor.mark()
    await monitor.until(command => isHeartbeat(command), called)
    const end = await monitor.mark()

    const seen = monitor.commands.slice(begin, end).filter(({ name }) => name !== 'echo')
    const commands = {}
    for (const command of seen.filter(command => !isHeartbeat(command))) {
      const kind = `${command.name} ${command.key?.replace(/^(mcp:session:).*/, '$1…') ?? ''}`.trim()
      commands[kind] = (commands[kind] ?? 0) + 1
    }
    return { calls, commands, heartbeats: seen.filter(isHeartbeat).length }
  } finally {
    monitor.close()
    await Promise.all([load.end(), server.end()])
  }
}
