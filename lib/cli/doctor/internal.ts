import { INTERNAL, PATHS } from '../../http/internal-paths.ts'
import { failed, ok } from './check.ts'
import type { Check } from './check.ts'
import type { Answer, Endpoint } from './endpoint.ts'

export const internalPaths: Check<Endpoint> = {
  name: 'internal-paths',
  bound: () => 30_000,
  why: `What is below ${INTERNAL} is for the proxy and the nodes among themselves. It tells nothing of sessions, but it tells how the nodes fare, and with the Traefik document where they are.`,
  cure: {
    nodes: 'a token for mcpStickyTraefik',
    Traefik: 'the guard router of the document, at the entry points that clients reach',
    nginx: `location ^~ ${INTERNAL}/ { return 404; }`,
    HAProxy: `http-request return status 404 if { path_beg ${INTERNAL}/ }`,
    Kubernetes: 'paths of the Ingress for /mcp and what clients need, and not for /'
  },
  async run (endpoint, signal) {
    const { url } = endpoint
    // Below a prefix that the proxy takes away, too.
    const beside = url.pathname.replace(/\/[^/]*\/?$/, '')
    const prefixes = [...new Set(['', beside])]
    const open: string[] = []
    for (const prefix of prefixes) {
      for (const path of Object.values(PATHS)) {
        const answer = await endpoint.ask({ method: 'GET', url: new URL(`${prefix}${path}`, url.origin), own: false, cookies: false, signal })
        if (isOurs(answer)) open.push(`${prefix}${path}`)
      }
    }
    return open.length > 0 ? failed(`open: ${open.join(', ')}`) : ok(`none of ${prefixes.length * Object.keys(PATHS).length} answers`)
  }
}

/** Whether a node has answered: health has a state, the questions of nodes want a proof, the document has routers or wants its token. */
function isOurs ({ status, json }: Answer): boolean {
  const { state, error, http } = Object(json)
  return typeof state === 'string' || error === 'unverified' || (status === 200 && Object(http).routers !== undefined)
}
