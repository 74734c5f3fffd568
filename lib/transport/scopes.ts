import { isRequest } from './messages.ts'
import type { JsonRpcMessage, JsonRpcRequest } from './messages.ts'

/** What a caller would need for a request: scopes of OAuth, and why. */
interface Challenge { scopes: readonly string[], errorDescription?: string }
interface Asked { request: JsonRpcRequest, authInfo?: any }
export type Resolver = (asked: Asked) => Challenge | undefined | PromiseLike<Challenge | undefined>
/** What of a token's facts says where its protected resource is described (RFC 9728). */
interface Described { resourceMetadataUrl?: string, resource?: URL }

/** RFC 6749, scope-token; RFC 6750, error-description. */
const TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]+$/
const TEXT = /^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/
const WELL_KNOWN = '/.well-known/oauth-protected-resource'

/**
 * What a server object says, before it is handed a request, of the scopes that
 * its caller lacks: `scopeChallenge` of a tool, prompt or resource of SDK 2.x
 * (spec, Authorization, Scope Challenge Handling). Servers that know no such
 * thing never set the resolver, and nobody is asked.
 */
export class Scopes {
  /** What the server has set as it was connected. */
  resolver: Resolver | undefined

  /**
   * The `WWW-Authenticate` field for the first of these requests whose caller
   * may not send it; undefined when all may. A promise only where the server
   * cannot say at once.
   * @throws what the server throws, TypeError for what is no challenge
   */
  lacking (messages: readonly JsonRpcMessage[], authInfo: unknown): string | undefined | Promise<string | undefined> {
    const { resolver } = this
    if (resolver === undefined) return undefined
    for (const [i, request] of messages.entries()) {
      if (!isRequest(request)) continue
      const challenge = resolver({ request, ...(authInfo !== undefined && { authInfo }) })
      if (isPromise(challenge)) return Promise.resolve(challenge).then(challenge => challenge === undefined ? this.lacking(messages.slice(i + 1), authInfo) : field(challenge, authInfo))
      if (challenge !== undefined) return field(challenge, authInfo)
    }
    return undefined
  }
}

function isPromise (value: Challenge | undefined | PromiseLike<unknown>): value is PromiseLike<Challenge | undefined> {
  return typeof (value as { then?: unknown } | undefined)?.then === 'function'
}

function field ({ scopes, errorDescription = 'Insufficient scope' }: Challenge, authInfo: unknown): string {
  if (!Array.isArray(scopes) || scopes.length === 0 || !scopes.every(scope => typeof scope === 'string' && TOKEN.test(scope))) throw new TypeError('a scope challenge must have at least one scope, each of visible ASCII without " and \\')
  if (typeof errorDescription !== 'string' || !TEXT.test(errorDescription)) throw new TypeError('the errorDescription of a scope challenge must be ASCII without " and \\')
  const url = describedAt((authInfo ?? {}) as Described)
  return `Bearer error="insufficient_scope", error_description="${errorDescription}", scope="${scopes.join(' ')}"${url === undefined ? '' : `, resource_metadata="${quoted(url)}"`}`
}

function describedAt ({ resourceMetadataUrl, resource }: Described): string | undefined {
  if (resourceMetadataUrl !== undefined) return resourceMetadataUrl
  if (resource?.protocol !== 'https:' && resource?.protocol !== 'http:') return undefined
  const url = new URL(resource)
  url.pathname = `${WELL_KNOWN}${url.pathname.replace(/\/$/, '')}`
  url.hash = ''
  return url.href
}

function quoted (value: string): string {
  return value.replace(/[\\"]/g, '\\$&').replace(/[^\x20-\x7e]/g, ' ')
}
