import { connect } from 'node:tls'
import { isIP } from 'node:net'
import { failed, ok } from './check.ts'
import type { Check, Seen } from './check.ts'
import type { Endpoint } from './endpoint.ts'

const DAY = 86_400_000
/** Days that a certificate should be good for. */
const LEFT = 14

export const tls: Check<Endpoint> = {
  name: 'tls',
  skip: ({ url }) => url.protocol === 'https:' ? undefined : 'the url is http: session ids and tokens pass in the clear',
  gate: true,
  why: 'Clients refuse a certificate that they do not trust, that is for another name, or that is over. Nothing else is sent over such a connection.',
  cure: {
    Traefik: 'a certResolver or tls.certificates for this host, on the entry point that clients reach',
    nginx: 'ssl_certificate with the whole chain, for this server_name',
    HAProxy: 'bind … ssl crt with the whole chain, for this name',
    Kubernetes: 'the Secret of the Ingress\' tls for this host; see whether cert-manager renews it'
  },
  run: ({ url }, signal) => new Promise<Seen>((resolve, reject) => {
    const host = url.hostname.replace(/^\[|\]$/g, '')
    const socket = connect({ host, port: Number(url.port || 443), ...isIP(host) === 0 && { servername: host }, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] })
    const end = (): void => { socket.destroy() }
    signal.addEventListener('abort', end, { once: true })
    socket.on('error', reject)
    socket.on('secureConnect', () => {
      const { authorized, authorizationError: error } = socket
      resolve(judgeCertificate({ authorized, error: String(error), until: new Date(socket.getPeerCertificate().valid_to), protocol: String(socket.getProtocol()) }))
      end()
    })
  })
}

interface Certificate {
  authorized: boolean
  /** Why it is not. */
  error: string
  until: Date
  protocol: string
}

export function judgeCertificate ({ authorized, error, until, protocol }: Certificate): Seen {
  const left = Math.floor((until.getTime() - Date.now()) / DAY)
  if (!authorized) return failed(`the certificate is not valid: ${error}`)
  const saw = `${protocol}, the certificate is good for ${left} more days`
  return left < LEFT ? failed(saw) : ok(saw)
}
