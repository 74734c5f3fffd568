// What createServer and connect may do wrong, without HTTP.
import t from 'tap'
import type { Test } from 'tap'
import { ServerBuilder } from '../../lib/sessions/server-builder.ts'
import type { BuilderParts } from '../../lib/sessions/server-builder.ts'
import type { StreamableHttpTransport } from '../../lib/transport/transport.ts'
import { keptLog } from '../fixtures/log.ts'
import { createServer } from '../fixtures/session-server.ts'
import { until } from '../fixtures/until.ts'

const transport = { sessionId: 'x', start: async () => {}, close: async () => {} } as unknown as StreamableHttpTransport
const request = {} as any

// The builder's own timer keeps no process alive.
const alive = setInterval(() => {}, 1000)
t.teardown(() => clearInterval(alive))

/** A builder with little patience. */
function builderOf (createServer: unknown, serverBound = 20) {
  const log = keptLog()
  const parts = { ...log, child: () => parts } as unknown as BuilderParts['log']
  const builder = new ServerBuilder({ createServer: createServer as BuilderParts['createServer'], makeTransport: () => transport, log: parts, serverBound })
  return { log, make: () => builder.server(transport, request, undefined) }
}

function serverThat (connect: () => Promise<void>) {
  const server = { connect, closed: 0, close: async () => { server.closed++ } }
  return server
}

async function failsWith (t: Test, making: Promise<unknown>, message: RegExp): Promise<void> {
  await t.rejects(making, { code: 'MCP_STICKY_ERR_SERVER_FAILED', cause: { message } })
}

t.test('createServer that does not return in time; its server is closed when it comes', async t => {
  let come = (_server: unknown): void => {}
  const { make } = builderOf(() => new Promise(resolve => { come = resolve }))
  await failsWith(t, make(), /longer than 20 ms/)
  let connected = false
  const server = serverThat(async () => { connected = true })
  come(server)
  await until('it is closed', () => server.closed === 1)
  t.notOk(connected)
})

t.test('createServer that fails when nobody waits for it any more', async t => {
  let fail = (_error: Error): void => {}
  const { make, log } = builderOf(() => new Promise((_resolve, reject) => { fail = reject }))
  await failsWith(t, make(), /longer than 20 ms/)
  fail(new Error('late'))
  await until('the log tells', () => log.lines.some(({ level, fields }) => level === 'warn' && (fields['err'] as Error).message === 'late'))
})

t.test('connect that does not return in time: the server is closed', async t => {
  const server = serverThat(() => new Promise(() => {}))
  const { make } = builderOf(() => server)
  await failsWith(t, make(), /longer than 20 ms/)
  t.equal(server.closed, 1)
})

t.test('connect that fails: the server is closed, and what that throws is in the log', async t => {
  const server = serverThat(async () => { throw new Error('no') })
  const { make, log } = builderOf(() => server)
  server.close = async () => { throw new Error('nor that') }
  await failsWith(t, make(), /^no$/)
  await until('the log tells', () => log.lines.some(({ fields }) => (fields['err'] as Error).message === 'nor that'))
})

t.test('what is no server', async t => {
  for (const made of [undefined, null, 7, {}, { connect: async () => {} }]) {
    await failsWith(t, builderOf(() => made).make(), /must return an MCP server/)
    await failsWith(t, builderOf(async () => made).make(), /must return an MCP server/)
  }
})

t.test('a server that was returned before stays with its first session, also in another application', async t => {
  const server = createServer()
  const { make } = builderOf(() => server, 30_000)
  const connected = builderOf(() => server, 30_000)
  t.equal(await make(), server)
  for (const again of [make, connected.make]) await failsWith(t, again(), /one server per session/)
  t.ok(server.isConnected())
  await server.close()
})
