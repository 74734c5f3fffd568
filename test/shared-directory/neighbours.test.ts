import { randomUUID } from 'node:crypto'
import t from 'tap'
import { FORMAT } from '../../lib/format.ts'
import { redisEventStore } from '../../lib/index.ts'
import { differences, Neighbours, readTheirOptions } from '../../lib/shared-directory/neighbours.ts'
import type { SharedOptions } from '../../lib/shared-directory/neighbours.ts'
import { startApp } from '../fixtures/app.ts'
import { freePort } from '../fixtures/free-port.ts'
import { keptLog } from '../fixtures/log.ts'
import { connect, startRedis } from '../fixtures/redis.ts'
import { until } from '../fixtures/until.ts'

const ours: SharedOptions = { misroute: 'forward', orphan: 'adopt', 'node.heartbeat': 2000, path: '/mcp', eventStore: false }

t.test('options that differ, by name; what an older node does not say is no difference', async t => {
  t.strictSame(differences(ours, ours), [])
  t.strictSame(differences(ours, {}), [])
  t.strictSame(differences(ours, { orphan: 'reject', 'node.heartbeat': 2000, eventStore: true }), [
    { option: 'orphan', ours: 'adopt', theirs: 'reject' },
    { option: 'eventStore', ours: false, theirs: true }
  ])
})

t.test('what a node says of its options may make no sense', async t => {
  for (const value of [undefined, null, 7, 'x', [], { path: {}, orphan: null, other: 1 }]) t.strictSame(readTheirOptions(value), {}, JSON.stringify(value))
  t.strictSame(readTheirOptions({ ...ours, more: 'x' }), ours)
  t.equal(String(readTheirOptions({ path: 'x'.repeat(10_000) }).path).length, 100)
})

t.test('each difference is said once a node', async t => {
  const log = keptLog()
  const neighbours = new Neighbours(ours, log)
  for (let look = 0; look < 3; look++) {
    neighbours.seen({ id: 'a', format: FORMAT, options: { orphan: 'reject' } })
    neighbours.seen({ id: 'b', format: FORMAT, options: { orphan: 'reject' } })
    neighbours.seen({ id: 'old', options: {} })
    neighbours.seen({ id: 'same', format: FORMAT, options: ours })
  }
  t.strictSame(log.lines.map(({ level, fields: { node, option } }) => [level, node, option]), [['warn', 'a', 'orphan'], ['warn', 'b', 'orphan'], ['info', 'old', undefined]])
  neighbours.seen({ id: 'a', format: FORMAT, options: { orphan: 'adopt' } })
  neighbours.seen({ id: 'a', format: FORMAT, options: { path: '/tools' } })
  t.match(log.lines.at(-1), { level: 'warn', message: /^the option path must be the same on all nodes/, fields: { node: 'a', option: 'path', theirs: '/tools', ours: '/mcp' } })
  t.equal(log.lines.length, 4)
})

t.test('nodes that are set up differently hear of it', async t => {
  const redis = await startRedis(t)
  const keyPrefix = `test:${randomUUID()}:`
  const start = async (id: string, heartbeat: number, more: object) => startApp(t, {
    redis: connect(t, redis), keyPrefix, node: { id, url: `http://127.0.0.1:${await freePort()}`, heartbeat }, ...more
  })
  const a = await start('a', 100, { orphan: 'adopt' })
  const b = await start('b', 200, { misroute: 'reject', prefix: '/api', eventStore: redisEventStore({ redis: connect(t, redis), keyPrefix }) })
  const said = ({ log }: typeof a) => log.filter(({ msg }) => msg.includes('must be the same on all nodes')).map(({ node, option, theirs, ours }) => ({ node, option, theirs, ours }))
  const inA = [
    { node: 'b', option: 'misroute', theirs: 'reject', ours: 'forward' },
    { node: 'b', option: 'orphan', theirs: 'reject', ours: 'adopt' },
    { node: 'b', option: 'node.heartbeat', theirs: 200, ours: 100 },
    { node: 'b', option: 'path', theirs: '/api/mcp', ours: '/mcp' },
    { node: 'b', option: 'eventStore', theirs: true, ours: false }
  ]
  await until('both have said so', () => said(a).length > 0 && said(b).length > 0)
  t.strictSame(said(a), inA)
  t.strictSame(said(b), inA.map(({ option, theirs, ours }) => ({ node: 'a', option, theirs: ours, ours: theirs })))
})
