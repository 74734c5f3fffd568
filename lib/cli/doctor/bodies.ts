import { failed, ok } from './check.ts'
import type { Check, Seen } from './check.ts'
import { words } from './endpoint.ts'
import type { Endpoint } from './endpoint.ts'
import { withoutSession } from './session.ts'

const KIB = 1024
/** Below the 4 MiB that a node takes by default. */
const LARGE = 4 * KIB * KIB - KIB

/** Sends a ping of so many bytes. */
async function sends (endpoint: Endpoint, signal: AbortSignal, bytes: number): Promise<Seen> {
  const body = (padding: string): string => JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping', params: { _meta: { padding } } })
  const answer = await endpoint.ping({ body: body('x'.repeat(bytes - body('').length)), signal })
  if (answer.status === 200 && answer.json?.result !== undefined) return ok(`a ping of ${bytes} bytes was answered`)
  if (answer.reason === 'body_too_large') return ok(`a node has answered ${words(answer)}: its limit (routeOptions.bodyLimit) is lower`)
  return failed(`a ping of ${bytes} bytes was answered ${words(answer)}`)
}

export const body33k: Check<Endpoint> = {
  name: 'body-33k',
  skip: withoutSession,
  why: 'Above 32 KiB proxies begin to handle bodies in another way: they keep them in a file, or pass them on while they come. Calls with larger arguments fail if that does not work.',
  cure: {
    Traefik: 'retry with maxRequestBodyBytes as in the document, and no buffering middleware with a lower limit',
    nginx: 'client_body_temp_path that nginx may write to; client_max_body_size',
    HAProxy: 'no rule that wants the whole body (req.body) above tune.bufsize'
  },
  run: (endpoint, signal) => sends(endpoint, signal, 33 * KIB)
}

export const body4m: Check<Endpoint> = {
  name: 'body-4m',
  skip: withoutSession,
  bound: () => 60_000,
  why: 'A node takes bodies of up to 4 MiB, and refuses larger ones so that a client understands it. A proxy with a lower limit refuses calls before that, with a page of its own.',
  cure: {
    nodes: 'routeOptions.bodyLimit, if more or less is meant',
    Traefik: 'no buffering middleware, or maxRequestBodyBytes above 4 MiB',
    nginx: 'client_max_body_size 5m; its default is 1m',
    HAProxy: 'no http-request deny by req.body_size or content-length',
    Kubernetes: 'ingress-nginx: the annotation nginx.ingress.kubernetes.io/proxy-body-size: 5m'
  },
  run: (endpoint, signal) => sends(endpoint, signal, LARGE)
}
