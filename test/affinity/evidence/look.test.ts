import t from 'tap'
import { lookAt } from '../../../lib/affinity/evidence/look.ts'
import { newIdentity } from '../../../lib/directory/node.ts'
import type { NodeStatus } from '../../../lib/directory/node.ts'
import { Proofs } from '../../../lib/security/proofs.ts'
import { startApp } from '../../fixtures/app.ts'
import { freePort } from '../../fixtures/free-port.ts'
import { connect, startRedis } from '../../fixtures/redis.ts'
import { randomPrefix } from '../../fixtures/redis-node.ts'
import { until } from '../../fixtures/until.ts'

const status = (id: string, url?: string): NodeStatus => ({ id, url, tag: id, state: 'up', sessions: 0, room: 1, format: 2, endpoints: {} })

t.test('who proves itself at its url is reached, and nobody else', async t => {
  const redis = await startRedis(t)
  const keyPrefix = randomPrefix()
  const url = `http://127.0.0.1:${await freePort()}`
  await startApp(t, { redis: connect(t, redis), keyPrefix, node: { id: 'there', url, heartbeat: 100 } })
  const proofs = new Proofs('incarnation')
  proofs.learn(await until('there is a secret', () => connect(t, redis).get(`${keyPrefix}secret`)))
  const own = newIdentity({ id: 'own', url: `http://127.0.0.1:${await freePort()}`, tags: 1 })
  // The same process by another address than it has itself.
  const sees = await lookAt(proofs, own, [status('there', url), status('other', url.replace('127.0.0.1', 'localhost')), status('own', own.url), status('without')])
  t.match(sees, { there: 'reached', other: 'it does not know the secret of this cluster', own: /ECONNREFUSED/ })
  t.strictSame(Object.keys(sees).sort(), ['other', 'own', 'there'])
})

t.test('of many nodes some are asked, this one always', async t => {
  const proofs = new Proofs('incarnation')
  const url = `http://127.0.0.1:${await freePort()}`
  const nodes = Array.from({ length: 200 }, (_, i) => status(`node-${i}`, url))
  const own = newIdentity({ id: 'node-150', url, tags: 1 })
  const [first, second] = [await lookAt(proofs, own, nodes), await lookAt(proofs, own, nodes)].map(sees => Object.keys(sees).sort())
  t.equal(first!.length, 51)
  t.ok(first!.includes('node-150'))
  t.notSame(first, second, 'others the next time')
})
