import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'

/** Known once the server listens; until then nothing but inject can arrive. */
export function loopbackOnly (app: FastifyInstance): () => boolean {
  let known: boolean | undefined
  return () => {
    if (known === undefined && app.server.listening) {
      known = (app.addresses() as Array<AddressInfo | string>).every(isLoopback)
    }
    return known ?? false
  }
}

/** A Unix socket has a path for an address. */
function isLoopback (address: AddressInfo | string): boolean {
  return typeof address === 'object' && /^(127\.|::1$|::ffff:127\.)/.test(address.address)
}
