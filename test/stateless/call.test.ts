// A request until its answer: JSON or a stream, what may be on it, and its end by the client, over sockets.
import t from 'tap'
import { request as connectHttp } from 'node:http'
import type { Test } from 'tap'
import type { McpStickyOptions } from '../../lib/index.ts'
import type { Asked, Details } from '../../lib/stateless/asked.ts'
import { Call } from '../../lib/stateless/call.ts'
import type { CallHost } from '../../lib/stateless/call.ts'
import { META } from '../../lib/stateless/revision.ts'
import { startApp } from '../fixtures/app.ts'
import { ask, callTool, modern, newSeen, statelessServer } from '../fixtures/stateless.ts'
import type { Seen } from '../fixtures/stateless.ts'
import { until } from '../fixtures/until.ts'
import { UNTOLD } from '../fixtures/events.ts'

const kinds = {
  each: (seen?: Seen): Partial<McpStickyOptions> => ({ stateless: { createServer: () => statelessServer(seen) } }),
  shared: (seen?: Seen): Partial<McpStickyOptions> => ({ stateless: { servers: 'shared', createServer: () => statelessServer(seen) } })
}
const events = (text: string): any[] => text.split('\n').filter(line => line.startsWith('data: ')).map(line => JSON.parse(line.slice(6)))

/** A call whose client goes away; `began`: the head of its answer. */
function leaving (t: Test, url: string, name: string, args: object) {
  const { body, headers } = modern('tools/call', { name, arguments: args })
  const request = connectHttp(url, { method: 'POST', headers: { ...headers, 'content-type': 'application/json', accept: 'application/json, text/event-stream' } })
  request.on('error', () => {})
  t.teardown(() => request.destroy())
  const began = new Promise<number>(resolve => request.once('response', response => {
    response.on('error', () => {}).resume()
    resolve(response.statusCode!)
  }))
  request.end(JSON.stringify(body))
  return { began, leave: () => request.destroy() }
}

for (const [kind, options] of Object.entries(kinds)) {
  t.test(kind, async t => {
    t.test('JSON where the answer is the first word, a stream where something is said before', async t => {
      const { url } = await startApp(t, options())
      t.match((await callTool(url, 'echo', { message: 'x' })).headers['content-type'], /^application\/json/)
      const { headers, text } = await callTool(url, 'progress', { steps: 3, name: 'p' }, { meta: { progressToken: 't' } })
      t.match(headers, { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' })
      t.notMatch(text, /^id:/m, 'nothing to resume')
      t.strictSame(events(text).map(({ params, result }) => params?.progress ?? result.content[0].text), [1, 2, 3, 'p'])
      t.ok(events(text).slice(0, 3).every(({ params }) => params.progressToken === 't'))
    })

    t.test('log messages for who asked for their level, on its own stream', async t => {
      const { url } = await startApp(t, options())
      for (const [level, logged] of [[undefined, []], ['debug', ['debug', 'warning', 'by hand']], ['warning', ['warning', 'by hand']], ['critical', []]] as const) {
        const { text } = await callTool(url, 'log', {}, { meta: level === undefined ? {} : { [META.logLevel]: level } })
        t.strictSame((text.startsWith('{') ? [] : events(text)).filter(({ method }) => method === 'notifications/message').map(({ params }) => params.data), logged, `level ${level}`)
      }
    })

    t.test('answer modes', async t => {
      for (const responseMode of ['json', 'sse'] as const) {
        const { url } = await startApp(t, { ...options(), responseMode })
        const type = responseMode === 'json' ? /^application\/json/ : /^text\/event-stream/
        t.match((await callTool(url, 'progress', { steps: 2, name: 'p' }, { meta: { progressToken: 1 } })).headers['content-type'], type)
        t.match((await ask(url, 'tools/list')).headers['content-type'], type)
        t.equal((await ask(url, 'no/such')).status, 404)
      }
    })

    t.test('a client that leaves cancels, before any answer and in the middle of one', async t => {
      const seen = newSeen()
      const { url, app } = await startApp(t, { ...options(seen), stream: { wait: 50 } })
      const [early, late] = [leaving(t, url, 'wait', { name: 'early' }), leaving(t, url, 'wait', { name: 'late' })]
      await until('both wait', () => seen.begun.size === 2)
      early.leave()
      await until('the handler hears of it', () => seen.aborted.has('early'))
      t.equal(await late.began, 200, 'silence has made a stream of it')
      t.equal(seen.aborted.has('late'), false)
      late.leave()
      await until('the handler hears of it', () => seen.aborted.has('late'))
      t.match((await callTool(url, 'echo', { message: 'still' })).body.result.content, [{ text: 'still' }])
      t.equal(app.mcpSessions.counters.refused['internal'], 0)
    })

    t.test('a handler that has answered is not aborted', async t => {
      const seen = newSeen()
      const { url } = await startApp(t, options(seen))
      const call = callTool(url, 'wait', { name: 'w' })
      await until('it waits', () => seen.release.has('w'))
      seen.release.get('w')!()
      t.match((await call).body.result.content, [{ text: 'released' }])
      await callTool(url, 'echo', { message: 'x' })
      t.equal(seen.aborted.size, 0)
    })

    t.test('nothing is asked of a client', async t => {
      const { url } = await startApp(t, options())
      t.match((await callTool(url, 'ask')).body.result, { isError: true })
    })

    t.test('a draining node finishes what it has', async t => {
      const seen = newSeen()
      const { url, app, log } = await startApp(t, { ...options(seen), drain: { grace: 0 } })
      const call = callTool(url, 'wait', { name: 'w' })
      await until('it waits', () => seen.begun.has('w'))
      const drained = app.mcpSessions.drain()
      await until('the node takes no more sessions', () => log.some(({ msg }) => msg === 'mcp node is draining'))
      t.match((await callTool(url, 'echo', { message: 'late' })).body.result.content, [{ text: 'late' }], 'and what still comes')
      seen.release.get('w')!()
      t.match((await call).body.result.content, [{ text: 'released' }])
      t.match(await drained, { finished: 1, lost: 0 })
    })

    t.test('what does not end in time is lost, and refused when the node closes', async t => {
      const seen = newSeen()
      const { url, app } = await startApp(t, { ...options(seen), drain: { timeout: 50 } })
      const call = callTool(url, 'wait', { name: 'w' })
      await until('it waits', () => seen.begun.has('w'))
      const closed = app.close()
      t.match(await call, { status: 503, body: { error: { data: { reason: 'node_closing' } } } })
      await closed
      await until('its handler hears of it', () => seen.aborted.has('w'))
    })

    t.test('so many at once for a principal', async t => {
      const seen = newSeen()
      const { stateless } = options(seen)
      const { url, app } = await startApp(t, { stateless: { ...stateless as object, maxPerPrincipal: 1 } as any, principal: ({ headers }) => headers.authorization })
      const ada = { headers: { authorization: 'ada' } }
      const first = leaving(t, url, 'wait', { name: 'free' })
      const call = callTool(url, 'wait', { name: 'w' }, ada)
      await until('both wait', () => seen.begun.size === 2)
      t.match(await callTool(url, 'echo', { message: 'x' }, { ...ada, id: 9 }), { status: 429, body: { id: 9, error: { data: { reason: 'call_limit' } } } })
      t.equal((await callTool(url, 'echo', { message: 'x' }, { headers: { authorization: 'eve' } })).status, 200)
      t.equal((await callTool(url, 'echo', { message: 'x' })).status, 200, 'nobody in particular has no limit')
      seen.release.get('w')!()
      await call
      for (let i = 0; i < 3; i++) t.equal((await callTool(url, 'echo', { message: 'x' }, ada)).status, 200)
      t.equal((await ask(url, 'no/such', {}, ada)).status, 404)
      t.equal((await callTool(url, 'echo', { message: 'x' }, ada)).status, 200, 'what is refused is given back')
      first.leave()
      await until('it is heard', () => seen.aborted.has('free'))
      t.equal(app.mcpSessions.counters.refused['call_limit'], 1)
    })
  })
}

t.test('an answer that cannot be given is a fault of ours, and its caller hears of it', async t => {
  const refused: unknown[] = []
  const asked = {
    message: { jsonrpc: '2.0', id: 1, method: 'tools/call', params: {} },
    params: () => { throw new Error('a fault') },
    refuse: (reason: string, { log }: Details) => refused.push(reason, (log!['err'] as Error).message)
  } as unknown as Asked
  const host = { told: UNTOLD, answers: { news: 0 }, state: { seal: () => 'sealed' }, waits: { delete: () => {} }, over: () => {} } as unknown as CallHost
  new Call(asked, host).respond({ jsonrpc: '2.0', id: 1, result: { resultType: 'input_required', requestState: 'state' } })
  t.strictSame(refused, ['internal', 'a fault'])
})
