// What the server must let a node do.
import { readFile } from 'node:fs/promises'
import t from 'tap'
import type { Redis } from 'ioredis'
import { redisEventStore } from '../../lib/redis/events/event-store.ts'
import { redisKeys } from '../../lib/redis/keys.ts'
import { Link } from '../../lib/redis/link/link.ts'
import { CloseSet, wishEntry } from '../../lib/redis/nodes/close-set.ts'
import { Sweeper } from '../../lib/redis/clearing/sweeper.ts'
import { keptLog } from '../fixtures/log.ts'
import { connect, startRedis, type TestLike } from '../fixtures/redis.ts'
import { startNode } from '../fixtures/redis-node.ts'
import { until } from '../fixtures/until.ts'

const silent = { lost () {}, masterGone () {}, answering () {}, reconnected () {} }

/** The line as docs/operations.md has it, for a user of this name. */
async function documentedAcl (user: string): Promise<string[]> {
  const docs = await readFile(new URL('../../docs/operations.md', import.meta.url), 'utf8')
  const line = /^ACL SETUSER mcp .*$/m.exec(docs)?.[0]
  if (line === undefined) throw new Error('docs/operations.md has no ACL line')
  return ['SETUSER', user, ...line.split(' ').slice(3).map(rule => rule === '><password>' ? '>secret' : rule)]
}

/** All that nodes ask of Redis: sessions that open, move, end, are listed and swept, and their events. */
async function everything (t: TestLike, connected: () => Redis): Promise<void> {
  const keyPrefix = 'mcp:'
  const keys = redisKeys(keyPrefix)
  const a = await startNode(t, connected(), { keyPrefix, lease: true })
  const b = await startNode(t, connected(), { keyPrefix, lease: true })
  const [one, two, three, four] = [a.node.open('issuer|ann'), a.node.open('issuer|ann'), a.node.open('issuer|ann'), a.node.open('issuer|ann')] as const
  for (const record of [one, two, three, four]) if (!await a.directory.add(record)) throw new Error('a record was not written')
  a.directory.changed(one.id)
  await until('they are found', async () => (await b.directory.locate(one.id)).status === 'misrouted' && (await b.directory.nodes()).length === 2)
  const { cursor } = await b.directory.list({ limit: 2 })
  // The entry that the page ended with is used meanwhile.
  for (const record of [one, two, three, four]) a.directory.touch(record.id)
  if (cursor === undefined || (await b.directory.list({ limit: 2, cursor })).sessions.length !== 2) throw new Error('not listed')
  await a.directory.giveUp([one.id, two.id], 1000)
  for (const { id } of [one, two]) a.node.sessions.delete(id)
  const orphan = await b.directory.locate(one.id, { fresh: true })
  if (orphan.status !== 'orphaned' || await b.directory.claim(orphan.record) !== 'claimed') throw new Error('not claimed')
  const failing = await b.directory.locate(two.id, { fresh: true })
  if (failing.status !== 'orphaned' || await b.directory.claim(failing.record) !== 'claimed') throw new Error('not claimed')
  await b.directory.unclaim(failing.record)
  if (await b.directory.remove(three.id, { principal: 'issuer|ann' }) !== 'removed') throw new Error('not removed')
  await until('the owner ended it', () => a.node.ended.length === 1)
  a.node.sessions.delete(four.id)
  a.directory.discard(four.id)
  // An index that is short, and a round of the sweeper.
  const link = new Link(connected(), silent)
  if (!await link.connected(5000)) throw new Error('not connected')
  const log = keptLog()
  const sweeper = new Sweeper({ link, keys, node: { id: 'c', epoch: 'e.0' }, log, after: 1, interval: 1, doubt: { left: 0 }, forget: async () => {}, nodes: async () => ({ ids: ['dead', a.node.identity.id], live: new Map() }) })
  await until('a round has been swept', async () => (await sweeper.turn()).swept > 0)
  if (log.lines.some(({ level }) => level === 'warn')) throw new Error(JSON.stringify(log.lines))
  const store = redisEventStore({ redis: connected(), keyPrefix, log })
  await until('an event is stored', () => store.storeEvent('stream', {}).catch(() => undefined))
  const events = store.forSession(one.id, 'token')
  await events.takeOver()
  const first = await events.storeEvent(`${one.id.replaceAll('_', '~')}:1`, {})
  await events.getStreamIdForEventId?.(first)
  await events.replayEventsAfter(first, { send: async () => {} })
  await events.forget()
  // Somebody watches.
  const closeSet = new CloseSet(link, keys, a.node.identity.id)
  await closeSet.add(wishEntry('events', a.node.identity.incarnation))
  await until('the node has heard of it', async () => (await closeSet.read()).length === 0)
  link.stop()
  store.stop()
  for (const { directory, node, log } of [a, b]) {
    if (await directory.stop([...node.sessions.keys()], 2000) !== 0) throw new Error('records were left')
    if (log.lines.some(({ level }) => level === 'warn')) throw new Error(JSON.stringify(log.lines))
  }
}

t.test('the documented ACL line lets a node do all it does, and nothing more', async t => {
  const server = await startRedis(t)
  const admin = connect(t, server)
  await admin.call('ACL', ...await documentedAcl('mcp'))
  await everything(t, () => connect(t, server, { username: 'mcp', password: 'secret' }))
  t.strictSame(await admin.call('ACL', 'LOG'), [], 'nothing was refused')
  const other = connect(t, server, { username: 'mcp', password: 'secret' })
  await t.rejects(other.get('elsewhere'), /NOPERM/)
  await t.rejects(other.flushall(), /NOPERM/)
})
