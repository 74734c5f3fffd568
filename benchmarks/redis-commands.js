import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { Child, LOAD_CORE, SERVER_CORE } from './process/child.js'

/**
 * What Redis is asked while one session of this node makes its calls, seen
 * with MONITOR. The node's own keys (heartbeat, close set) are left out.
 *
 * @returns {Promise<{ calls: number, commands: Record<string, number>, heartbeats: number }>} commands by name and kind of key
 */
export async function redisCommands ({ calls, redis }) {
  const server = new Child('servers/sticky.js', { core: SERVER_CORE, args: [redis.url, 'auto'] })
  const load = new Child('load/load.js', { core: LOAD_CORE })
  const monitor = await Monitor.open(redis.port)
  try {
    const port = await server.ask('listen')
    const nodeKey = await server.ask('nodeKey')
    const isHeartbeat = ({ key }) => key === 'mcp:nodes' || (key?.startsWith(nodeKey) && !key.endsWith(':sessions'))
    await load.ask('open', { port, count: 1, connections: 1 })
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

/** Everything that clients send to a Redis server, in order. What a script does inside Redis is not counted twice. */
class Monitor {
  commands = []
  #changed = []
  #rest = ''
  #port

  static async open (port) {
    const socket = connect({ host: '127.0.0.1', port })
    await once(socket, 'connect')
    const monitor = new Monitor(socket, port)
    socket.write('MONITOR\r\n')
    await monitor.mark()
    return monitor
  }

  constructor (socket, port) {
    this.socket = socket.setEncoding('utf8')
    this.#port = port
    socket.on('data', text => this.#read(text))
  }

  close () {
    this.socket.destroy()
  }

  /** Waits until everything that was sent before is known. Returns the place in `commands`. */
  async mark () {
    const token = randomUUID()
    const socket = connect({ host: '127.0.0.1', port: this.#port })
    socket.write(`ECHO ${token}\r\n`)
    const place = await this.until(({ args }) => args.includes(token), 0)
    socket.destroy()
    return place
  }

  /** The place of the first such command at or after `from`; waits for it. */
  async until (test, from) {
    for (;;) {
      const place = this.commands.findIndex((command, i) => i >= from && test(command))
      if (place !== -1) return place
      await new Promise(resolve => this.#changed.push(resolve))
    }
  }

  #read (text) {
    const lines = (this.#rest + text).split('\r\n')
    this.#rest = lines.pop()
    for (const line of lines) {
      const [, source, rest] = /^\+\d+\.\d+ \[\d+ (\S+)\] (.*)$/.exec(line) ?? []
      if (source === undefined || source === 'lua') continue
      const args = Array.from(rest.matchAll(/"((?:[^"\\]|\\.)*)"/g), ([, arg]) => arg)
      const name = args[0].toLowerCase()
      this.commands.push({ name, args, key: name.startsWith('eval') ? args[3] : args[1] })
    }
    for (const resolve of this.#changed.splice(0)) resolve()
  }
}
