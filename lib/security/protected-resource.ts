import { challenged } from './challenge.ts'

/** Below this the metadata of resources are (RFC 9728, section 3). */
export const RESOURCE_METADATA = '/.well-known/oauth-protected-resource'

/** The option `oauth`, checked. */
interface Oauth { resource: string, authorizationServers: readonly string[], scopes: readonly string[] }

/** What clients are told of an endpoint that takes OAuth tokens. */
export interface ProtectedResource {
  /** Where its metadata are on this server, by the resource's own url. */
  path: string
  /** The metadata, as JSON has them (RFC 9728, section 2). */
  metadata: Readonly<Record<string, unknown>>
  /** `WWW-Authenticate` of an answer, where it needs another than the present one. */
  challenged: (status: number, present: unknown) => string | undefined
}

/**
 * The resource is what the option says: whoever sends the request can say
 * anything in `Host`, and would be given tokens for a server of theirs.
 */
export function protectedResource ({ resource, authorizationServers, scopes }: Oauth): ProtectedResource {
  const { origin, pathname, search } = new URL(resource)
  const path = metadataPath(pathname)
  const told = { metadata: `${origin}${path}${search}`, scopes }
  return {
    path,
    metadata: {
      resource,
      authorization_servers: authorizationServers,
      ...(scopes.length > 0 && { scopes_supported: scopes }),
      bearer_methods_supported: ['header']
    },
    challenged: (status, present) => challenged(status, present, told)
  }
}

/** Where a client looks for the metadata of what is at a path (RFC 9728, section 3.1). */
export function metadataPath (path: string): string {
  return `${RESOURCE_METADATA}${path.replace(/\/$/, '')}`
}
