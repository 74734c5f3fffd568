import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

export interface Child {
  pid: number | undefined
  /** Rejects with what it has printed if it ends before it is ready. */
  ready: Promise<void>
  /** SIGTERM; resolves when the process has ended. */
  stop: () => Promise<void>
  kill: () => void
}

/**
 * Starts a process and, once it is ready, hands its lines to `show`. It is in
 * a group of its own: Ctrl-C reaches us alone, and we end the processes in the
 * right order.
 */
export function startChild ({ command, args, env = {}, isReady, show }: {
  command: string
  args: string[]
  env?: Record<string, string>
  /** A line that it prints, or something else that resolves. */
  isReady: RegExp | (() => Promise<void>)
  show: (line: string) => void
}): Child {
  const child = spawn(command, args, { env: { ...process.env, ...env }, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = new Promise<string>(resolve => {
    child.once('error', error => resolve(error.message))
    child.once('close', (code, signal) => resolve(signal ?? `code ${code}`))
  })
  const before: string[] = []
  const ready = new Promise<void>((resolve, reject) => {
    if (typeof isReady === 'function') isReady().then(resolve, reject)
    ended.then(how => reject(new Error(`${command} ended (${how}) before it was ready.\n${before.join('\n')}`)), reject)
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', line => {
        if (started) return show(line)
        before.push(line)
        if (isReady instanceof RegExp && isReady.test(line)) resolve()
      })
    }
  })
  let started = false
  let stopping = false
  ready.then(async () => {
    started = true
    const how = await ended
    if (!stopping) show(`has ended: ${how}`)
  }, () => {}) // Whoever stops it before no longer asks.

  return {
    pid: child.pid,
    ready,
    async stop () {
      stopping = true
      child.kill('SIGTERM')
      await ended
    },
    kill: () => { child.kill('SIGKILL') }
  }
}
