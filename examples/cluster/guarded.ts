import { get } from 'node:https'
import { setTimeout as pause } from 'node:timers/promises'

const LIMIT = 30_000

/**
 * Waits until Traefik has the configuration that the nodes make: its guard
 * then keeps their internal paths from clients, with a 418.
 */
export async function untilGuarded (origin: string, ca: Buffer, stop: AbortSignal): Promise<void> {
  const limit = AbortSignal.timeout(LIMIT)
  const signal = AbortSignal.any([limit, stop])
  while (await statusOf(`${origin}/mcp-sticky/ready`, ca, signal) !== 418) {
    if (limit.aborted) throw new Error(`Traefik has not got its configuration from the nodes in ${LIMIT} ms.`)
    if (stop.aborted) return
    await pause(100)
  }
}

/** Undefined while nobody answers. */
function statusOf (url: string, ca: Buffer, signal: AbortSignal): Promise<number | undefined> {
  return new Promise(resolve => {
    get(url, { ca, signal, agent: false }, response => {
      response.resume()
      resolve(response.statusCode)
    }).on('error', () => resolve(undefined))
  })
}
