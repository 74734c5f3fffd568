import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { RedisClient } from '../../lib/redis/client.ts'
import { registeredClient } from '../../lib/redis/registered-client.ts'

const client = (): RedisClient => ({ evalsha () {}, eval () {} }) as unknown as RedisClient
const app = (redis?: object): FastifyInstance => ({ redis }) as unknown as FastifyInstance
const refused = { code: 'MCP_STICKY_ERR_OPTION', message: /`redis`/ }

t.test('a client of its own comes before what is registered', async t => {
  const [own, registered] = [client(), client()]
  t.equal(registeredClient(app(registered), own), own)
  t.equal(registeredClient(app(registered), undefined), registered)
  t.equal(registeredClient(app(), undefined), undefined)
})

t.test('of several namespaces one is to be named', async t => {
  const [one, two] = [client(), client()]
  t.equal(registeredClient(app({ one, two }), 'two'), two)
  t.throws(() => registeredClient(app({ one, two }), undefined), { ...refused, message: /one, two/ })
  t.throws(() => registeredClient(app({ one }), 'other'), { ...refused, message: /"other"/ })
  t.throws(() => registeredClient(app(), 'one'), refused)
})

t.test('what is no client is none', async t => {
  for (const wrong of [{}, 5, null, { evalsha () {} }, { eval () {} }]) t.throws(() => registeredClient(app(), wrong as never), refused)
})
