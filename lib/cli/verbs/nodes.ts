import { jsonOf, table } from '../table.ts'
import type { Verb } from '../verb.ts'

export const nodes: Verb = {
  help: `fastify-mcp-sticky nodes [options]

The live nodes: their state (draining: it takes no new sessions), how many
sessions they have and how many more they take, how others reach them, and
which endpoints they serve. A node that died is gone after three heartbeats.
`,
  options: {},
  names: [],
  async run ({ observer, json, out }) {
    const all = await observer.nodes()
    if (json) out(jsonOf(all.map(({ room, ...node }) => ({ ...node, room: Number.isFinite(room) ? room : null }))))
    else {
      out(table(['NODE', 'STATE', 'SESSIONS', 'ROOM', 'URL', 'TAG', 'FORMAT', 'ENDPOINTS'], all.map(({ id, state, sessions, room, url, tag, format, endpoints }) =>
        [id, state, sessions, Number.isFinite(room) ? room : 'any', url, tag, format, Object.entries(endpoints).map(([name, path]) => `${name}${path}`).join(' ')])))
    }
    return true
  }
}
