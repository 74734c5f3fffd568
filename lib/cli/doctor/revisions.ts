import { META, REVISION } from '../../stateless/revision.ts'
import { failed, ok } from './check.ts'
import type { Check } from './check.ts'
import { words } from './endpoint.ts'
import type { Endpoint } from './endpoint.ts'
import { withoutSession } from './session.ts'

const WITH_SESSIONS = ['2025-11-25', '2025-06-18', '2025-03-26']

export const revisions: Check<Endpoint> = {
  name: 'revisions',
  skip: withoutSession,
  bound: () => 30_000,
  why: 'A client takes a revision that both sides speak. One that tries 2026-07-28 first falls back to sessions after 400 or 404 from us, and after nothing else.',
  cure: {
    nodes: 'the option stateless, the same on all nodes: docs/eras.md',
    Traefik: 'no errors middleware that answers 400 or 404 in the place of the nodes',
    nginx: 'no proxy_intercept_errors for /mcp; MCP-Protocol-Version and Mcp-Method must pass',
    HAProxy: 'no http-request del-header for MCP-Protocol-Version and Mcp-Method'
  },
  async run (endpoint, signal) {
    const served: string[] = []
    for (const revision of WITH_SESSIONS) {
      const { id, json } = await endpoint.initialize(revision, { signal })
      if (json?.result?.protocolVersion === revision) served.push(revision)
      if (id !== undefined) await endpoint.delete(id, signal)
    }
    if (served.length === 0) return failed('none with sessions')
    const discover = await endpoint.ask({
      body: { jsonrpc: '2.0', id: 1, method: 'server/discover', params: { _meta: { [META.version]: REVISION, [META.capabilities]: {} } } },
      headers: { 'mcp-protocol-version': REVISION, 'mcp-method': 'server/discover' },
      signal
    })
    const versions: unknown = discover.json?.result?.supportedVersions
    if (discover.status === 200 && Array.isArray(versions)) return ok(`${served.join(', ')}; without sessions ${versions.map(String).join(', ')}`)
    const fallsBack = (discover.status === 400 || discover.status === 404) && discover.json?.error !== undefined
    return fallsBack ? ok(`${served.join(', ')}; none without sessions (${words(discover)})`) : failed(`${served.join(', ')}; server/discover is answered ${words(discover)}`)
  }
}
