// Real clients of both SDK lines against servers of both lines, in every answer mode.
import t from 'tap'
import { startApp } from '../fixtures/app.ts'
import { lines } from '../fixtures/clients.ts'
import { createServer, createServer2 } from '../fixtures/session-server.ts'
import { MemoryEventStore } from '../fixtures/memory-event-store.ts'
import { until } from '../fixtures/until.ts'

const servers = { 'server 1.x': createServer, 'server 2.x': createServer2 }

for (const [client, connect] of Object.entries(lines)) {
  for (const [server, createServer] of Object.entries(servers)) {
    for (const responseMode of ['auto', 'sse', 'json'] as const) {
      t.test(`${client} client, ${server}, ${responseMode}`, async t => {
        const { app, url } = await startApp(t, {
          createServer,
          responseMode,
          authInfo: request => ({ token: String(request.headers.authorization), clientId: 'c1', scopes: ['tools'] }),
          principal: request => request.headers.authorization
        })
        const ada = await connect(t, url, { authorization: 'Bearer ada', 'x-agent': 'tests' })
        const bob = await connect(t, url, { authorization: 'Bearer bob' })
        t.equal(app.mcpSessions.size, 2)

        t.ok((await ada.tools()).includes('count'))
        t.equal(await ada.call('count'), '1')
        t.equal(await ada.call('count'), '2')
        t.equal(await bob.call('count'), '1', 'each session has its own state')
        t.equal(await ada.call('echo', { message: 'naïve ☃' }), 'naïve ☃')

        const who = JSON.parse(await ada.call('who'))
        t.match(who, { sessionId: ada.sessionId(), authInfo: { token: 'Bearer ada', clientId: 'c1', scopes: ['tools'] }, agent: 'tests', path: '/mcp' })

        if (responseMode === 'json') await until('the clients have opened their streams', () => app.mcpSessions.get(ada.sessionId())!.streams > 0)
        const seen: number[] = []
        t.equal(await ada.call('progress', { steps: 5 }, step => seen.push(step)), 'done')
        // In json mode progress travels on another stream than the answer, so the answer may overtake it.
        if (responseMode !== 'json') t.same(seen, [1, 2, 3, 4, 5])
        else t.same(seen, [1, 2, 3, 4, 5].slice(0, seen.length))
        t.equal(await ada.call('ask'), 'Ada')

        const session = app.mcpSessions.get(ada.sessionId())!
        t.match(session, { id: ada.sessionId(), principal: 'Bearer ada', protocolVersion: '2025-11-25', clientInfo: { name: 'test-client', version: '1.2.3' } })
        await ada.end()
        t.equal(app.mcpSessions.size, 1)
        t.equal(app.mcpSessions.get(ada.sessionId()), undefined)
        t.match(app.mcpSessions.counters, { opened: 2, ended: { requested: 1 } })
      })
    }
  }
}

t.test('with an event store', async t => {
  for (const connect of Object.values(lines)) {
    const { url } = await startApp(t, { eventStore: new MemoryEventStore() })
    const client = await connect(t, url)
    const seen: number[] = []
    t.equal(await client.call('progress', { steps: 3 }, step => seen.push(step)), 'done')
    t.same(seen, [1, 2, 3])
    t.equal(await client.call('ask'), 'Ada')
  }
})
