import type { FastifyInstance } from 'fastify'
import type { Sessions } from '../sessions/sessions.ts'

/** Where the proxy asks; its guard router keeps everything below off the public entry points. */
export const INTERNAL_PATH = '/mcp-sticky'

/**
 * Two questions of the proxy's active health checks. `ready`: may new sessions
 * come here? `alive`: can the sessions that are here be served? A draining node
 * is alive and not ready.
 */
export async function healthRoutes (app: FastifyInstance, { sessions }: { sessions: Sessions }): Promise<void> {
  // Every proxy asks every second or so; only trouble is worth a line.
  const quiet = { logLevel: 'warn' } as const
  app.get(`${INTERNAL_PATH}/ready`, quiet, async (_request, reply) => answer(reply, sessions.state === 'open'))
  app.get(`${INTERNAL_PATH}/alive`, quiet, async (_request, reply) => answer(reply, sessions.state !== 'superseded'))

  function answer (reply: { code: (status: number) => unknown }, healthy: boolean): { state: string } {
    reply.code(healthy ? 200 : 503)
    return { state: sessions.state }
  }
}
