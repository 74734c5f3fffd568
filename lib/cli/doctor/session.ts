import { randomBytes } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { failed, ok, skipped } from './check.ts'
import type { Check, Seen } from './check.ts'
import { words } from './endpoint.ts'
import type { Answer, Endpoint } from './endpoint.ts'

const PINGS = 20
/** How often nodes that cannot tell yet are asked, and how many milliseconds apart. */
const TRIES = 16
const PAUSE = 500

/** Why a check that needs a session that is found each time is not made. */
export function withoutSession ({ session, steady, shut }: Endpoint): string | undefined {
  if (shut) return 'the endpoint answers 401'
  if (session === undefined) return 'there is no session'
  return steady === false ? 'the session is not found each time: see the pings' : undefined
}

export const session: Check<Endpoint> = {
  name: 'session',
  why: 'A client that gets no session, or not its id, cannot go on: initialize must be answered with 200 and Mcp-Session-Id.',
  cure: {
    nodes: 'see the log for the refusal; the option path must be what clients ask for; for 401, a token that the hooks of the application take',
    Traefik: 'no middleware of headers that takes Mcp-Session-Id from answers',
    nginx: 'no proxy_hide_header Mcp-Session-Id; no add_header or more_clear_headers that replaces it',
    HAProxy: 'no http-response del-header Mcp-Session-Id'
  },
  async run (endpoint, signal) {
    const answer = await endpoint.initialize(undefined, { signal })
    if (answer.status === 401) {
      endpoint.shut = true
      if (endpoint.authorized) return failed('initialize was answered 401, with the authorization of --header')
      return skipped('initialize was answered 401: give a token, --header \'authorization: Bearer …\'')
    }
    endpoint.ours = answer.status === 200 || answer.reason !== undefined
    const { location } = answer.headers
    if (answer.status !== 200) return failed(`initialize was answered ${words(answer)}${location === undefined ? '' : `, to go to ${String(location)}: clients need not follow`}`)
    if (answer.id === undefined) return failed('initialize was answered 200, without Mcp-Session-Id')
    endpoint.session = answer.id
    await endpoint.inSession({ body: { jsonrpc: '2.0', method: 'notifications/initialized' }, signal })
    return ok(`opened, with ${String(answer.json?.result?.protocolVersion)}`)
  }
}

async function pings (endpoint: Endpoint, signal: AbortSignal, cookies: boolean): Promise<Seen> {
  const met = new Map<string, number>()
  for (let i = 0; i < PINGS; i++) {
    const answer = await endpoint.ping({ signal, cookies })
    const what = answer.status === 200 && answer.json?.result !== undefined ? 'ok' : words(answer)
    met.set(what, (met.get(what) ?? 0) + 1)
  }
  const right = met.get('ok') ?? 0
  if (right === PINGS) return ok(`${PINGS} of ${PINGS} answered`)
  return failed(`${right} of ${PINGS} answered; ${[...met].flatMap(([what, count]) => what === 'ok' ? [] : [`${count} × ${what}`]).join(', ')}`)
}

const AFFINITY = {
  nodes: 'misroute: \'forward\', with node.url and one Redis for all nodes: then any proxy will do',
  Traefik: 'the routers of the document (mcpStickyTraefik): Mcp-Session-Id leads to its node',
  nginx: 'the map of $http_mcp_session_id of docs/proxies/nginx.conf, with the tags of these nodes',
  HAProxy: 'the use_backend lines of docs/proxies/haproxy.cfg, with the tags of these nodes',
  Kubernetes: 'a plain Service has no affinity: misroute: \'forward\'. sessionAffinity: ClientIP fails behind an ingress'
}

export const pingsWithoutCookies: Check<Endpoint> = {
  name: 'pings-without-cookies',
  skip: withoutSession,
  bound: () => 60_000,
  why: 'Most MCP clients keep no cookies. A request that reaches a node without the session, which does not pass it on, is answered 404, and the session is lost for its client.',
  cure: AFFINITY,
  async run (endpoint, signal) {
    const seen = await pings(endpoint, signal, false)
    if (endpoint.cookies.length === 0) endpoint.steady = seen.verdict === 'ok'
    return seen
  }
}

export const pingsWithCookies: Check<Endpoint> = {
  name: 'pings-with-cookies',
  skip: endpoint => endpoint.session !== undefined && endpoint.cookies.length === 0 ? 'no cookie was set' : withoutSession(endpoint),
  bound: () => 60_000,
  why: 'A client that keeps cookies is sent where its cookie says. If that is another node than its session\'s, which does not pass the request on, the session is lost for it.',
  cure: { ...AFFINITY, Traefik: 'the router by cookie below those by Mcp-Session-Id: priorities of docs/traefik.md' },
  async run (endpoint, signal) {
    const seen = await pings(endpoint, signal, true)
    endpoint.steady = seen.verdict === 'ok'
    return { ...seen, saw: `${seen.saw}, with ${endpoint.cookies.join(' ')}` }
  }
}

export const staleIds: Check<Endpoint> = {
  name: 'stale-ids',
  skip: ({ shut, ours }) => shut ? 'the endpoint answers 401' : ours ? undefined : 'no node has answered initialize',
  bound: () => 40_000,
  why: 'A client opens a new session when it gets 404 for its id. Where the proxy answers in our place, with 404 of its own or a 5xx, clients fail or ask for ever.',
  cure: {
    nodes: 'routes of the application must not take /mcp before the plugin does',
    Traefik: 'no errors middleware on the MCP routers; failover from the node to the pool, as in the document',
    nginx: 'no proxy_intercept_errors and no error_page for /mcp; a default for ids that the map does not know',
    HAProxy: 'no errorfile or http-error for 404 of the backend; a default_backend for ids that no rule knows'
  },
  async run (endpoint, signal) {
    // As one of this cluster's, if there is one to go by.
    const tag = endpoint.session?.split('.')[0] ?? randomBytes(8).toString('hex')
    const id = `${tag}.${randomBytes(16).toString('base64url')}`
    const headers = { 'mcp-session-id': id }
    const answers = [
      ['POST', await settled(signal, () => endpoint.ping({ headers, signal }))],
      ['GET', await settled(signal, () => endpoint.inSession({ method: 'GET', headers: { ...headers, accept: 'text/event-stream' }, signal }))]
    ] as const
    const saw = answers.map(([verb, answer]) => `${verb} ${words(answer)}`).join(', ')
    const foreign = answers.flatMap(([verb, { reason }]) => reason === undefined ? [verb] : [])
    if (foreign.length > 0) return failed(`${saw}: not our answer to ${foreign.join(', ')}`)
    return answers.every(([, { status }]) => status === 404) ? ok(saw) : failed(saw)
  }
}

/** An answer once the nodes can tell: after a start, or trouble with Redis, they cannot for three heartbeats, and say so. */
async function settled (signal: AbortSignal, ask: () => Promise<Answer>): Promise<Answer> {
  for (let tries = TRIES; ; tries--) {
    const answer = await ask()
    if (answer.reason !== 'directory_unavailable' || tries === 1) return answer
    await setTimeout(PAUSE, undefined, { signal })
  }
}

export const deletes: Check<Endpoint> = {
  name: 'delete',
  skip: withoutSession,
  bound: () => 40_000,
  why: 'DELETE ends a session. Where it does not pass, sessions stay until nobody has used them for session.idleTimeout, and count against the limits.',
  cure: {
    Traefik: 'Method(`DELETE`) in the rule of the routers, if they name methods at all',
    nginx: 'no limit_except GET POST in the location of /mcp',
    HAProxy: 'no http-request deny by method for /mcp',
    Kubernetes: 'let the ingress, and a web application firewall before it, pass DELETE'
  },
  async run (endpoint, signal) {
    const id = endpoint.session!
    const answer = await settled(signal, () => endpoint.delete(id, signal))
    if (answer.status !== 200 && answer.status !== 202) return failed(`DELETE was answered ${words(answer)}; the session is left until it is idle for long enough`)
    const after = await settled(signal, () => endpoint.ping({ signal }))
    endpoint.session = undefined
    return after.status === 404 ? ok(`${answer.status}, then 404`) : failed(`${answer.status}, and the session answers ${words(after)} afterwards`)
  }
}
