// A fresh server is told what the client told the lost one: server objects of both SDK lines.
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { SubscribeRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { McpServer as McpServer2, Server as Server2 } from '@modelcontextprotocol/server'
import t from 'tap'
import { MessageExtra } from '../../lib/transport/extra.ts'
import type { Replay } from '../../lib/directory/record.ts'
import { initializeForReplay } from '../../lib/transport/replay.ts'
import type { TransportOptions } from '../../lib/transport/options.ts'
import { MemoryEventStore } from '../fixtures/memory-event-store.ts'
import { until } from '../fixtures/until.ts'
import { HTTP, notification, request, result, wiredTransport } from '../fixtures/wired-transport.ts'

/** A server of either line that takes subscriptions, but not of file:///gone, as far as the tests ask. */
interface Line {
  connect: (transport: any) => Promise<void>
  subscribed: string[]
  client: () => { name: string, version: string } | undefined
  capabilities: () => object | undefined
  onInitialized: (listener: () => void) => void
  log: (level: 'debug' | 'error', data: string, sessionId: string) => Promise<void>
  roots: () => Promise<{ roots: unknown[] }>
}

const info = { name: 's', version: '1' }
const capabilities = { logging: {}, resources: { subscribe: true }, tools: {} }

function gone (uri: string): void {
  if (uri === 'file:///gone') throw new Error('no such resource')
}

function of1 (server: Server, connect: Line['connect']): Line {
  const subscribed: string[] = []
  server.setRequestHandler(SubscribeRequestSchema, ({ params }) => {
    gone(params.uri)
    subscribed.push(params.uri)
    return {}
  })
  return {
    connect,
    subscribed,
    client: () => server.getClientVersion(),
    capabilities: () => server.getClientCapabilities(),
    onInitialized: listener => { server.oninitialized = listener },
    log: (level, data, sessionId) => server.sendLoggingMessage({ level, data }, sessionId),
    roots: () => server.listRoots()
  }
}

function of2 (server: Server2, connect: Line['connect']): Line {
  const subscribed: string[] = []
  server.setRequestHandler('resources/subscribe', ({ params }) => {
    gone(params.uri)
    subscribed.push(params.uri)
    return {}
  })
  return {
    connect,
    subscribed,
    client: () => server.getClientVersion(),
    capabilities: () => server.getClientCapabilities(),
    onInitialized: listener => { server.oninitialized = listener },
    log: (level, data, sessionId) => server.sendLoggingMessage({ level, data }, sessionId),
    roots: () => server.listRoots()
  }
}

const LINES: Record<string, () => Line> = {
  'McpServer 1.x': () => {
    const server = new McpServer(info, { capabilities })
    return of1(server.server, transport => server.connect(transport))
  },
  'Server 1.x': () => {
    const server = new Server(info, { capabilities })
    return of1(server, transport => server.connect(transport))
  },
  'McpServer 2.x': () => {
    const server = new McpServer2(info, { capabilities })
    return of2(server.server, transport => server.connect(transport))
  },
  'Server 2.x': () => {
    const server = new Server2(info, { capabilities })
    return of2(server, transport => server.connect(transport))
  }
}

const extra = new MessageExtra({ ...HTTP, headers: {} }, undefined)
const initialize = initializeForReplay({ protocolVersion: '2025-11-25', capabilities: { roots: {} }, clientInfo: { name: 'c', version: '7' } })!
const onInitialized = (): void => { throw new Error('nobody opens') }
const onInitializeFailed = onInitialized

for (const [name, make] of Object.entries(LINES)) {
  async function adopted (replay: Partial<Replay> = {}, options: Partial<TransportOptions> = {}, prepare = (_: Line): void => {}) {
    const changes = { count: 0 }
    const wired = wiredTransport({ onInitialized, onInitializeFailed, remember: () => { changes.count++ }, ...options })
    const line = make()
    prepare(line)
    await line.connect(wired.transport)
    await wired.transport.replay({ initialize, subscriptions: [], ...replay }, '2025-11-25', extra)
    return { ...wired, line, changes }
  }

  for (const responseMode of ['auto', 'json', 'sse'] as const) {
    t.test(`${name}: after a replay all is as if the client had initialized here (${responseMode})`, async t => {
      const subscriptions = ['file:///a', 'file:///b']
      const { transport, line, post, get, changes, log } = await adopted({ logLevel: 'warning', subscriptions }, { responseMode })
      t.match(line.client(), { name: 'c', version: '7' })
      t.match(line.capabilities(), { roots: {} })
      t.same(line.subscribed, subscriptions)
      t.equal(transport.protocolVersion, '2025-11-25')
      t.equal(transport.busy, false)
      t.strictSame(transport.remembered, { logLevel: 'warning', subscriptions })
      t.equal(changes.count, 0, 'the record has it already')
      const call = post(request(1, 'ping'))
      await until('it is answered', () => responseMode === 'sse' ? call.ended : call.answered)
      t.match(responseMode === 'sse' ? call.messages[0] : call.body, { id: 1, result: {} })
      const standalone = get()
      await line.log('debug', 'quiet', transport.sessionId)
      await line.log('error', 'loud', transport.sessionId)
      t.match(standalone.messages, [{ method: 'notifications/message', params: { data: 'loud' } }], 'the log level is set')
      t.equal(standalone.messages.length, 1)
      await transport.close()
      t.same(log.lines.filter(({ level }) => level !== 'debug'), [])
    })
  }

  t.test(`${name}: what the server asks as soon as it is initialized waits for the next stream`, async t => {
    let roots: unknown[] | undefined
    const { post, get } = await adopted({}, {}, line => line.onInitialized(() => {
      line.roots().then(answer => { roots = answer.roots }).catch(error => t.fail(error))
    }))
    const standalone = get()
    await until('it asks', () => standalone.messages.length === 1)
    post(result(standalone.messages[0].id, { roots: [{ uri: 'file:///a' }] }))
    await until('it has the answer', () => roots)
  })

  t.test(`${name}: what the server refuses is a warning, and not remembered`, async t => {
    const { transport, line, log } = await adopted({ logLevel: 'loud', subscriptions: ['file:///gone', 'file:///b'] })
    t.same(line.subscribed, ['file:///b'])
    t.strictSame(transport.remembered, { logLevel: undefined, subscriptions: ['file:///b'] })
    t.match(log.lines.filter(({ level }) => level === 'warn'), [{ message: /logging\/setLevel was refused/ }, { message: /resources\/subscribe was refused/ }])
  })

  t.test(`${name}: another version than the session has is none to go on with`, async t => {
    const { transport } = wiredTransport({ onInitialized, onInitializeFailed })
    await make().connect(transport)
    await t.rejects(transport.replay({ initialize, subscriptions: [] }, '2025-06-18', extra), { code: 'MCP_STICKY_ERR_REPLAY', message: /2025-11-25.*2025-06-18/ })
    await transport.close()
  })
}

const replay = { initialize, logLevel: 'info', subscriptions: [] }

t.test('the session has the version that it had', async t => {
  const { transport, received, post, extras } = wiredTransport({ eventStore: new MemoryEventStore() })
  const replaying = transport.replay({ initialize, subscriptions: [] }, '2025-06-18', extra)
  await transport.send(result(received[0].id, { protocolVersion: '2025-06-18' }))
  await replaying
  t.equal(transport.protocolVersion, '2025-06-18')
  post(request(1))
  t.equal(extras.at(-1)!.closeSSEStream, undefined, 'its client cannot be told to come back')
})

t.test('a server that refuses or throws is no server, nor is one that does not answer in time', async t => {
  const refusing = wiredTransport()
  refusing.transport.onmessage = ({ id }) => { refusing.transport.send({ jsonrpc: '2.0', id, error: { code: -32602, message: 'not you' } }).catch(t.fail) }
  await t.rejects(refusing.transport.replay(replay, '2025-11-25', extra), { code: 'MCP_STICKY_ERR_REPLAY', message: /initialize was refused: not you/ })
  const throwing = wiredTransport()
  throwing.transport.onmessage = () => { throw new Error('broken') }
  await t.rejects(throwing.transport.replay(replay, '2025-11-25', extra), { code: 'MCP_STICKY_ERR_REPLAY' })
  const deaf = wiredTransport()
  deaf.transport.onmessage = ({ id, method }) => {
    if (method !== 'initialize') throw new Error('deaf')
    deaf.transport.send(result(id, { protocolVersion: '2025-11-25' })).catch(t.fail)
  }
  await t.rejects(deaf.transport.replay(replay, '2025-11-25', extra), { message: /notifications\/initialized/ })
  await t.rejects(wiredTransport().transport.replay({ ...replay, initialize: '{' }, '2025-11-25', extra), { code: 'MCP_STICKY_ERR_REPLAY', message: /no JSON/ })

  const silent = wiredTransport()
  await t.rejects(silent.transport.replay(replay, '2025-11-25', extra, 5), { code: 'MCP_STICKY_ERR_REPLAY', message: /within 5 ms/ })
  const [asked] = silent.received
  t.match(asked, { method: 'initialize', params: JSON.parse(initialize) })
  await silent.transport.send(result(asked.id, { protocolVersion: '2025-11-25' }))
  await new Promise(resolve => setImmediate(resolve))
  t.equal(silent.received.length, 1, 'and what it answers later leads to nothing')
})

t.test('a session that ends in the middle of its replay has failed', async t => {
  const { transport } = wiredTransport({ onInitialized, onInitializeFailed })
  const replaying = transport.replay(replay, '2025-11-25', extra)
  await transport.close()
  await t.rejects(replaying, { code: 'MCP_STICKY_ERR_SESSION_ENDED' })
})

t.test('a replay is not held up by a session in doubt; what else the server says is, and belongs to no call', async t => {
  let settle = (_: boolean): void => {}
  const { transport, received, get } = wiredTransport({ secured: () => new Promise(resolve => { settle = resolve }) })
  const replaying = transport.replay(replay, '2025-11-25', extra)
  const noted = transport.send(notification('notifications/message', { n: 1 }), { relatedRequestId: received[0].id })
  for (const [place, value] of [[0, { protocolVersion: '2025-11-25' }], [2, {}]] as const) {
    await until('it is asked', () => received.length > place)
    await transport.send(result(received[place].id, value))
  }
  settle(true)
  await Promise.all([noted, replaying])
  t.same(get().messages, [notification('notifications/message', { n: 1 })])
})
