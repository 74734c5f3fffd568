// "Do you hold this session?", asked of the node that a record names.
import t from 'tap'
import type { RequestListener } from 'node:http'
import { Forwarder } from '../../lib/affinity/forwarder.ts'
import { freePort } from '../fixtures/free-port.ts'
import { startOwner, TAG, unsent } from './forward-node.ts'

const forwarder = new Forwarder({ tag: TAG, unsent })
t.teardown(() => forwarder.close())

t.test('an owner says in which epoch it holds the session', async t => {
  const owner = await startOwner(t, (request, response) => {
    const mine = request.url === '/mcp-sticky/owner' && request.headers['mcp-session-id'] === 'mine'
    response.writeHead(mine ? 200 : 404, { 'content-type': 'application/json' }).end(mine ? '{"epoch":"abc.0"}' : '{"not":"here"}')
  })
  const connections: unknown[] = []
  owner.server.on('connection', socket => connections.push(socket))
  for (let round = 0; round < 10; round++) {
    t.equal(await forwarder.askOwner(owner.url, 'mine'), 'abc.0')
    t.equal(await forwarder.askOwner(owner.url, 'other'), undefined)
  }
  // undici gives a connection a moment before it takes it again.
  t.ok(connections.length <= 2, `${connections.length} connections`)
})

t.test('anything else is a no', async t => {
  for (const [what, answer] of Object.entries<RequestListener>({
    'no JSON': (_request, response) => response.end('{"epoch":'),
    'no object': (_request, response) => response.end('null'),
    'no epoch': (_request, response) => response.end('{}'),
    'no text': (_request, response) => response.end('{"epoch":1}'),
    'another status': (_request, response) => response.writeHead(202).end('{"epoch":"abc.0"}'),
    'a reset': request => request.socket.resetAndDestroy(),
    'half an answer': (_request, response) => response.writeHead(200, { 'content-length': 100 }).write('{"epoch":"abc.0"}', () => response.destroy())
  })) {
    const owner = await startOwner(t, answer)
    t.equal(await forwarder.askOwner(owner.url, 'mine'), undefined, what)
  }
  t.equal(await forwarder.askOwner(`http://127.0.0.1:${await freePort()}`, 'mine'), undefined, 'nobody there')
})

t.test('silence is a no', async t => {
  for (const [what, answer] of Object.entries<RequestListener>({
    'no answer': () => {},
    'no end': (_request, response) => { response.writeHead(200).write('{"epoch":"abc.0"}') },
    'no end of a no': (_request, response) => { response.writeHead(404).write('{') }
  })) {
    const owner = await startOwner(t, answer)
    t.equal(await forwarder.askOwner(owner.url, 'mine', 50), undefined, what)
  }
})

t.test('a forwarder that is closed asks nobody', async t => {
  let asked = 0
  const owner = await startOwner(t, (_request, response) => {
    asked++
    response.end('{"epoch":"abc.0"}')
  })
  const closed = new Forwarder({ tag: TAG, unsent })
  await closed.close()
  t.equal(await closed.askOwner(owner.url, 'mine'), undefined)
  t.equal(asked, 0)
})
