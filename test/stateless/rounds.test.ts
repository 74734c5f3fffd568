// Calls that ask their client in rounds, each on another node.
import { randomBytes } from 'node:crypto'
import t from 'tap'
import type { Test } from 'tap'
import type { NodeOptions } from '../fixtures/cluster.ts'
import { startApp } from '../fixtures/app.ts'
import type { StartedApp } from '../fixtures/app.ts'
import { startCluster } from '../fixtures/cluster.ts'
import { connect, countCommands, startRedis } from '../fixtures/redis.ts'
import type { RedisServer } from '../fixtures/redis.ts'
import { randomPrefix } from '../fixtures/redis-node.ts'
import { ask, callTool, connectPinned, modern, statelessServer } from '../fixtures/stateless.ts'
import { until } from '../fixtures/until.ts'

const redis = await startRedis(t)
const options = (more: object = {}): NodeOptions => ({
  stateless: { servers: 'shared', createServer: () => statelessServer(), ...more },
  principal: ({ headers }) => headers.authorization
})
const answers = { inputResponses: { name: { action: 'accept', content: { name: 'Ada' } } } }
const JSON_BOTH = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
const meta = { 'io.modelcontextprotocol/clientCapabilities': { elicitation: {} } }
const rounds = (url: string, params: object = {}, who = 'ada', of = 3) => callTool(url, 'rounds', { of }, { params, meta, headers: { authorization: who } })

t.test('twenty calls of three rounds, the nodes in turn', async t => {
  const nodes = await startCluster(t, redis, ['a', 'b'], options())
  for (let call = 0; call < 20; call++) {
    let params: object = {}
    for (let round = 0; round < 3; round++) {
      const { body: { result } } = await rounds(nodes[(call + round) % 2]!.url, params)
      t.match(result, { resultType: 'input_required', requestState: String, inputRequests: { name: { method: 'elicitation/create' } } })
      params = { requestState: result.requestState, ...answers }
    }
    t.match((await rounds(nodes[(call + 1) % 2]!.url, params)).body.result, { resultType: 'complete', content: [{ text: 'after 3' }] })
  }
})

t.test('a body that begins with a byte order mark has its rounds as well', async t => {
  const { url } = await startApp(t, options() as object)
  const post = async (params: object): Promise<any> => {
    const message = modern('tools/call', { name: 'rounds', arguments: { of: 1 }, ...params }, { meta })
    const answer = await fetch(url, { method: 'POST', headers: { ...message.headers, ...JSON_BOTH }, body: `\ufeff${JSON.stringify(message.body)}` })
    return (await answer.json() as any).result
  }
  const { requestState } = await post({})
  t.match(await post({ requestState, ...answers }), { resultType: 'complete', content: [{ text: 'after 1' }] })
})

t.test('a client of the SDK answers by itself', async t => {
  const [a] = await startCluster(t, redis, ['a'], options())
  const client = await connectPinned(t, a.url)
  t.match(await client.callTool({ name: 'rounds', arguments: { of: 3 } }), { content: [{ text: 'after 3' }] })
})

t.test('a state is no good for others, with other arguments, or changed', async t => {
  const [a, b] = await startCluster(t, redis, ['a', 'b'], options())
  const { requestState } = (await rounds(a.url)).body.result
  const changed = `${requestState.slice(0, -2)}${requestState.endsWith('AA') ? 'BB' : 'AA'}`
  for (const [what, answer] of [
    ['another principal', rounds(b.url, { requestState, ...answers }, 'eve')], ['other arguments', rounds(b.url, { requestState, ...answers }, 'ada', 2)],
    ['changed', rounds(b.url, { requestState: changed, ...answers })], ['nonsense', rounds(b.url, { requestState: 'x' })], ['no text', rounds(b.url, { requestState: 1 })]
  ] as const) t.match(await answer, { status: 400, body: { error: { code: -32602, data: { reason: 'state_invalid' } } } }, what)
  t.match((await rounds(b.url, { requestState, ...answers })).body.result, { resultType: 'input_required' }, 'and for its own it is, twice')
  t.match((await rounds(b.url, { requestState, ...answers })).body.result, { resultType: 'input_required' })
})

t.test('secrets of the application, changed one node after the other', async t => {
  const [old, now] = ['o'.repeat(32), Buffer.alloc(32, 'n')]
  const [a] = await startCluster(t, redis, ['a'], options({ secrets: [old] }))
  const [b] = await startCluster(t, redis, ['b'], options({ secrets: [old, now] }))
  const [c] = await startCluster(t, redis, ['c'], options({ secrets: [now, old] }))
  for (const [first, second] of [[a, b], [b, a], [b, c], [c, b], [a, c]] as const) {
    const { requestState } = (await rounds(first.url)).body.result
    t.equal((await rounds(second.url, { requestState, ...answers })).status, 200)
  }
  const { requestState } = (await rounds(c.url)).body.result
  t.equal((await rounds(a.url, { requestState, ...answers })).status, 400, 'who does not know the newest yet cannot open it')
})

t.test('without Redis the process has a secret of its own', async t => {
  const { url } = await startApp(t, options() as object)
  const { requestState } = (await rounds(url)).body.result
  t.equal((await rounds(url, { requestState, ...answers })).status, 200)
  const other = await startApp(t, options() as object)
  t.equal((await rounds(other.url, { requestState, ...answers })).status, 400)
})

t.test('while Redis has not told the key: 503 for what needs it, and nothing else', async t => {
  const own = await startRedis(t)
  const client = connect(t, own)
  await own.kill()
  const { url } = await startApp(t, { ...options(), redis: client, keyPrefix: randomPrefix(), node: { heartbeat: 100 } })
  t.match(await rounds(url), { status: 503, headers: { 'retry-after': /\d+/ }, body: { error: { data: { reason: 'state_unavailable' } } } })
  t.match(await rounds(url, { requestState: 'x', ...answers }), { status: 503, body: { error: { data: { reason: 'state_unavailable' } } } })
  t.match((await callTool(url, 'echo', { message: 'x' })).body.result.content, [{ text: 'x' }])
})

t.test('a secret that Redis has lost is there again', async t => {
  const keyPrefix = randomPrefix()
  const client = connect(t, redis)
  const node = (id: string) => startApp(t, { ...options(), redis: connect(t, redis), keyPrefix, node: { id, heartbeat: 100 } })
  const a = await node('a')
  await until('there is a secret', () => client.exists(`${keyPrefix}secret`))
  const { requestState } = (await rounds(a.url)).body.result
  await client.del(`${keyPrefix}secret`)
  await until('there is one again', () => client.exists(`${keyPrefix}secret`))
  const b = await node('b')
  t.equal((await rounds(b.url, { requestState, ...answers })).status, 200, 'the same, so that what was given out holds')
})

/** A node that hears of nothing by its beats while the test runs. */
const calm = (t: Test, server: RedisServer, keyPrefix: string, id: string, more: object = {}): Promise<StartedApp> => startApp(t, { ...options(more), redis: connect(t, server), keyPrefix, node: { id, heartbeat: 60_000 } })
/** A state as it might be sealed with a key that nobody has. */
const foreign = (): string => randomBytes(100).toString('base64url')
const asksFor = (keyPrefix: string) => (args: string[]): boolean => args.includes(`${keyPrefix}secret`)

t.test('a state that was sealed with a key which a node has not heard of has it look, once for all who come together', async t => {
  const keyPrefix = randomPrefix()
  const a = await calm(t, redis, keyPrefix, 'a')
  await connect(t, redis).del(`${keyPrefix}secret`)
  // It knows no other secret, so it makes a new one.
  const b = await calm(t, redis, keyPrefix, 'b')
  const states = await Promise.all(Array.from({ length: 20 }, async () => (await rounds(b.url)).body.result.requestState))
  const looks = await countCommands(redis, async () => {
    for (const answer of await Promise.all(states.map(requestState => rounds(a.url, { requestState, ...answers })))) t.match(answer, { status: 200, body: { result: { resultType: 'input_required' } } })
  }, keyPrefix)
  t.equal(looks.filter(asksFor(keyPrefix)).length, 1)
  t.strictSame(await countCommands(redis, () => rounds(a.url, { requestState: states[0], ...answers }), keyPrefix), [], 'then it knows')
})

t.test('states of keys that nobody has are refused, and a flood of them is no flood of looks', async t => {
  const keyPrefix = randomPrefix()
  const { url } = await calm(t, redis, keyPrefix, 'a')
  t.match(await rounds(url, { requestState: foreign(), ...answers }), { status: 400, body: { error: { data: { reason: 'state_invalid' } } } })
  const looks = await countCommands(redis, async () => {
    for (const { body } of await Promise.all(Array.from({ length: 100 }, () => rounds(url, { requestState: foreign(), ...answers })))) t.match(body.error.data.reason, /^state_(invalid|unavailable)$/)
  }, keyPrefix)
  t.ok(looks.filter(asksFor(keyPrefix)).length < 40, `${looks.filter(asksFor(keyPrefix)).length} looks`)
  const own = await calm(t, redis, keyPrefix, 'b', { secrets: ['x'.repeat(32)] })
  t.strictSame(await countCommands(redis, async () => t.equal((await rounds(own.url, { requestState: foreign(), ...answers })).status, 400), keyPrefix), [], 'who has secrets of its own knows all there are')
})

t.test('while Redis is away nobody can say whether there is such a key; what is known goes on', async t => {
  const server = await startRedis(t)
  const { url } = await calm(t, server, randomPrefix(), 'a')
  const { requestState } = (await rounds(url)).body.result
  await server.kill()
  t.match(await rounds(url, { requestState: foreign(), ...answers }), { status: 503, headers: { 'retry-after': /\d+/ }, body: { error: { data: { reason: 'state_unavailable' } } } })
  t.match(await rounds(url, { requestState, ...answers }), { status: 200 })
  t.match(await rounds(url, { requestState, ...answers }, 'eve'), { status: 400 }, 'another\'s is refused all the same')
})

t.test('no command of Redis is on the way of a call, with a state or without', async t => {
  const keyPrefix = randomPrefix()
  const { url } = await calm(t, redis, keyPrefix, 'a')
  const each = await startApp(t, { ...options(), stateless: { createServer: () => statelessServer() }, redis: connect(t, redis), keyPrefix, node: { id: 'each', heartbeat: 60_000 } })
  for (const at of [url, each.url]) {
    const commands = await countCommands(redis, async () => {
      for (let i = 0; i < 20; i++) {
        t.equal((await callTool(at, 'echo', { message: 'x' }, { headers: { authorization: 'ada' } })).status, 200)
        const { requestState } = (await rounds(at)).body.result
        t.equal((await rounds(at, { requestState, ...answers })).status, 200)
        for (const method of ['tools/list', 'ping', 'subscriptions/listen']) await ask(at, method)
      }
    }, keyPrefix)
    t.strictSame(commands, [])
  }
})
