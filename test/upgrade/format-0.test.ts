// What nodes of format 0 expect, and what is expected of them: a packed one as a process, next to one of this version.
import { randomUUID } from 'node:crypto'
import t from 'tap'
import type { Test } from 'tap'
import { FORMAT, OLDEST_READER } from '../../lib/format.ts'
import { nodeTag } from '../../lib/session-id.ts'
import { freePort } from '../fixtures/free-port.ts'
import { call, inSession, open, send } from '../fixtures/http.ts'
import type { Answer } from '../fixtures/http.ts'
import type { Stamp } from '../fixtures/load/load-server.ts'
import { startNodeProcess } from '../fixtures/node-process.ts'
import type { NodeProcess } from '../fixtures/node-process.ts'
import { FORMAT_0, packageOf } from '../fixtures/packages.ts'
import { connect, startRedis } from '../fixtures/redis.ts'
import { startRelay } from '../fixtures/relay.ts'
import type { Relay } from '../fixtures/relay.ts'
import { until } from '../fixtures/until.ts'

const HEARTBEAT = 500
const old = await packageOf(FORMAT_0)
const server = await startRedis(t)
const redis = connect(t, server)

interface Member extends NodeProcess { id: string, address: string, tag: string, relay: Relay }

interface Mixed {
  older: Member
  newer: Member
  start: (name: 'older' | 'newer') => Promise<Member>
  key: (id: string) => string
  record: (id: string) => Promise<Record<string, string>>
}

/** A node of format 0 and one of this version, each with its own way to Redis. */
async function startMixed (t: Test): Promise<Mixed> {
  const keyPrefix = `test:${randomUUID()}:`
  let starts = 0
  async function start (name: 'older' | 'newer'): Promise<Member> {
    const id = `${name}-${++starts}`
    const address = `http://127.0.0.1:${await freePort()}`
    const relay = await startRelay(t, server.port)
    const process = await startNodeProcess(t, {
      redis: `redis://127.0.0.1:${relay.port}`,
      keyPrefix,
      orphan: 'adopt',
      drain: { grace: 0, timeout: 5000 },
      node: { id, url: address, heartbeat: HEARTBEAT },
      ...name === 'older' && { package: old }
    })
    return { ...process, id, address, tag: nodeTag({ id, url: address }), relay }
  }
  const [older, newer] = await Promise.all([start('older'), start('newer')])
  await Promise.all([sees(older, 2), sees(newer, 2)])
  const key = (id: string): string => `${keyPrefix}session:${id}`
  return { older, newer, start, key, record: id => redis.hgetall(key(id)) }
}

/** Resolves when a node knows of so many live nodes, itself included. */
async function sees ({ address }: Member, count: number): Promise<void> {
  await until(`${count} nodes live`, async () => {
    const { status, body } = await send(`${address}/nodes`, { method: 'GET' })
    return status === 200 && body.length === count
  })
}

/** The answer, once it is none of a node that cannot say: a busy machine has it doubt what it knows. */
async function settled (ask: () => Promise<Answer>): Promise<Answer> {
  return until('it can say', async () => {
    const answer = await ask()
    return answer.status === 503 ? undefined : answer
  })
}

/** Who answered, and how often the session was stamped; throws when it was refused. */
async function stamp (url: string, id: string): Promise<Stamp> {
  const answer = await settled(() => inSession(url, id, call('stamp', { message: '' })))
  if (answer.status !== 200 || answer.body.result === undefined) throw new Error(`${answer.status} ${answer.text}`)
  return JSON.parse(answer.body.result.content[0].text)
}

async function owner ({ address }: Member, id: string): Promise<Pick<Answer, 'status' | 'text'>> {
  const { status, text } = await send(`${address}/mcp-sticky/owner`, { method: 'GET', headers: { 'mcp-session-id': id } })
  return { status, text }
}

t.test('next to each other', async t => {
  const { older, newer, record } = await startMixed(t)
  for (const [way, owning, other] of [['a session of the older node', older, newer], ['a session of the newer node', newer, older]] as const) {
    t.test(`${way}: the owner question, as format 0 asks and answers it`, async t => {
      const id = await open(owning.url)
      const epoch = await until('it is recorded', async () => (await record(id))['epoch'])
      t.strictSame(await owner(owning, id), { status: 200, text: JSON.stringify({ epoch }) })
      t.strictSame(await owner(other, id), { status: 404, text: '{}' }, 'the no is exactly this')
      t.match(await send(`${owning.address}/mcp-sticky/nothing`, { method: 'GET' }), { status: 404, body: { error: 'Not Found' } }, 'and Fastify\'s own 404 is another')
    })

    t.test(`${way}: hops`, async t => {
      const id = await open(owning.url)
      t.match(await stamp(other.url, id), { node: owning.id, total: 1 })
      t.match(await stamp(owning.url, id), { node: owning.id, total: 2 })
      // What is forwarded and is not there: 421, and the node that forwarded looks once more.
      t.match(await settled(() => inSession(other.url, id, call('stamp', { message: '' }), { 'mcp-sticky-hop': owning.tag })), { status: 421, body: { error: { data: { reason: 'not_owner' } } } })
      t.match(await settled(() => send(other.url, { method: 'DELETE', headers: { 'mcp-session-id': id } })), { status: 200 })
      t.match(await settled(() => inSession(owning.url, id, call('stamp', { message: '' }))), { status: 404 })
    })

    t.test(`${way}: a close that the other is asked for reaches it through its close set`, async t => {
      const id = await open(owning.url)
      // A hop is not forwarded, so the record goes, and the owner learns of it as it beats.
      t.match(await settled(() => send(other.url, { method: 'DELETE', headers: { 'mcp-session-id': id, 'mcp-sticky-hop': owning.tag } })), { status: 200 })
      await until('the owner has ended it', async () => (await owner(owning, id)).status === 404)
      t.strictSame(await record(id), {})
    })

    t.test(`${way}: its node has lost Redis alone, and is not robbed`, async t => {
      const id = await open(owning.url)
      const first = await stamp(other.url, id)
      owning.relay.cut()
      await sees(other, 1)
      for (let total = 2; total < 6; total++) {
        t.match(await stamp(other.url, id), { node: owning.id, server: first.server, total }, 'asked elsewhere')
        t.match(await stamp(owning.url, id), { node: owning.id, server: first.server, total: ++total }, 'asked there')
      }
      t.equal((await record(id))['node'], owning.id)
      owning.relay.mend()
      await Promise.all([sees(other, 2), sees(owning, 2)])
      t.match(await stamp(other.url, id), { node: owning.id, server: first.server })
      t.equal((await record(id))['node'], owning.id)
    })

    t.test(`${way}: its node is frozen, the other takes it over and closes it, and it ends on both`, async t => {
      const id = await open(owning.url)
      owning.pause()
      await sees(other, 1)
      t.match(await stamp(other.url, id), { node: other.id })
      t.equal((await record(id))['formerly'], owning.id)
      t.match(await settled(() => send(other.url, { method: 'DELETE', headers: { 'mcp-session-id': id } })), { status: 200 })
      owning.resume()
      await until('the frozen one has ended it', async () => (await owner(owning, id)).status === 404)
      await until('the record has gone', async () => Object.keys(await record(id)).length === 0)
      await Promise.all([sees(other, 2), sees(owning, 2)])
    })
  }
})

t.test('one session goes from version to version: drained there and back, then killed there and back', async t => {
  const { start, key, record, ...first } = await startMixed(t)
  let [holder, other]: [Member, Member] = [first.older, first.newer]
  const id = await open(holder.url)
  let { total } = await stamp(holder.url, id)
  for (const leave of ['terminate', 'terminate', 'kill', 'kill'] as const) {
    const [name, next] = [holder, other].map(({ id }) => id.split('-')[0]!) as ['older' | 'newer', 'older' | 'newer']
    t.comment(`${leave} of ${name}`)
    await until('its state is in the record', async () => (await record(id))['state'] === JSON.stringify({ total }))
    await holder[leave]()
    await holder.ended
    t.equal((await record(id))['released'], leave === 'terminate' ? '1' : undefined)
    if (leave === 'terminate') {
      // Each reads what the other has counted.
      await redis.hset(key(id), 'adoptionFailures', '3')
      t.match(await settled(() => inSession(other.url, id, call('stamp', { message: '' }))), { status: 404, body: { error: { data: { reason: 'orphaned' } } } })
      await redis.hset(key(id), 'adoptionFailures', '2')
    }
    t.match(await stamp(other.url, id), { node: other.id, total: ++total })
    const { epoch, owner, reader, ...fields } = await record(id)
    t.match(fields, { node: other.id, released: undefined, url: other.address })
    if (leave === 'kill') t.ok(fields['formerly']!.split(',').includes(holder.id), 'one that is taken over unasked is noted')
    if (next === 'newer') t.match({ owner, reader }, { owner: new RegExp(`^${epoch!.split('.')[0]} ${FORMAT} [01]$`), reader: String(OLDEST_READER) })
    else t.notOk(epoch!.startsWith(owner!.split(' ')[0]!), 'format 0 leaves what the owner before has said of itself, and it says whose it was')
    const successor = await start(name)
    await Promise.all([sees(other, 2), sees(successor, 2)])
    ;[holder, other] = [other, successor]
  }
})
