import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { loopbackOnly } from '../../lib/security/loopback.ts'

type Address = { address: string } | string

function app (addresses: Address[]) {
  const server = { listening: true }
  const app = { server, addresses: () => addresses } as unknown as FastifyInstance
  return { server, only: loopbackOnly(app) }
}

t.test('only loopback is loopback only', async t => {
  for (const addresses of [[{ address: '127.0.0.1' }], [{ address: '127.1.2.3' }, { address: '::1' }], [{ address: '::ffff:127.0.0.1' }]]) t.equal(app(addresses).only(), true, JSON.stringify(addresses))
  for (const addresses of [[{ address: '0.0.0.0' }], [{ address: '::' }], [{ address: '127.0.0.1' }, { address: '10.0.0.1' }], [{ address: '::1:2' }], ['/run/127.0.0.1']]) t.equal(app(addresses).only(), false, JSON.stringify(addresses))
})

t.test('it is asked once the server listens', async t => {
  const addresses: Address[] = []
  const { server, only } = app(addresses)
  server.listening = false
  t.equal(only(), false)
  server.listening = true
  addresses.push({ address: '127.0.0.1' })
  t.equal(only(), true)
  addresses.push({ address: '0.0.0.0' })
  t.equal(only(), true, 'and then known')
})
