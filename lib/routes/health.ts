import type { FastifyInstance } from 'fastify'
import type { Sessions } from '../sessions/sessions.ts'

/** Where the proxy asks; its guard router keeps everything below off the public entry points. */
export const INTERNAL_PATH = '/mcp-sticky'

/**
 * Two questions of the proxy's active health checks, and one of the other
 * nodes. `ready`: may new sessions come here? `alive`: should requests for the
 * sessions that are here come here? A draining node is not ready; it is alive,
 * unless it `leaves` step by step: when the others forward to it what its sessions
 * still need, nothing is on its way to it when it closes.
 */
export async function healthRoutes (app: FastifyInstance, { sessions, leaves }: { sessions: Sessions, leaves: boolean }): Promise<void> {
  // Every proxy asks every second or so; only trouble is worth a line.
  const quiet = { logLevel: 'warn' } as const
  app.get(`${INTERNAL_PATH}/ready`, quiet, async (_request, reply) => answer(reply, sessions.state === 'open'))
  app.get(`${INTERNAL_PATH}/alive`, quiet, async (_request, reply) => answer(reply, leaves ? sessions.state === 'open' : sessions.state !== 'superseded'))

  // Another node asks before it takes a session over (affinity/owner-question.ts).
  app.get(`${INTERNAL_PATH}/owner`, quiet, async (request, reply) => {
    const id = request.headers['mcp-session-id']
    const session = typeof id === 'string' && sessions.state !== 'superseded' ? sessions.get(id) : undefined
    if (session !== undefined) return { epoch: session.epoch }
    reply.code(404)
    return {}
  })

  function answer (reply: { code: (status: number) => unknown }, healthy: boolean): { state: string } {
    reply.code(healthy ? 200 : 503)
    return { state: sessions.state }
  }
}
