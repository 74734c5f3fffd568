import t from 'tap'
import { checkMade } from '../../lib/transport/made-server.ts'

t.test('a server is made once', async t => {
  const server = { connect: async () => {}, close: async () => {} }
  checkMade(server)
  t.throws(() => checkMade(server), /returned before/)
})

t.test('what is no server', async t => {
  for (const nothing of [null, undefined, {}, { connect: async () => {} }, { close: async () => {} }]) t.throws(() => checkMade(nothing), TypeError)
})
