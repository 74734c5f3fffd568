import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'

/** Everything that clients send to a Redis server, in order. What a script does inside Redis is not counted twice. */
export class Monitor {
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
    const place = await this.until(({ args }) => args.includes(token), this.commands.length)
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
