import { jsonOf } from '../table.ts'
import type { Verb } from '../verb.ts'
import { lookUp } from './session.ts'

export const close: Verb = {
  help: `fastify-mcp-sticky close NAME [options]

Ends a session, wherever it lives: its next call gets 404, and its streams end
within a heartbeat. NAME as for session.
`,
  options: {},
  names: ['NAME'],
  async run (scene) {
    const found = await lookUp(scene)
    if (found === undefined) return false
    const closed = found.id !== undefined && await scene.observer.close(found.id)
    if (scene.json) scene.out(jsonOf({ session: found.name, closed }))
    else if (closed) scene.out(`session ${found.name} is closed\n`)
    else scene.err(`There is no session ${found.name} to close.\n`)
    return closed
  }
}
