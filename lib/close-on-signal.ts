import type { FastifyInstance } from 'fastify'
import { lastRequests } from './last-requests.ts'

/** Milliseconds for connections to serve what is on its way. */
const LAST_REQUESTS = 2000

/**
 * Ends the application in the order that loses nothing, on SIGTERM and SIGINT:
 * `app.mcpSessions.drain()`, then one last request on each connection while
 * nobody can open another, then `app.close()`. A second signal cuts it short.
 * Use it with `Fastify({ return503OnClosing: false })`. Returns what takes the
 * listeners off again; they also go once the application is closed.
 */
export function closeOnSignal (app: FastifyInstance, signals: NodeJS.Signals[] = ['SIGTERM', 'SIGINT']): () => void {
  const cut = new AbortController()
  let closing = false
  const close = (signal: NodeJS.Signals): void => {
    app.log.info({ signal }, closing ? 'closing now' : 'draining, then closing')
    if (closing) return cut.abort()
    closing = true
    end().catch(error => {
      app.log.error({ err: error }, 'closing the application failed')
      process.exitCode = 1
    })
  }
  async function end (): Promise<void> {
    try {
      await app.mcpSessions.drain({ signal: cut.signal })
      await lastRequests(app.server, LAST_REQUESTS, cut.signal)
    } finally {
      await app.close()
      stop()
    }
  }
  function stop (): void {
    for (const signal of signals) process.off(signal, close)
  }
  for (const signal of signals) process.on(signal, close)
  return stop
}
