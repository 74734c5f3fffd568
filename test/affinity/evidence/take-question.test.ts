import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import t from 'tap'
import type { Test } from 'tap'
import { askToTake } from '../../../lib/affinity/evidence/take-question.ts'
import { PROOF, SESSIONS } from '../../../lib/http/between-nodes.ts'
import { PATHS } from '../../../lib/http/internal-paths.ts'
import { Proofs } from '../../../lib/security/proofs.ts'
import { newSessionId, sessionDigest } from '../../../lib/session-id.ts'
import { freePort } from '../../fixtures/free-port.ts'
import { startOwner, startRawOwner } from '../forwarding/node.ts'

const [ours, theirs] = ['a', 'b'].map(incarnation => new Proofs(incarnation)) as [Proofs, Proofs]
for (const proofs of [ours, theirs]) proofs.learn('a-secret-of-this-very-test')

const ids = Array.from({ length: 150 }, () => newSessionId('0123456789abcdef'))

/** A node of the cluster that says so; `answer` may spoil it. */
async function startHeir (t: Test, takes: boolean, answer: (said: { status: number, proof: string, body: string }) => object = () => ({})) {
  const heard: IncomingHttpHeaders[] = []
  const { url } = await startOwner(t, (request: IncomingMessage, response) => {
    heard.push(request.headers)
    const proof = String(request.headers[PROOF])
    const secret = theirs.check(proof, { purpose: 'take', url, method: 'GET', sessions: String(request.headers[SESSIONS]).split(',') })
    if (request.url !== PATHS.take || secret === undefined) return response.writeHead(403).end()
    const body = JSON.stringify({ takes })
    const said = { status: 200, proof: theirs.answer(secret, proof, body), body }
    const { status, proof: receipt, body: text } = { ...said, ...answer(said) }
    response.writeHead(status, { [PROOF]: receipt }).end(text)
  })
  return { url, heard }
}

t.test('a node that says yes takes them, and one that says no does not', async t => {
  for (const takes of [true, false]) t.equal(await askToTake(ours, (await startHeir(t, takes)).url, ids.slice(0, 2)), takes)
})

t.test('sessions are named by their digests, and not too many', async t => {
  const { url, heard } = await startHeir(t, true)
  t.equal(await askToTake(ours, url, ids), true)
  t.strictSame(String(heard[0]![SESSIONS]).split(','), ids.slice(0, 100).map(sessionDigest))
})

t.test('whatever else is heard is a no', async t => {
  for (const spoil of [() => ({ status: 503 }), () => ({ proof: 'x' }), () => ({ body: '{"takes":true} ' })]) {
    t.equal(await askToTake(ours, (await startHeir(t, true, spoil)).url, ids.slice(0, 1)), false, String(spoil))
  }
  t.equal(await askToTake(ours, `http://127.0.0.1:${await freePort()}`, ids.slice(0, 1)), false)
  t.equal(await askToTake(ours, await startRawOwner(t, () => {}), ids.slice(0, 1), undefined, 10), false)
  t.equal(await askToTake(new Proofs('c'), (await startHeir(t, true)).url, ids.slice(0, 1)), false, 'without a secret nobody is asked')
})
