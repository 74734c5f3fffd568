// What another program, or a damaged disk, may have left under a name of ours.
import t from 'tap'
import { readNodeState } from '../../lib/redis/node-state.ts'
import { identity } from '../fixtures/directory-node.ts'
import { connect, startRedis } from '../fixtures/redis.ts'
import { randomPrefix, startNode, type RedisNode } from '../fixtures/redis-node.ts'
import { until } from '../fixtures/until.ts'

const SECRET = 's3cret'

const nodeValues: Record<string, string> = {
  'no JSON': `{ not json: ${SECRET}`,
  'a number': '7',
  null: 'null',
  'an array': '[1]',
  'an odd shape': JSON.stringify({ v: 99, url: 7, tag: null }),
  'no epoch': JSON.stringify({ tag: 'x', state: 'up' }),
  'a url that is none': JSON.stringify({ tag: 'x', epoch: 'e.0', url: `not a url ${SECRET}` }),
  'a url with a path': JSON.stringify({ tag: 'x', epoch: 'e.0', url: `http://10.0.0.1/${SECRET}` }),
  'a url of another scheme': JSON.stringify({ tag: 'x', epoch: 'e.0', url: 'file://x' }),
  'a port that is none': JSON.stringify({ tag: 'x', epoch: 'e.0', url: 'http://10.0.0.1:99999' })
}

/** What was said of it: in one warning, without the content. */
const said = ({ log }: RedisNode) => log.lines.filter(({ message }) => message.startsWith('unreadable'))

t.test('the keys of nodes: they count as absent, and each is said once', async t => {
  const server = await startRedis(t)
  const raw = connect(t, server)
  const keyPrefix = randomPrefix()
  const a = await startNode(t, connect(t, server), { keyPrefix, heartbeat: 500 })
  const b = await startNode(t, connect(t, server), { keyPrefix, heartbeat: 500 })
  const names = Object.keys(nodeValues)
  for (const [i, value] of Object.values(nodeValues).entries()) {
    await raw.sadd(`${keyPrefix}nodes`, `x${i}`)
    await raw.set(`${keyPrefix}node:x${i}`, value)
  }
  await raw.sadd(`${keyPrefix}nodes`, 'list', `no id ${SECRET}`)
  await raw.rpush(`${keyPrefix}node:list`, SECRET)
  const record = a.node.open()
  await a.directory.add(record)
  for (let round = 0; round < 3; round++) {
    const { beats } = b.node
    await until('only nodes are', async () => {
      const ids = await b.directory.nodes().then(nodes => nodes.map(({ id }) => id), () => [])
      return b.node.beats > beats && ids.join() === [a.node.identity.id, b.node.identity.id].sort().join()
    })
  }
  await until('the session is found', async () => await b.directory.locate(record.id).then(({ status }) => status, () => '') === 'misrouted')
  t.strictSame((await b.directory.list({ limit: 10 })).sessions.map(({ id }) => id), [record.id])
  t.strictSame(said(b).map(({ fields }) => fields['what']).sort(), ['a member of the set of nodes', ...[...names.keys(), 'list'].map(i => `the key of the node ${i === 'list' ? i : `x${i}`}`)].sort())
  t.notMatch(JSON.stringify(b.log.lines), SECRET)
})

t.test('a node\'s own key: it takes it, whatever was there, and beats on when it is written over', async t => {
  const server = await startRedis(t)
  const raw = connect(t, server)
  const keyPrefix = randomPrefix()
  const key = `${keyPrefix}node:a`
  const put: Record<string, (value: string) => Promise<unknown>> = {
    string: value => raw.set(key, value),
    list: async value => { await raw.del(key); await raw.rpush(key, value) }
  }
  for (const [type, write] of Object.entries(put)) {
    await write(SECRET)
    const a = await startNode(t, connect(t, server), { keyPrefix, id: identity('a') })
    t.match(await raw.get(key), '"epoch"', `claimed over a ${type}`)
    for (const value of Object.values(nodeValues)) {
      await write(value)
      await until('it beats again', async () => await raw.type(key) === 'string' && readNodeState('a', await raw.get(key) ?? '')?.epoch === a.node.identity.epoch)
    }
    t.equal(a.node.supersededBy, undefined)
    t.equal(said(a).length, 1)
    await a.directory.stop([], 500)
    t.equal(await raw.exists(key), 0)
  }
})

t.test('fields of a newer node that are not known are left out, and those that make no sense too', async t => {
  const tag = '0123456789abcdef'
  t.match(readNodeState('a', JSON.stringify({ tag, epoch: 'e.1', state: 'up', sessions: 3, room: null, beat: 4, heartbeat: 500, format: 9, secret: 'x' })), {
    id: 'a', tag, epoch: 'e.1', url: undefined, state: 'up', sessions: 3, room: Infinity, beat: 4, heartbeat: 500
  })
  t.match(readNodeState('a', JSON.stringify({ tag, epoch: 'e.1', state: 'resting', sessions: 'many', room: -1, heartbeat: 1e12 })), {
    state: 'draining', sessions: 0, room: 0, beat: 0, heartbeat: 2000
  })
  t.equal(readNodeState('a b', JSON.stringify({ tag, epoch: 'e.1' })), undefined)
})
