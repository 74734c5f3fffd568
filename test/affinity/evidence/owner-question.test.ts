// "Which of these sessions do you hold?", asked of the node that a record names: what counts as its word, and what does not.
import t from 'tap'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { createServer as createHttp2 } from 'node:http2'
import { createServer as createTlsServer } from 'node:https'
import { connect as connectTcp } from 'node:net'
import type { AddressInfo } from 'node:net'
import { generate } from 'selfsigned'
import { PROOF, SESSIONS, UNVERIFIED } from '../../../lib/http/between-nodes.ts'
import { askOwner } from '../../../lib/affinity/evidence/owner-question.ts'
import type { Question, Said } from '../../../lib/affinity/evidence/owner-question.ts'
import { Proofs } from '../../../lib/security/proofs.ts'
import { sessionDigest } from '../../../lib/session-id.ts'
import { freePort } from '../../fixtures/free-port.ts'
import { startOwner, startRawOwner } from '../forwarding/node.ts'

const proofs = new Proofs('asker')
const theirs = new Proofs('owner')
for (const each of [proofs, theirs]) each.learn('a-secret-of-this-very-test')

const question = (url: string, more: Partial<Question> = {}): Question => ({ url, ids: ['mine'], unrecorded: false, old: false, ...more })
const ask = (url: string, more: Partial<Question> = {}, bound = 2000): Promise<Said> => askOwner(proofs, question(url, more), bound)

/** A node as it should be, which holds `mine`. */
const node: (url: () => string) => RequestListener = url => (request, response) => {
  const ids = String(request.headers[SESSIONS]).split(',')
  const proof = request.headers[PROOF] as string
  const secret = theirs.check(proof, { purpose: 'question', url: url(), method: 'GET', sessions: ids })
  if (secret === undefined) return response.writeHead(403).end(UNVERIFIED)
  const body = JSON.stringify({ held: Object.fromEntries(ids.filter(id => id === sessionDigest('mine')).map(id => [id, 'abc.0'])), doubtful: false })
  response.writeHead(200, { [PROOF]: theirs.answer(secret, proof, body) }).end(body)
}

t.test('a node that proves itself is believed, whether it holds the session or not', async t => {
  let url = ''
  url = (await startOwner(t, (request, response) => node(() => url)(request, response))).url
  t.match(await ask(url), { said: 'proven', held: { mine: 'abc.0' } })
  t.match(await ask(url, { ids: ['other'] }), { said: 'proven', held: {} })
  t.match(await ask(url, { ids: ['other', 'mine', 'third'] }), { said: 'proven', held: { mine: 'abc.0' } })
})

t.test('a question for another node is no question for this one', async t => {
  const owner = await startOwner(t, node(() => 'http://somewhere.else'))
  t.match(await ask(owner.url), { said: 'unverified' })
})

t.test('an answer that was heard before proves nothing', async t => {
  let url = ''
  let first: { proof: string, body: string } | undefined
  url = (await startOwner(t, (request, response) => {
    if (first !== undefined) return response.writeHead(200, { [PROOF]: first.proof }).end(first.body)
    const end = response.end.bind(response)
    response.end = ((body: string) => {
      first = { proof: String(response.getHeader(PROOF)), body }
      return end(body)
    }) as typeof response.end
    const head = response.writeHead.bind(response)
    response.writeHead = ((status: number, headers: Record<string, string>) => {
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
      return head(status)
    }) as typeof response.writeHead
    node(() => url)(request, response)
  })).url
  t.match(await ask(url), { said: 'proven' })
  t.match(await ask(url), { said: 'unproven' })
})

t.test('what anybody could say is no proof', async t => {
  for (const [what, answer] of Object.entries<RequestListener>({
    'a yes without a proof': (_request, response) => response.end('{"held":{"mine":"abc.0"},"doubtful":false}'),
    'a yes of format 0': (_request, response) => response.end('{"epoch":"abc.0"}'),
    'a no of format 0': (_request, response) => response.writeHead(404).end('{}'),
    'a hook that wants a token': (_request, response) => response.writeHead(401).end('{}'),
    'a rate limit': (_request, response) => response.writeHead(429).end('{}'),
    'a sidecar whose application is dead': (_request, response) => response.writeHead(503).end('upstream connect error'),
    'a redirect': (_request, response) => response.writeHead(302, { location: '/login' }).end(),
    'a made-up proof': (_request, response) => response.writeHead(200, { [PROOF]: 'x'.repeat(43) }).end('{"held":{},"doubtful":false}'),
    'half an answer': (_request, response) => response.writeHead(200, { 'content-length': 100 }).write('{"held":{}', () => response.destroy()),
    'an answer without end': (_request, response) => {
      const more = (): void => { if (response.write('x'.repeat(1 << 16))) setImmediate(more); else response.once('drain', more) }
      response.on('error', () => {})
      more()
    }
  })) {
    const owner = await startOwner(t, answer)
    t.match(await ask(owner.url), { said: 'unproven', error: Error }, what)
  }
})

t.test('no word is no evidence either', async t => {
  for (const [what, answer] of Object.entries<RequestListener>({
    'a reset': request => request.socket.resetAndDestroy(),
    'a hang-up': request => request.socket.destroy()
  })) {
    t.match(await ask((await startOwner(t, answer)).url), { said: 'unclear' }, what)
  }
})

t.test('whole ids go to nobody who has not proven anything', async t => {
  const seen: unknown[] = []
  const owner = await startOwner(t, (request, response) => {
    seen.push(request.headers['mcp-session-id'], request.headers[SESSIONS])
    response.end('hello')
  })
  await ask(owner.url)
  t.same(seen, [undefined, sessionDigest('mine')])
})

t.test('a connection that nobody takes is tried twice', async t => {
  // Its process does not look, so that the queue of the system fills up.
  const crowd = spawn(process.execPath, ['-e', `
    const server = require('net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
      process.stdout.write(String(server.address().port), () => { for (;;); })
    })`])
  t.teardown(() => crowd.kill('SIGKILL'))
  const port = Number(String((await once(crowd.stdout, 'data'))[0]))
  const sockets = Array.from({ length: 8 }, () => connectTcp(port, '127.0.0.1').on('error', () => {}))
  t.teardown(() => sockets.forEach(socket => socket.destroy()))
  t.match(await ask(`http://127.0.0.1:${port}`, {}, 100), { said: 'silence' })
})

t.test('somebody who speaks another protocol is somebody', async t => {
  t.match(await ask(await startRawOwner(t, socket => socket.end('220 smtp.example ESMTP\r\n'))), { said: 'unproven' }, 'no HTTP')
  const http2 = createHttp2()
  t.teardown(() => http2.close())
  http2.listen(0, '127.0.0.1')
  await once(http2, 'listening')
  t.match(await ask(`http://127.0.0.1:${(http2.address() as AddressInfo).port}`), { said: 'unproven' }, 'HTTP/2 alone')
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'localhost' }])
  const tls = createTlsServer({ key, cert }).on('tlsClientError', () => {})
  t.teardown(() => tls.close())
  tls.listen(0, '127.0.0.1')
  await once(tls, 'listening')
  t.match(await ask(`https://127.0.0.1:${(tls.address() as AddressInfo).port}`), { said: 'unproven', error: { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' } }, 'a certificate that is not to be trusted')
})

t.test('nobody there is a no, and a name that nobody knows is none', async t => {
  t.match(await ask(`http://127.0.0.1:${await freePort()}`), { said: 'nobody', error: { code: 'ECONNREFUSED' } })
  const { said } = await ask('http://no-such-host.invalid:3000')
  t.ok(said === 'unproven' || said === 'unclear', said)
})

t.test('silence is asked again, over another connection', async t => {
  let connections = 0
  const url = await startRawOwner(t, socket => {
    connections++
    socket.resume()
  })
  t.match(await ask(url, {}, 100), { said: 'silence' })
  t.equal(connections, 2)
})

t.test('an asker that stalls hears the answer that has arrived meanwhile', async t => {
  // In a process of its own: whatever holds this one up would hold the owner up as well.
  const owner = spawn(process.execPath, ['-e', `
    require('http').createServer((request, response) => response.writeHead(403).end('${UNVERIFIED}'))
      .listen(0, '127.0.0.1', function () { console.log(this.address().port) })`])
  t.teardown(() => owner.kill())
  const port = Number(String((await once(owner.stdout, 'data'))[0]))
  for (let round = 0; round < 5; round++) {
    const said = ask(`http://127.0.0.1:${port}`, {}, 200)
    await new Promise(resolve => setImmediate(resolve))
    const end = performance.now() + 400
    while (performance.now() < end);
    t.match(await said, { said: 'unverified' })
  }
})

t.test('a node without a secret asks nobody', async t => {
  let asked = 0
  const owner = await startOwner(t, (_request, response) => {
    asked++
    response.end()
  })
  t.match(await askOwner(new Proofs('young'), question(owner.url)), { said: 'nothing' })
  t.equal(asked, 0)
})

t.test('a node of format 0 is understood, and so is what is none of its answers', async t => {
  for (const [said, answer] of [
    [{ said: 'proven', held: { mine: 'abc.0' } }, [200, '{"epoch":"abc.0"}']],
    [{ said: 'proven', held: {} }, [404, '{}']],
    [{ said: 'unproven' }, [404, '{"message":"Route GET:/mcp-sticky/owner not found","error":"Not Found","statusCode":404}']],
    [{ said: 'unproven' }, [401, '{}']],
    [{ said: 'unproven' }, [200, 'null']],
    [{ said: 'unproven' }, [200, '{"epoch":']]
  ] as const) {
    const owner = await startOwner(t, (_request, response) => { response.writeHead(answer[0]).end(answer[1]) })
    t.match(await ask(owner.url, { old: true }), said, answer.join(' '))
  }
})
