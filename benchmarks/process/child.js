import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'

/** Whether a process can be tied to one core here. `taskset` is part of util-linux. */
export const canPin = availableParallelism() > 1 && spawnSync('taskset', ['-c', '0', 'true']).status === 0

/** The core of the measured server, and that of everything else. */
export const SERVER_CORE = 0
export const LOAD_CORE = 1

/** A process of its own that obeys orders (see orders.js). */
export class Child {
  #process
  #seq = 0
  #pending = new Map()

  /**
   * @param {string} script relative to this folder's parent
   * @param {{ core: number, args?: string[], nodeArgs?: string[] }} options
   */
  constructor (script, { core, args = [], nodeArgs = [] }) {
    const file = new URL(`../${script}`, import.meta.url).pathname
    const command = [process.execPath, '--expose-gc', ...nodeArgs, file, ...args]
    if (canPin) command.unshift('taskset', '-c', String(core))
    this.#process = spawn(command[0], command.slice(1), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.#process.on('message', ({ seq, value, error }) => {
      const { resolve, reject } = this.#pending.get(seq)
      this.#pending.delete(seq)
      if (error) reject(new Error(`${script}: ${error}`))
      else resolve(value)
    })
    this.#process.on('exit', (code, signal) => {
      for (const { reject } of this.#pending.values()) reject(new Error(`${script} ended with ${signal ?? code}`))
      this.#pending.clear()
    })
  }

  /** Asks the process to do something and waits for the outcome. */
  ask (order, args) {
    const seq = this.#seq++
    return new Promise((resolve, reject) => {
      this.#pending.set(seq, { resolve, reject })
      this.#process.send({ seq, order, args }, err => err && reject(err))
    })
  }

  /** Ends the process as a crash does: nothing is closed, nobody is told. */
  async kill () {
    const exit = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await exit
  }

  async end () {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const exit = once(this.#process, 'exit')
    this.#process.disconnect()
    await exit
  }
}
