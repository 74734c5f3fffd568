import t from 'tap'
import { hopTo, isReceipt, receiptOf } from '../../../lib/affinity/forwarding/hop-proof.ts'
import { PROOF } from '../../../lib/http/between-nodes.ts'
import { Proofs } from '../../../lib/security/proofs.ts'

const [asker, owner, stranger] = ['a', 'b', 'c'].map(incarnation => new Proofs(incarnation)) as [Proofs, Proofs, Proofs]
for (const proofs of [asker, owner]) proofs.learn('a-secret-of-this-very-test')
stranger.learn('another-secret-than-theirs')

const URL = 'http://b'
const hop = { method: 'POST', headers: { 'mcp-session-id': 'x' } }
/** The hop with the proof that the asker makes of it. */
function proven () {
  const proof = asker.make(hopTo(URL, hop))!
  return { proof, sent: { ...hop, headers: { ...hop.headers, [PROOF]: proof } } }
}

t.test('who has proven a hop gets a receipt, which is good for that hop alone', async t => {
  const { proof, sent } = proven()
  const receipt = receiptOf(owner, URL, sent)
  t.equal(isReceipt(asker, receipt, proof), true)
  t.equal(isReceipt(asker, receipt, proven().proof), false)
  t.equal(isReceipt(stranger, receipt, proof), false)
  for (const none of [undefined, '', proof]) t.equal(isReceipt(asker, none, proof), false)
})

t.test('another request than the one that was proven gets none', async t => {
  const { sent } = proven()
  t.ok(receiptOf(owner, URL, sent))
  for (const [url, other] of [
    ['http://c', sent], [undefined, sent], [URL, hop], [URL, { ...sent, method: 'DELETE' }],
    [URL, { ...sent, headers: { ...sent.headers, 'mcp-session-id': 'y' } }], [URL, { method: 'POST', headers: { [PROOF]: sent.headers[PROOF] } }]
  ] as Array<[string | undefined, typeof sent]>) t.equal(receiptOf(owner, url, other), undefined)
  t.equal(receiptOf(stranger, URL, sent), undefined)
})

t.test('a hop without a session is a hop', async t => {
  const bare = { method: 'POST', headers: {} }
  const proof = asker.make(hopTo(URL, bare))!
  t.equal(isReceipt(asker, receiptOf(owner, URL, { method: 'POST', headers: { [PROOF]: proof } }), proof), true)
})
