// Server objects of both SDK lines on the transport: what they expect of it.
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { McpServer as McpServer2 } from '@modelcontextprotocol/server'
import type { Transport as Transport2 } from '@modelcontextprotocol/server'
import t from 'tap'
import { MemoryEventStore } from '../fixtures/memory-event-store.ts'
import { until } from '../fixtures/until.ts'
import { notification, request, result, wiredTransport } from '../fixtures/wired-transport.ts'

/** What the tests do with a server, whichever line it is of. */
interface Line {
  connect: (transport: any) => Promise<void>
  /** Registers a tool whose handler gets these of its context. */
  tool: (name: string, handler: (context: {
    signal: AbortSignal
    notify: (message: { method: string, params: any }) => Promise<void>
    elicit: (timeout?: number) => Promise<{ action: string }>
    closeSSE: (() => void) | undefined
    seen: { sessionId: string | undefined, url: string, agent: unknown, authInfo: unknown }
  }) => Promise<string>) => void
  onInitialized: (listener: () => void) => void
  listRoots: () => Promise<{ roots: unknown[] }>
}

const content = (text: string): { content: [{ type: 'text', text: string }] } => ({ content: [{ type: 'text', text }] })
const question = { message: '?', requestedSchema: { type: 'object' as const, properties: {} } }

function line1 (): Line {
  const server = new McpServer({ name: 's', version: '1' }, { capabilities: { logging: {} } })
  return {
    connect: transport => server.connect(transport satisfies Transport),
    tool: (name, handler) => server.registerTool(name, {}, async extra => content(await handler({
      signal: extra.signal,
      notify: message => extra.sendNotification(message as any),
      elicit: timeout => server.server.elicitInput(question, { relatedRequestId: extra.requestId, ...(timeout !== undefined && { timeout }) }),
      closeSSE: extra.closeSSEStream,
      seen: {
        sessionId: extra.sessionId, url: String((extra.requestInfo as { url?: URL }).url), agent: extra.requestInfo?.headers['x-agent'], authInfo: extra.authInfo
      }
    }))),
    onInitialized: listener => { server.server.oninitialized = listener },
    listRoots: () => server.server.listRoots()
  }
}

function line2 (): Line {
  const server = new McpServer2({ name: 's', version: '1' }, { capabilities: { logging: {} } })
  return {
    connect: transport => server.connect(transport satisfies Transport2),
    tool: (name, handler) => server.registerTool(name, {}, async ctx => content(await handler({
      signal: ctx.mcpReq.signal,
      notify: message => ctx.mcpReq.notify(message as any),
      // Its elicitInput is about no call: that one goes to a standalone stream.
      elicit: timeout => ctx.mcpReq.send({ method: 'elicitation/create', params: { mode: 'form', ...question } }, timeout === undefined ? {} : { timeout }),
      closeSSE: ctx.http?.closeSSE,
      seen: { sessionId: ctx.sessionId, url: ctx.http!.req!.url, agent: ctx.http?.req?.headers.get('x-agent'), authInfo: ctx.http?.authInfo }
    }))),
    onInitialized: listener => { server.server.oninitialized = listener },
    listRoots: () => server.server.listRoots()
  }
}

const capabilities = { elicitation: { form: {} }, roots: {} }

for (const [name, make] of Object.entries({ '1.x': line1, '2.x': line2 })) {
  async function connected (prepare: (line: Line) => void, options = {}) {
    const wired = wiredTransport(options)
    const line = make()
    prepare(line)
    await line.connect(wired.transport)
    const opened = wired.post(request(0, 'initialize', { protocolVersion: '2025-11-25', capabilities, clientInfo: { name: 'c', version: '1' } }))
    await until('initialize is answered', () => opened.answered)
    return { ...wired, opened, call: (id: number, tool: string) => wired.post(request(id, 'tools/call', { name: tool, arguments: {} })) }
  }

  t.test(`${name}: initialize, a call, and what its handler sees`, async t => {
    const { transport, opened, call } = await connected(({ tool }) => tool('who', async ({ seen }) => JSON.stringify(seen)))
    t.match(opened.body, { id: 0, result: { protocolVersion: '2025-11-25' } })
    t.equal(transport.protocolVersion, '2025-11-25')
    t.notOk(transport.acceptedVersions.includes('2026-07-28'))
    const exchange = call(1, 'who')
    await until('it is answered', () => exchange.answered)
    t.same(JSON.parse(exchange.body.result.content[0].text), { sessionId: transport.sessionId, url: 'http://mcp.test:8080/mcp?x=1', agent: 'me' })
  })

  t.test(`${name}: notifications, a question and its answer on the stream of the call`, async t => {
    const { call, post } = await connected(({ tool }) => tool('ask', async ({ notify, elicit }) => {
      await notify({ method: 'notifications/message', params: { level: 'info', data: 'asking' } })
      return (await elicit()).action
    }))
    const exchange = call(1, 'ask')
    await until('it asks', () => exchange.messages.length === 2)
    t.match(exchange.messages, [{ method: 'notifications/message' }, { id: 'ep-1-0', method: 'elicitation/create' }])
    post(result('ep-1-0', { action: 'decline' }))
    await until('it is answered', () => exchange.ended)
    t.match(exchange.messages.at(-1), { id: 1, result: content('decline') })
  })

  t.test(`${name}: a question that is given up is cancelled under our id`, async t => {
    const { call } = await connected(({ tool }) => tool('ask', async ({ elicit }) => (await elicit(5)).action))
    const exchange = call(1, 'ask')
    await until('it is answered', () => exchange.ended)
    t.match(exchange.messages[1], { method: 'notifications/cancelled', params: { requestId: 'ep-1-0' } })
    t.match(exchange.messages[2], { id: 1, result: { isError: true } })
  })

  t.test(`${name}: a cancelled call aborts its handler, whose response never comes`, async t => {
    let started = false
    let aborted = false
    const { call, post, transport } = await connected(({ tool }) => tool('wait', ({ signal }) => new Promise(resolve => {
      started = true
      signal.addEventListener('abort', () => {
        aborted = true
        resolve('late')
      })
    })))
    const exchange = call(1, 'wait')
    await until('it has started', () => started)
    post(notification('notifications/cancelled', { requestId: 1 }))
    t.ok(exchange.ended)
    await until('the handler hears of it', () => aborted)
    t.equal(transport.busy, false)
    t.same(exchange.messages, [])
  })

  t.test(`${name}: what the server asks as soon as it is initialized waits for the first stream`, async t => {
    let roots: unknown[] | undefined
    const { post, get } = await connected(({ onInitialized, listRoots }) => onInitialized(() => {
      listRoots().then(answer => { roots = answer.roots }).catch(error => t.fail(error))
    }))
    post(notification('notifications/initialized'))
    await new Promise(resolve => setImmediate(resolve))
    const standalone = get()
    await until('it asks', () => standalone.messages.length === 1)
    post(result(standalone.messages[0].id, { roots: [{ uri: 'file:///a' }] }))
    await until('it has the answer', () => roots)
    t.match(roots, [{ uri: 'file:///a' }])
  })

  t.test(`${name}: a handler lets its client poll`, async t => {
    let finish = (): void => {}
    const { call, resume } = await connected(({ tool }) => tool('poll', async ({ closeSSE }) => {
      closeSSE!()
      await new Promise<void>(resolve => { finish = resolve })
      return 'done'
    }), { eventStore: new MemoryEventStore() })
    const exchange = call(1, 'poll')
    await until('the connection ends', () => exchange.ended)
    const resumed = await resume(exchange.events[0]!.id!)
    t.same(resumed.messages, [])
    finish()
    await until('the rest arrives', () => resumed.ended)
    t.match(resumed.messages, [{ id: 1, result: content('done') }])
  })

  t.test(`${name}: a result that is no JSON is answered with an error`, async t => {
    const { call } = await connected(({ tool }) => tool('big', async () => 1n as unknown as string))
    const exchange = call(1, 'big')
    await until('it is answered', () => exchange.answered)
    t.ok(exchange.body.error ?? exchange.body.result.isError)
  })

  t.test(`${name}: closing the session closes the server once, and its open questions`, async t => {
    let failed: unknown
    const { call, transport } = await connected(({ tool }) => tool('ask', async ({ elicit }) => (await elicit().catch(error => {
      failed = error
      throw error
    })).action))
    const exchange = call(1, 'ask')
    await until('it asks', () => exchange.messages.length === 1)
    await transport.close()
    t.match(exchange.messages.at(-1), { id: 1, error: { data: { reason: 'session_ended' } } })
    await until('the handler hears of it', () => failed)
  })
}
