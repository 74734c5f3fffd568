import type { FastifyInstance } from 'fastify'
import { connectionsOf } from './connections.ts'
import type { Drained } from '../sessions/mcp-sessions.ts'

/** Milliseconds for connections to end, beyond the time that calls in flight have. */
const CONNECTIONS = 3000
/** Milliseconds for the application's onClose hooks, once no connection is open. */
const HOOKS = 5000
/** Milliseconds for what the application has still to write, once it is closed. */
const LINGER = 500

/**
 * Ends the application in the order that loses nothing, and then the process, on SIGTERM and SIGINT:
 * `app.mcpSessions.drain()`, then `app.close()`. An uncaught exception or an unhandled rejection
 * does the same. A second of any of these cuts the waiting short, a third ends the process at once.
 *
 * Connections that are still open when `drain.timeout` is over are broken off, and
 * whatever keeps the process alive after that: it ends within `drain.grace` + `drain.timeout` + 10 s.
 * The exit code is 1 after an error, when calls were lost, and when closing took too long.
 *
 * Returns what takes the listeners off again.
 */
export function closeOnSignal (app: FastifyInstance, signals: NodeJS.Signals[] = ['SIGTERM', 'SIGINT']): () => void {
  const { log } = app
  const cut = new AbortController()
  let ending = false

  function onSignal (signal: NodeJS.Signals): void {
    end({ signal })
  }
  function onError (error: unknown, origin?: unknown): void {
    process.exitCode = 1
    log.fatal({ err: error }, origin === 'uncaughtException' ? 'uncaught exception' : 'unhandled rejection')
    end({})
  }
  function end (why: { signal?: string }): void {
    if (cut.signal.aborted) {
      log.error(why, 'ending the process at once')
      process.exit(1)
    }
    log.info(why, ending ? 'closing now' : 'draining, then closing')
    if (ending) return cut.abort()
    ending = true
    close().catch(error => {
      process.exitCode = 1
      log.error({ err: error }, 'closing the application failed')
    }).finally(exit)
  }

  async function close (): Promise<void> {
    let drained: Drained | undefined
    try {
      drained = await app.mcpSessions.drain({ signal: cut.signal })
    } finally {
      await closed((drained?.left ?? 0) + CONNECTIONS)
    }
    if (drained.lost > 0) process.exitCode = 1
  }

  /** `time`: milliseconds for open connections to end. */
  async function closed (time: number): Promise<void> {
    const connections = connectionsOf(app.server)
    const breakOff = setTimeout(() => {
      log.warn({ connections: connections.breakOff() }, 'connections were still open when the time to drain was over; they are broken off')
    }, time)
    const giveUp = setTimeout(() => {
      log.error('closing the application takes too long; the process ends without it')
      process.exit(1)
    }, time + HOOKS)
    cut.signal.addEventListener('abort', () => connections.breakOff(), { once: true })
    await app.close()
    clearTimeout(breakOff)
    clearTimeout(giveUp)
  }

  /** Nothing is left to do: whatever else would keep the process alive, a client of Redis for example, does not. */
  function exit (): void {
    log.info({ code: process.exitCode ?? 0 }, 'closed')
    setTimeout(() => process.exit(), LINGER).unref()
  }
  function stop (): void {
    for (const signal of signals) process.off(signal, onSignal)
    process.off('uncaughtException', onError)
    process.off('unhandledRejection', onError)
  }

  connectionsOf(app.server)
  for (const signal of signals) process.on(signal, onSignal)
  process.on('uncaughtException', onError)
  process.on('unhandledRejection', onError)
  return stop
}
