// Where the sessions of nodes go that are gone: all of one tag to one node, whoever is asked for them.
import t from 'tap'
import type { Test } from 'tap'
import { redisKeys } from '../../lib/redis/keys.ts'
import { nodeTag, tagOf } from '../../lib/session-id.ts'
import { freePort } from '../fixtures/free-port.ts'
import { inSession, open, send } from '../fixtures/http.ts'
import { memberOf } from '../fixtures/members.ts'
import { startNodeProcess } from '../fixtures/node-process.ts'
import type { NodeProcess, NodeProcessOptions } from '../fixtures/node-process.ts'
import { connect, startRedis } from '../fixtures/redis.ts'
import { randomPrefix } from '../fixtures/redis-node.ts'
import { until } from '../fixtures/until.ts'

const HEARTBEAT = 300
const list = { jsonrpc: '2.0', id: 2, method: 'tools/list' }

interface Place { id: string, url: string, tag: string, start: () => Promise<NodeProcess> }

const redis = await startRedis(t)
const raw = connect(t, redis)

/** Places for nodes of one cluster, and what Redis says of them. */
async function places (t: Test, ids: string[], more: Partial<NodeProcessOptions> & { tags?: number, heartbeat?: number } = {}) {
  const keyPrefix = randomPrefix()
  const keys = redisKeys(keyPrefix)
  const { tags, heartbeat = HEARTBEAT, ...options } = more
  const made: Place[] = []
  for (const id of ids) {
    const url = `http://127.0.0.1:${await freePort()}`
    const node = { id, url, heartbeat, ...tags !== undefined && { tags } }
    made.push({ id, url, tag: nodeTag({ id, url }), start: () => startNodeProcess(t, { redis: redis.url, keyPrefix, misroute: 'forward', orphan: 'adopt', drain: { grace: 0, timeout: 5000 }, node, ...options }) })
  }
  const owner = async (session: string): Promise<string | null> => raw.hget(keys.session(session), 'node')
  return {
    made,
    keys,
    owner,
    /** Who owns how many of these. */
    owners: async (sessions: string[]) => {
      const count: Record<string, number> = {}
      for (const id of await Promise.all(sessions.map(owner))) count[String(id)] = (count[String(id)] ?? 0) + 1
      return count
    },
    holder: async (tag: string): Promise<string | undefined> => (await raw.hget(keys.tags, tag))?.split(' ')[0],
    alive: async (id: string): Promise<boolean> => await memberOf(raw, keyPrefix, id) !== undefined,
    /** Each node knows so many. */
    known: (nodes: NodeProcess[], count: number) => until('the nodes know of each other', async () => {
      const seen = await Promise.all(nodes.map(async ({ url }) => (await send(new URL('/nodes', url).href, { method: 'GET' })).body?.length))
      return seen.every(length => length === count)
    })
  }
}

const openAt = async ({ url }: NodeProcess, count: number): Promise<string[]> => {
  const ids: string[] = []
  for (let i = 0; i < count; i++) ids.push(await open(url))
  return ids
}

/** Calls each session, at these nodes in turn. */
async function callAll (t: Test, nodes: NodeProcess[], ids: string[]): Promise<void> {
  const answers = await Promise.all(ids.map((id, i) => inSession(nodes[i % nodes.length]!.url, id, list)))
  t.strictSame(answers.filter(({ status, body }) => status !== 200 || body?.result === undefined).map(({ status, text }) => [status, text]), [], 'every call is answered')
}

/** Whether the holder is still the same: an heir that a busy machine lets answer no question for a second loses what it holds, as a frozen one does. */
async function unmoved (t: Test, heir: string | undefined, holder: () => Promise<string | undefined>): Promise<boolean> {
  const now = await holder()
  if (now !== heir) t.comment(`${heir} did not answer in time, and ${now} is the heir`)
  return now === heir
}

t.test('a node that leaves names an heir first, and its sessions go on there, wherever they are asked for', async t => {
  const { made: [a, b, c], owners, holder, known } = await places(t, ['a', 'b', 'c'])
  const nodes = [await a!.start(), await b!.start(), await c!.start()] as const
  await known([...nodes], 3)
  await until('each holds its tag', async () => await holder(a!.tag) === 'a' && await holder(b!.tag) === 'b')
  const ids = await openAt(nodes[0], 12)
  t.ok(ids.every(id => tagOf(id) === a!.tag))
  t.equal(await nodes[0].terminate(), 0)
  const heir = await holder(a!.tag)
  t.ok(heir === 'b' || heir === 'c', `${heir} is the heir`)
  await callAll(t, [nodes[1], nodes[2]], ids)
  if (await unmoved(t, heir, () => holder(a!.tag))) t.strictSame(await owners(ids), { [heir!]: 12 })
})

t.test('of a node that was killed, whoever is asked names the heir, and passes on to it', async t => {
  const { made: [a, b, c], owners, holder, alive, known } = await places(t, ['a', 'b', 'c'])
  const nodes = [await a!.start(), await b!.start(), await c!.start()] as const
  await known([...nodes], 3)
  await until('it holds its tag', async () => await holder(a!.tag) === 'a')
  const ids = await openAt(nodes[0], 12)
  nodes[0].kill()
  await until('its beat is over', async () => !await alive('a'))
  await callAll(t, [nodes[1], nodes[2]], ids.slice(0, 2))
  const heir = await holder(a!.tag)
  t.ok(heir === 'b' || heir === 'c', `${heir} is the heir`)
  await callAll(t, [nodes[1], nodes[2]], ids)
  if (await unmoved(t, heir, () => holder(a!.tag))) t.strictSame(await owners(ids.slice(2)), { [heir!]: 10 })
})

t.test('an heir that is frozen costs no call: another is named', async t => {
  const { made: [a, b, c], owner, holder, alive, known } = await places(t, ['a', 'b', 'c'])
  const nodes = [await a!.start(), await b!.start(), await c!.start()] as const
  await known([...nodes], 3)
  await until('it holds its tag', async () => await holder(a!.tag) === 'a')
  const [first, second, third] = await openAt(nodes[0], 3) as [string, string, string]
  nodes[0].kill()
  await until('its beat is over', async () => !await alive('a'))
  await callAll(t, [nodes[1]], [first])
  const heir = await holder(a!.tag)
  const [frozen, other] = heir === 'b' ? [nodes[1], nodes[2]] : [nodes[2], nodes[1]]
  frozen.pause()
  t.teardown(() => frozen.resume())
  const rest = heir === 'b' ? 'c' : 'b'
  await callAll(t, [other], [second, third])
  t.strictSame([await owner(second), await owner(third), await holder(a!.tag)], [rest, rest, rest])
})

t.test('a node that wakes takes its tag back, since it has more of its sessions', async t => {
  const { made: [a, b], owners, holder, known } = await places(t, ['a', 'b'])
  const nodes = [await a!.start(), await b!.start()] as const
  await known([...nodes], 2)
  await until('it holds its tag', async () => await holder(a!.tag) === 'a')
  const ids = await openAt(nodes[0], 6)
  nodes[0].pause()
  await known([nodes[1]], 1)
  await callAll(t, [nodes[1]], ids.slice(0, 1))
  t.equal(await holder(a!.tag), 'b')
  nodes[0].resume()
  await until('it holds its tag again', async () => await holder(a!.tag) === 'a')
  await callAll(t, [nodes[0], nodes[1]], ids)
  t.strictSame(await owners(ids), { a: 5, b: 1 })
})

t.test('a url with eight tags is shared out, and the next node there opens sessions under tags that are its own', async t => {
  const { made: [a, b, c], owners, holder, known } = await places(t, ['a', 'b', 'c'], { tags: 8 })
  const nodes = [await a!.start(), await b!.start(), await c!.start()] as const
  await known([...nodes], 3)
  await until('it holds its tags', async () => await holder(a!.tag) === 'a')
  const ids = await openAt(nodes[0], 40)
  const tags = new Set(ids.map(id => tagOf(id)!))
  t.equal(tags.size, 4)
  t.equal(await nodes[0].terminate(), 0)
  t.strictSame((await Promise.all([...tags].map(holder))).sort(), ['b', 'b', 'c', 'c'])
  await callAll(t, [nodes[1], nodes[2]], ids)
  t.equal((await owners(ids))['null'], undefined)
  const again = await a!.start()
  const young = await openAt(again, 8)
  t.ok(young.every(id => !tags.has(tagOf(id)!)), 'none that others hold')
  t.equal(new Set(young.map(id => tagOf(id))).size, 2)
})

t.test('five of ten nodes leave at once: their sessions go on on the others', async t => {
  const names = Array.from({ length: 10 }, (_, i) => `n${i}`)
  const { made, owners, holder, known } = await places(t, names)
  const nodes = await Promise.all(made.map(({ start }) => start()))
  await known(nodes, 10)
  await until('each holds its tag', async () => (await Promise.all(made.map(async ({ tag, id }) => await holder(tag) === id))).every(Boolean))
  const [leaving, rest] = [nodes.slice(0, 5), nodes.slice(5)]
  const ids = (await Promise.all(leaving.map(node => openAt(node, 4)))).flat()
  t.strictSame(await Promise.all(leaving.map(({ terminate }) => terminate())), [0, 0, 0, 0, 0])
  await callAll(t, rest, ids)
  t.strictSame(Object.keys(await owners(ids)).filter(id => names.indexOf(id) < 5), [])
})

t.test('where a tag is shared by two, both are asked for a session whose record was lost', async t => {
  const { made: [a, b, c], keys, holder, known } = await places(t, ['a', 'b', 'c'])
  const nodes = [await a!.start(), await b!.start(), await c!.start()] as const
  await known([...nodes], 3)
  await until('it holds its tag', async () => await holder(a!.tag) === 'a')
  const moved = await openAt(nodes[0], 3)
  t.equal(await nodes[0].terminate(), 0)
  await callAll(t, [nodes[1], nodes[2]], moved)
  const again = await a!.start()
  const heir = await holder(a!.tag)
  t.not(heir, 'a')
  const other = heir === 'b' ? nodes[2] : nodes[1]
  await known([other], 3)
  const [young] = await openAt(again, 1) as [string]
  t.equal(tagOf(young), a!.tag, 'its url has no other')
  t.equal((await inSession(other.url, `${a!.tag}.${'x'.repeat(22)}`, list)).status, 404, 'the table is known')
  await raw.del(keys.session(young))
  await callAll(t, [other], [young])
})

t.test('a table that is lost is there again, and meanwhile nothing fails', async t => {
  const { made: [a, b], keys, owners, holder, known } = await places(t, ['a', 'b'], { heartbeat: 100 })
  const nodes = [await a!.start(), await b!.start()] as const
  await known([...nodes], 2)
  await until('each holds its tag', async () => await holder(a!.tag) === 'a' && await holder(b!.tag) === 'b')
  const ids = await openAt(nodes[0], 4)
  for (const vandalize of [() => raw.del(keys.tags), () => raw.set(keys.tags, 'x')]) {
    await vandalize()
    await callAll(t, [...nodes], ids)
    await until('it is there again', async () => await raw.type(keys.tags) === 'hash' && await holder(a!.tag) === 'a' && await holder(b!.tag) === 'b')
  }
  t.strictSame(await owners(ids), { a: 4 })
})
