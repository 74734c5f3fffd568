import { failed, ok } from './check.ts'
import type { Check } from './check.ts'
import type { Answer, Endpoint } from './endpoint.ts'

const VERBS = ['POST', 'GET', 'DELETE']
/** Verbs that no preflight need allow by name. */
const SIMPLE = ['POST', 'GET']
const FIELDS = ['content-type', 'authorization', 'last-event-id', 'mcp-session-id', 'mcp-protocol-version', 'mcp-method', 'mcp-name']
const EXPOSED = ['mcp-session-id', 'www-authenticate']

export const cors: Check<Endpoint> = {
  name: 'cors',
  skip: ({ origin }) => origin === undefined ? 'takes --origin https://app.example.com' : undefined,
  why: 'A browser asks before it sends such requests, and shows a page only what is exposed to it. One verb or field that is missing fails clients in browsers.',
  cure: {
    nodes: '@fastify/cors, registered before hooks that look at tokens, with methods, allowedHeaders and exposedHeaders of docs/eras.md; allowedOrigins of the plugin',
    Traefik: 'no headers middleware with accessControlAllow… of its own, or one that names all of it',
    nginx: 'no answer to OPTIONS of its own; let it pass to the nodes',
    HAProxy: 'no http-request return for OPTIONS; let it pass to the nodes'
  },
  async run (endpoint, signal) {
    const origin = endpoint.origin!
    const missing: string[] = []
    for (const verb of VERBS) {
      const answer = await endpoint.ask({ method: 'OPTIONS', own: false, cookies: false, signal, headers: { origin, 'access-control-request-method': verb, 'access-control-request-headers': FIELDS.join(',') } })
      if (answer.status >= 300) missing.push(`the preflight for ${verb} is answered ${answer.status}`)
      else missing.push(...lacks(answer, verb, origin))
    }
    if (missing.length > 0) return failed([...new Set(missing)].join('; '))
    const answer = await endpoint.ask({ body: { jsonrpc: '2.0', id: 1, method: 'ping' }, headers: { origin }, signal })
    if (answer.status === 403) return failed(`a request from ${origin} is answered 403 ${answer.reason ?? ''}`.trim())
    const exposed = listed(answer, 'access-control-expose-headers')
    const hidden = exposed.includes('*') ? [] : EXPOSED.filter(field => !exposed.includes(field))
    return hidden.length > 0 ? failed(`not exposed: ${hidden.join(', ')}`) : ok(`${VERBS.join(', ')} and ${FIELDS.length} header fields are allowed to ${origin}`)
  }
}

function lacks (answer: Answer, verb: string, origin: string): string[] {
  const allowed = listed(answer, 'access-control-allow-origin')
  if (!allowed.includes('*') && !allowed.includes(origin.toLowerCase())) return [`${origin} is not allowed`]
  const verbs = listed(answer, 'access-control-allow-methods')
  const fields = listed(answer, 'access-control-allow-headers')
  const unnamed = FIELDS.filter(field => !fields.includes(field) && !(fields.includes('*') && field !== 'authorization'))
  return [
    ...SIMPLE.includes(verb) || verbs.includes('*') || verbs.includes(verb.toLowerCase()) ? [] : [`${verb} is not allowed`],
    ...unnamed.length > 0 ? [`header fields that are not allowed: ${unnamed.join(', ')}`] : []
  ]
}

function listed ({ headers }: Answer, name: string): string[] {
  return [headers[name] ?? []].flat().join(',').split(',').map(value => value.trim().toLowerCase())
}
