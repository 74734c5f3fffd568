import { endpointOf } from '../../endpoint-name.ts'
import type { SessionRecord } from '../../directory/record.ts'
import { sessionName } from '../../session-id.ts'
import { durationOf, numberOf } from '../arguments.ts'
import { ago, jsonOf, table } from '../table.ts'
import type { Verb } from '../verb.ts'

const LIMIT = 100
const MOST = 1000

export const sessions: Verb = {
  help: `fastify-mcp-sticky sessions [options]

One page of the sessions of all nodes, by node, longest unused first.

  --node ID             of this node alone
  --principal TEXT      whose principal has this in it
  --idle DURATION       that nobody has used for so long: 90s, 15m, 4h, 2d (known to two minutes)
  --limit NUMBER        records that are looked at, to ${MOST} (${LIMIT}); with filters a page may be short
  --cursor TEXT         the next page: what the page before has printed
`,
  options: { node: { type: 'string' }, principal: { type: 'string' }, idle: { type: 'string' }, limit: { type: 'string' }, cursor: { type: 'string' } },
  names: [],
  async run ({ observer, values, json, out }) {
    const { node, principal, idle, limit = String(LIMIT), cursor } = values as Record<string, string | undefined>
    const unusedFor = idle === undefined ? 0 : durationOf('idle', idle)
    const page = await observer.list({ limit: numberOf('limit', limit, MOST), ...cursor !== undefined && { cursor } })
    const now = Date.now()
    const rows = page.sessions
      .filter(session => (node === undefined || session.node === node) && (principal === undefined || (session.principal ?? '').includes(principal)) && now - session.lastSeenAt >= unusedFor)
      .map(session => told(session))
    if (json) out(jsonOf({ sessions: rows, ...page.cursor !== undefined && { cursor: page.cursor } }))
    else {
      out(table(['SESSION', 'NODE', 'ENDPOINT', 'PRINCIPAL', 'UNUSED', 'AGE', 'CLIENT', 'VERSION'], rows.map(row =>
        [row.session, row.node, row.endpoint, row.principal, ago(now - row.lastSeenAt), ago(now - row.createdAt), `${row.client.name} ${row.client.version}`, row.protocolVersion])))
      if (page.cursor !== undefined) out(`There are more: --cursor ${page.cursor}\n`)
    }
    return true
  }
}

function told ({ id, node, principal, createdAt, lastSeenAt, clientInfo, protocolVersion, released }: SessionRecord) {
  return { session: sessionName(id), node, endpoint: endpointOf(principal), principal, createdAt, lastSeenAt, client: clientInfo, protocolVersion, ...released === true && { released } }
}
