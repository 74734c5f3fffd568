import type { Server } from 'node:http'
import { Server as NetServer } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

/** Milliseconds without a request after which those who hold a connection open are taken not to be about to use it. */
const QUIET = 250

/**
 * Stops listening and lets the connections that are there end without losing a
 * request: each serves one more, whose answer says that it was the last, and
 * those that nobody uses are closed. Closed at once, as server.close() does,
 * a connection may have a request on its way that its proxy will not send
 * again. For HTTP/1; returns after `bound` milliseconds at the latest.
 */
export async function lastRequests (server: Server, bound: number, signal: AbortSignal): Promise<void> {
  // Servers of HTTP/2 have no such method, and tell their clients which request was the last.
  if (typeof server.closeIdleConnections !== 'function' || !server.listening) return
  const end = performance.now() + bound
  let latest = performance.now()
  server.prependListener('request', (_request, response) => {
    latest = performance.now()
    response.shouldKeepAlive = false
  })
  // http.Server's own would close the idle connections.
  NetServer.prototype.close.call(server)
  for (;;) {
    const left = Math.min(latest + QUIET, end) - performance.now()
    if (left <= 0 || signal.aborted) break
    await pause(left, undefined, { signal }).catch(error => { if (!signal.aborted) throw error })
  }
  server.closeIdleConnections()
}
