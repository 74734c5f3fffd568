import { failed, ok } from './check.ts'
import type { Check, Seen } from './check.ts'
import { withoutSession } from './session.ts'
import { inSession } from './endpoint.ts'
import type { Endpoint } from './endpoint.ts'

/** Milliseconds between two signs of life, at most: proxies give up after 60 s. */
const GAP = 60_000

const UNBUFFERED = {
  nodes: 'stream.keepAlive below the patience of what is between (15 s by default); no compression of text/event-stream (onSend hooks, @fastify/compress)',
  Traefik: 'no buffering middleware on the MCP routers; compress with excludedContentTypes: [text/event-stream]',
  nginx: 'proxy_buffering off, or no proxy_ignore_headers X-Accel-Buffering, which the nodes send; gzip off for text/event-stream; proxy_http_version 1.1',
  HAProxy: 'option http-no-delay; no compression of text/event-stream',
  Kubernetes: 'ingress-nginx: the annotation nginx.ingress.kubernetes.io/proxy-buffering: "off"'
}

/** What a stream did: milliseconds at which something came on it. */
interface Watched { status: number, type: string, encoding: string, came: number[], ended: boolean }

/** Opens the stream of GET, and watches it until `enough`, or for so many milliseconds. */
async function watch (endpoint: Endpoint, signal: AbortSignal, time: number, enough: (came: number) => boolean): Promise<Watched> {
  const headers = { accept: 'text/event-stream', 'accept-encoding': 'gzip, deflate, br', ...inSession(endpoint.session!) }
  const begun = performance.now()
  // Not AbortSignal.any with a timeout: Node 20 may collect that as garbage before it fires.
  const late = new AbortController()
  const stop = (): void => late.abort()
  const timer = setTimeout(stop, time)
  signal.addEventListener('abort', stop, { once: true })
  const watched: Watched = { status: 0, type: '', encoding: '', came: [], ended: false }
  let end = async (): Promise<void> => {}
  try {
    const begin = await endpoint.begin({ method: 'GET', headers, signal: late.signal })
    end = begin.end
    const { response: { statusCode, headers: { 'content-type': type = '', 'content-encoding': encoding = '' }, body } } = begin
    Object.assign(watched, { status: statusCode, type: String(type), encoding: String(encoding) })
    for await (const chunk of body as AsyncIterable<Buffer>) {
      if (chunk.length > 0) watched.came.push(performance.now() - begun)
      if (enough(watched.came.length)) return watched
    }
    watched.ended = true
  } catch (error) {
    if (!late.signal.aborted) watched.ended = true
    if (watched.status === 0 && !late.signal.aborted) throw error
  } finally {
    clearTimeout(timer)
    await end()
  }
  return watched
}

/** What is wrong with a stream however it goes on. */
function problemOf ({ status, type, ended }: Watched, time: number): Seen | undefined {
  if (status === 0) return failed(`GET was not answered within ${time / 1000} s: something holds the stream back`)
  if (status !== 200) return failed(`GET was answered ${status}`)
  if (!type.startsWith('text/event-stream')) return failed('GET was answered with something else than events')
  return ended ? failed('the stream was ended') : undefined
}

export const events: Check<Endpoint> = {
  name: 'events',
  skip: withoutSession,
  bound: ({ patience }) => patience + 10_000,
  why: 'A proxy that keeps events until it has enough of them delivers progress and questions to the client late, or when the call is over.',
  cure: UNBUFFERED,
  async run (endpoint, signal) {
    const { patience } = endpoint
    const watched = await watch(endpoint, signal, patience, () => true)
    const problem = problemOf(watched, patience)
    if (problem !== undefined) return problem
    const encoding = watched.encoding === '' ? '' : `, with content-encoding ${watched.encoding}`
    return watched.came.length > 0
      ? ok(`the first sign after ${(watched.came[0]! / 1000).toFixed(1)} s${encoding}`)
      : failed(`the stream began, and nothing came on it for ${patience / 1000} s${encoding}`)
  }
}

export const longStream: Check<Endpoint> = {
  name: 'long-stream',
  skip: endpoint => endpoint.long === undefined ? 'takes --long' : withoutSession(endpoint),
  bound: ({ long = 0 }) => long + 10_000,
  why: 'Proxies close what is silent for 60 s, or open for as long. A client that comes back to its stream misses what was said meanwhile, unless the nodes have an event store.',
  cure: {
    nodes: 'stream.keepAlive well below the shortest of these timeouts',
    Traefik: 'respondingTimeouts.writeTimeout: 0 on the entry point',
    nginx: 'proxy_read_timeout above stream.keepAlive',
    HAProxy: 'timeout server and timeout client above stream.keepAlive; no short timeout tunnel',
    Kubernetes: 'ingress-nginx: proxy-read-timeout and proxy-send-timeout; cloud load balancers: their idle timeout, and that of the backend'
  },
  async run (endpoint, signal) {
    const long = endpoint.long!
    const watched = await watch(endpoint, signal, long, () => false)
    const problem = problemOf(watched, long)
    const { came } = watched
    if (problem !== undefined) return came.length === 0 ? problem : { ...problem, saw: `${problem.saw} after ${Math.round(came.at(-1)! / 1000)} s` }
    const gap = Math.max(...[...came, long].map((at, i) => at - (came[i - 1] ?? 0)))
    return gap > GAP ? failed(`nothing came for ${Math.round(gap / 1000)} s`) : ok(`open for ${long / 1000} s, with ${came.length} signs of life`)
  }
}
