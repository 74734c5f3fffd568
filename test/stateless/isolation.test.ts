// Many clients on one server object, all with the same ids and tokens: nothing of one reaches another.
import t from 'tap'
import { Agent, request } from 'undici'
import { startApp } from '../fixtures/app.ts'
import { full } from '../fixtures/load/size.ts'
import { modern, newSeen, statelessServer } from '../fixtures/stateless.ts'
import { until } from '../fixtures/until.ts'

const CLIENTS = 32
/** Of each client. With SOAK=full they are 20,000 calls together, 512 streams and 320 closes. */
const [CALLS, STREAMS, CLOSES] = full ? [625, 16, 10] as const : [60, 8, 6] as const

for (const servers of ['shared', 'each'] as const) {
  t.test(servers, async t => {
    const seen = newSeen()
    const { url } = await startApp(t, { stateless: { servers: servers as 'shared', createServer: () => statelessServer(seen) }, stream: { wait: 60_000 }, logLevel: 'silent' })
    const agents = Array.from({ length: CLIENTS }, () => new Agent({ connections: 4 }))
    t.teardown(() => Promise.all(agents.map(agent => agent.destroy())))
    const post = (client: number, name: string, args: object, signal?: AbortSignal) => {
      const { body, headers } = modern('tools/call', { name, arguments: args }, { id: 1, meta: { progressToken: 1 } })
      return request(url, {
        dispatcher: agents[client]!,
        method: 'POST',
        body: JSON.stringify(body),
        ...(signal && { signal }),
        headers: { ...headers, 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
      })
    }
    const wrong: string[] = []
    const began = performance.now()
    await Promise.all(agents.map(async (_agent, client) => {
      for (let i = 0; i < CALLS; i++) {
        const mine = `${client}/${i}`
        const [{ body }, streamed] = await Promise.all([post(client, 'echo', { message: mine }), i < STREAMS ? post(client, 'progress', { steps: 5, name: mine }).then(({ body }) => body.text()) : undefined])
        const answer = await body.json() as any
        if (answer.id !== 1 || answer.result.content[0].text !== mine) wrong.push(`${mine}: ${JSON.stringify(answer)}`)
        if (streamed === undefined) continue
        const messages = streamed.split('\n').filter(line => line.startsWith('data: ')).map(line => JSON.parse(line.slice(6)))
        const said = messages.map(({ params, result }) => params === undefined ? result.content[0].text : `${params.message} ${params.progress}`)
        if (said.join() !== [...[1, 2, 3, 4, 5].map(step => `${mine} ${step}`), mine].join()) wrong.push(`${mine}: ${said.join()}`)
      }
    }))
    t.comment(`${CLIENTS * CALLS} calls and ${CLIENTS * STREAMS} streams of ${CLIENTS} clients in ${Math.round(performance.now() - began)} ms, ${wrong.length} wrong`)
    t.strictSame(wrong, [], `${CLIENTS * CALLS} calls and ${CLIENTS * STREAMS} streams`)

    const stays = post(0, 'wait', { name: 'stays' })
    await until('one stays', () => seen.begun.has('stays'))
    await Promise.all(agents.map(async (_agent, client) => {
      for (let i = 0; i < CLOSES; i++) {
        const mine = `${client}/${i}`
        const left = new AbortController()
        const call = post(client, 'wait', { name: mine }, left.signal).catch(() => 'left')
        await until('it waits', () => seen.begun.has(mine))
        left.abort()
        await until('its handler hears of it', () => seen.aborted.has(mine))
        if (await call !== 'left') wrong.push(mine)
      }
    }))
    t.strictSame(wrong, [])
    t.equal(seen.aborted.size, CLIENTS * CLOSES, 'every close aborts its handler, and no other')
    seen.release.get('stays')!()
    t.match(await (await stays).body.json(), { id: 1, result: { content: [{ text: 'released' }] } })
  })
}
