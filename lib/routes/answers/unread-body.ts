import type { FastifyReply } from 'fastify'
import { sessionName } from '../../session-id.ts'
import { dropConnection, isOpen, onResponseEnd } from '../../http/client-response.ts'
import type { ClientResponse } from '../../http/client-response.ts'
import type { Keeper, Unsent } from '../../http/unsent.ts'

/**
 * Counts a body that is about to be sent among what the node keeps for its
 * clients, until its client has taken it. Node writes it at once, so how far it
 * has come is seen by Node's own time-out alone: it runs out when the client
 * takes nothing.
 */
export function followBody (reply: FastifyReply, length: number, unsent: Unsent): void {
  const raw: ClientResponse = reply.raw
  if (!isOpen(raw)) return
  const before = raw.stream === undefined ? raw.req.socket.timeout : undefined
  const { patience } = unsent
  const holder: Keeper = {
    sole: true,
    patient: true,
    letGo () {
      const id = raw.req.headers['mcp-session-id']
      reply.log.warn({ ...(typeof id === 'string' && { session: sessionName(id) }), unsent: length }, 'a client reads too slowly; its answer is dropped')
      dropConnection(raw)
    }
  }
  onResponseEnd(raw, () => {
    unsent.release(holder)
    const { socket } = raw.req
    // The connection goes on; Fastify's own limit for idle ones may have taken its place already.
    if (raw.stream === undefined && socket.timeout === patience) socket.setTimeout(before ?? 0)
  })
  raw.setTimeout(patience, () => {
    holder.letGo()
    unsent.release(holder)
  })
  unsent.hold(holder, length)
}
