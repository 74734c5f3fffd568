import t from 'tap'
import { Proofs } from '../../lib/security/proofs.ts'
import type { Proven } from '../../lib/security/proofs.ts'

const [FIRST, SECOND] = ['the-first-secret-of-all-nodes', 'the-second-secret-of-all-nodes']
const proven: Proven = { purpose: 'question', url: 'http://a:1', method: 'GET', sessions: ['x', 'y'] }

function node (incarnation: string, ...secrets: string[]): Proofs {
  const proofs = new Proofs(incarnation)
  for (const secret of secrets) proofs.learn(secret)
  return proofs
}

t.test('a proof speaks for one purpose, url, method and list of sessions, and for nothing else', async t => {
  const proof = node('asker', FIRST).make(proven)
  const owner = node('owner', FIRST)
  t.equal(owner.check(proof, proven), FIRST)
  for (const other of [{ purpose: 'hop' }, { purpose: 'take' }, { url: 'http://b:1' }, { method: 'POST' }, { sessions: ['x'] }, { sessions: ['x,y'] }, { sessions: ['y', 'x'] }] as Array<Partial<Proven>>) {
    t.equal(owner.check(proof, { ...proven, ...other }), undefined, JSON.stringify(other))
  }
  const parts = proof!.split('.')
  for (let i = 0; i < parts.length; i++) {
    const changed = parts.with(i, i === 0 ? '999' : `${parts[i]!.slice(0, -1)}${parts[i]!.endsWith('A') ? 'B' : 'A'}`).join('.')
    t.equal(owner.check(changed, proven), undefined, changed)
  }
  for (const none of [undefined, '', 'x', ['a', 'b'], proof!.slice(1), `${proof}.`]) t.equal(owner.check(none, proven), undefined)
})

t.test('proofs are made with the current secret, and those of every secret that was known hold', async t => {
  const [before, both] = [node('before', FIRST), node('both', FIRST, SECOND)]
  t.equal(both.check(before.make(proven), proven), FIRST)
  t.equal(both.secret, SECOND)
  t.equal(before.check(both.make(proven), proven), undefined)
  before.learn(SECOND)
  t.equal(before.check(both.make(proven), proven), SECOND)
  both.learn(FIRST)
  t.equal(both.secret, FIRST, 'the directory has the former one again')
})

t.test('a node without a secret proves nothing and believes nothing', async t => {
  const young = node('young')
  t.equal(young.make(proven), undefined)
  t.equal(young.check(node('asker', FIRST).make(proven), proven), undefined)
  t.match(young.candidate(), /^[\w-]{43}$/)
  t.equal(node('old', FIRST).candidate(), FIRST, 'a secret that was lost is made again as it was')
})

t.test('what cannot be a secret is not learnt', async t => {
  const proofs = node('node')
  for (const none of [undefined, null, 7, '', 'short', 'with a space in the middle of it', 'x'.repeat(129)]) t.equal(proofs.learn(none), false)
  t.equal(proofs.secret, undefined)
})

t.test('an answer is proven for one question and one body', async t => {
  const [asker, owner] = [node('asker', FIRST), node('owner', FIRST)]
  const proof = asker.make(proven)!
  const answer = owner.answer(FIRST, proof, '{}')
  t.ok(asker.isAnswer(answer, proof, '{}'))
  t.notOk(asker.isAnswer(answer, proof, '{ }'))
  t.notOk(asker.isAnswer(answer, asker.make(proven)!, '{}'))
  t.notOk(asker.isAnswer(undefined, proof, '{}'))
  t.notOk(node('stranger', SECOND).isAnswer(answer, proof, '{}'))
})
