import type { IncomingHttpHeaders } from 'node:http'

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/

/** Why a request is refused with 403, and the option that would let it in. */
export interface Forbidden {
  reason: 'host_forbidden' | 'origin_forbidden'
  /** The header's value, for the log alone. */
  value: string
  option: 'allowedHosts' | 'allowedOrigins'
}

/**
 * Protection against DNS rebinding (spec 2025-11-25, Streamable HTTP, Security
 * Warning): `Origin`, where a browser sends one, must name the host that the
 * request was sent to, or be allowed. `Host` is checked against `allowedHosts`,
 * or against the loopback names while the server listens on loopback alone.
 */
export function originGuard (policy: {
  allowedHosts: readonly string[] | undefined
  allowedOrigins: readonly string[]
  /** Asked at each request without `allowedHosts`: does the server listen on loopback alone? */
  loopbackOnly: () => boolean
}): (headers: IncomingHttpHeaders) => Forbidden | undefined {
  const hosts = policy.allowedHosts === undefined ? undefined : new Set(policy.allowedHosts.map(host => host.toLowerCase()))
  const origins = new Set(policy.allowedOrigins.map(origin => origin.toLowerCase()))

  function hostAllowed (host: string): boolean {
    if (hosts === undefined && !policy.loopbackOnly()) return true
    const name = host.replace(/:\d+$/, '')
    return hosts === undefined ? LOOPBACK.test(name) : hosts.has(host) || hosts.has(name)
  }

  return headers => {
    const host = (headers.host ?? headers[':authority'] as string | undefined ?? '').toLowerCase()
    if (!hostAllowed(host)) return { reason: 'host_forbidden', value: host, option: 'allowedHosts' }
    if (headers.origin === undefined) return undefined
    const origin = headers.origin.toLowerCase()
    if (origins.has(origin) || sameHost(origin, host)) return undefined
    return { reason: 'origin_forbidden', value: origin, option: 'allowedOrigins' }
  }
}

/** An origin never spells out its scheme's default port; a Host header may. */
function sameHost (origin: string, host: string): boolean {
  const url = URL.canParse(origin) ? new URL(origin) : undefined
  if (url === undefined || url.host === '') return false
  return url.host === host || `${url.host}:${url.protocol === 'https:' ? 443 : 80}` === host
}
