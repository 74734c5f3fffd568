import { failed, ok, skipped, wordsOf } from './check.ts'
import type { Check } from './check.ts'
import { words } from './endpoint.ts'
import type { Endpoint } from './endpoint.ts'

export const oauth: Check<Endpoint> = {
  name: 'oauth',
  why: 'A client without a token learns from the 401 where to get one: WWW-Authenticate names the metadata, and the metadata name this url as their resource. Else it cannot log in, or refuses to.',
  cure: {
    nodes: 'the option oauth, with resource as clients have the url: docs/authorization.md',
    Traefik: 'a router for PathPrefix(/.well-known/oauth-protected-resource) to the pool; no forwardAuth or basicAuth that answers 401 itself',
    nginx: 'location / to the nodes; no proxy_hide_header WWW-Authenticate, no auth_basic for /mcp and /.well-known',
    HAProxy: 'default_backend to the nodes; no http-response del-header WWW-Authenticate',
    Kubernetes: 'a path /.well-known/oauth-protected-resource of the Ingress to the same Service'
  },
  async run (endpoint, signal) {
    const { url } = endpoint
    // Opens nothing where no token is asked for.
    const body = { jsonrpc: '2.0', id: 1, method: 'ping' }
    const anonymous = await endpoint.ask({ body, own: false, signal })
    if (anonymous.status !== 401) return skipped(`a request without a token is answered ${words(anonymous)}, not 401`)
    const challenge = [anonymous.headers['www-authenticate'] ?? []].flat().join(', ')
    const metadata = /\bresource_metadata="?([^",\s]+)/i.exec(challenge)?.[1]
    if (challenge === '') return failed('401 without WWW-Authenticate')
    if (metadata === undefined || !URL.canParse(metadata)) return failed('401, and WWW-Authenticate without resource_metadata')
    if (!/^https?:/.test(metadata)) return failed('401, and resource_metadata is no http url')
    const at = new URL(metadata)
    const document = await endpoint.ask({ method: 'GET', url: at, own: false, cookies: false, signal }).catch((error: unknown) => wordsOf(error))
    if (typeof document === 'string') return failed(`the metadata at ${at.href} cannot be read: ${document}`)
    if (document.status !== 200) return failed(`the metadata at ${at.href} are answered ${document.status}`)
    const { resource, authorization_servers: servers } = Object(document.json)
    if (typeof resource !== 'string') return failed(`what is at ${at.href} has no resource`)
    if (!sameResource(resource, url)) return failed(`the metadata are of ${resource}, not of ${url.href}`)
    if (!Array.isArray(servers) || servers.length === 0) return failed('the metadata name no authorization server')
    return ok(`401 leads to the metadata of ${resource}`)
  }
}

/** As clients compare: the same origin, and the path of the endpoint or one above it. */
function sameResource (resource: string, url: URL): boolean {
  if (!URL.canParse(resource)) return false
  const { origin, pathname } = new URL(resource)
  const folder = pathname.endsWith('/') ? pathname : `${pathname}/`
  return origin === url.origin && `${url.pathname}/`.startsWith(folder)
}
