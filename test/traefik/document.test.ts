import t from 'tap'
import type { Route } from '../../lib/directory/tag-table.ts'
import { DirectoryUnavailableError } from '../../lib/errors.ts'
import type { McpSessions } from '../../lib/sessions/mcp-sessions.ts'
import { clusterDocument } from '../../lib/traefik/document.ts'
import { dynamicConfiguration } from '../../lib/traefik/dynamic-configuration.ts'
import { keptLog } from '../fixtures/log.ts'

const A = { url: 'http://a', tags: ['aaaaaaaaaaaaaaaa'] }
const B = { url: 'http://b', tags: ['bbbbbbbbbbbbbbbb'] }

/** A node that finds these routes. */
function setUp (routes: () => Route[], { version = () => 1 as number } = {}) {
  const log = keptLog()
  const mcpSessions = { routes: async () => ({ version: version(), routes: routes() }) } as unknown as McpSessions
  return { log, document: clusterDocument({ mcpSessions, options: {}, log }) }
}

t.test('all that are found are in it, and where there are none there is nothing to say', async t => {
  t.strictSame(await setUp(() => [A, B]).document(), { version: 1, configuration: dynamicConfiguration([A, B]) })
  t.equal(await setUp(() => []).document(), undefined)
})

t.test('while nothing can be read it is the last one, and that is said once', async t => {
  const away = (): Route[] => { throw new DirectoryUnavailableError('away') }
  let routes = away
  const { log, document } = setUp(() => routes())
  t.equal(await document(), undefined, 'there was none yet')
  routes = () => [A, B]
  const last = await document()
  routes = away
  t.equal(await document(), last)
  t.equal(await document(), last)
  t.strictSame(log.lines.map(({ level }) => level), ['warn', 'info', 'warn'])
})

t.test('what is older than what was told last is not told', async t => {
  let version = 2
  let routes = [A, B]
  const { log, document } = setUp(() => routes, { version: () => version })
  const last = await document()
  version = 1
  routes = [A]
  t.equal(await document(), last)
  t.equal(await document(), last)
  t.match(log.lines, [{ level: 'warn', fields: { version: 1, told: 2 } }], 'which is said once')
  t.equal(log.lines.length, 1)
  version = 2
  t.strictSame((await document())!.configuration, dynamicConfiguration([A]))
})

t.test('a fault is one', async t => {
  await t.rejects(setUp(() => { throw new Error('a fault') }).document(), { message: 'a fault' })
})
