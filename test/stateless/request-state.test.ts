import t from 'tap'
import { digestOf, RequestState, sealing } from '../../lib/stateless/request-state.ts'

const MINUTE = 60_000
const [one, two] = ['1'.repeat(32), '2'.repeat(32)]
const bound = { principal: 'ada', method: 'tools/call', digest: digestOf({ name: 'a', arguments: { x: 1 } }) }
let time = 1_800_000_000_000
const stateOf = (secrets: string[], endpoint = 'default') => new RequestState({ endpoint, secrets: () => secrets, now: () => time })

t.test('what was sealed is opened, on any node with the secret', async t => {
  const sealed = stateOf([one]).seal('state ö', bound)!
  t.equal(stateOf([one]).open(sealed, bound), 'state ö')
  t.equal(stateOf([two, one]).open(sealed, bound), 'state ö', 'whichever it seals with itself')
  t.notMatch(Buffer.from(sealed, 'base64url').toString('latin1'), 'state', 'and cannot be read')
  t.not(stateOf([one]).seal('state ö', bound), sealed, 'no two are alike')
  t.equal(stateOf([one]).open(stateOf([one]).seal('', bound)!, bound), '')
})

t.test('the first secret seals', async t => {
  t.equal(stateOf([one]).open(stateOf([two, one]).seal('x', bound)!, bound), undefined)
})

t.test('a state whose key is not known is told from one that is none', async t => {
  const sealed = stateOf([one]).seal('x', bound)!
  t.strictSame([stateOf([two, one]).knows(sealed), stateOf([two]).knows(sealed), stateOf([]).knows(sealed)], [true, false, false])
  for (const none of ['', 'x', '!', sealed.slice(0, 40), `${sealed}=`]) t.equal(stateOf([two]).knows(none), true, none)
})

t.test('it is no good for anything else', async t => {
  const sealed = stateOf([one]).seal('x', bound)!
  for (const other of [{ principal: 'eve' }, { principal: undefined }, { method: 'prompts/get' }, { digest: digestOf({ name: 'a', arguments: { x: 2 } }) }]) {
    t.equal(stateOf([one]).open(sealed, { ...bound, ...other }), undefined, JSON.stringify(other))
  }
  t.equal(stateOf([one], 'admin').open(sealed, bound), undefined, 'another endpoint')
  t.equal(stateOf([two]).open(sealed, bound), undefined, 'another secret')
})

t.test('a change of any byte is noticed', async t => {
  const bytes = Buffer.from(stateOf([one]).seal('x', bound)!, 'base64url')
  for (let at = 0; at < bytes.length; at++) {
    const changed = Buffer.from(bytes)
    changed[at]! ^= 1
    t.equal(stateOf([one]).open(changed.toString('base64url'), bound), undefined, `byte ${at}`)
  }
  for (const nonsense of ['', 'x', '!', bytes.toString('base64'), `${bytes.toString('base64url')}=`, bytes.subarray(0, -1).toString('base64url')]) t.equal(stateOf([one]).open(nonsense, bound), undefined, nonsense)
})

t.test('for ten minutes, by clocks that may differ by as much', async t => {
  const sealed = stateOf([one]).seal('x', bound)!
  const now = time
  for (const [later, open] of [[10 * MINUTE, 'x'], [10 * MINUTE + 1, undefined], [-10 * MINUTE, 'x'], [-10 * MINUTE - 1, undefined]] as const) {
    time = now + later
    t.equal(stateOf([one]).open(sealed, bound), open, `${later} ms`)
  }
  time = now
})

t.test('without a key', async t => {
  t.equal(stateOf([]).ready, false)
  t.equal(stateOf([]).seal('x', bound), undefined)
  t.equal(stateOf([one]).ready, true)
})

t.test('where the secrets come from', async t => {
  const shared = { secrets: [one] }
  const secrets = sealing(undefined, shared)
  t.strictSame(secrets(), [one])
  shared.secrets = [two, one]
  t.strictSame(secrets(), [two, one], 'as they are now')
  t.strictSame(sealing([one], { secrets: [two] })(), [one])
  const own = sealing(undefined, undefined)
  t.match(own(), [/^[\w-]{43}$/])
  t.equal(own(), own())
  t.notSame(sealing(undefined, undefined)(), own())
})

t.test('many secrets one after the other', async t => {
  for (let i = 0; i < 100; i++) {
    const state = stateOf([`${i}`.padEnd(32, '-')])
    t.equal(state.open(state.seal('x', bound)!, bound), 'x')
  }
  const secrets = Array.from({ length: 40 }, (_, i) => `${i}`.padEnd(32, '-'))
  t.equal(stateOf(secrets).open(stateOf([secrets[39]!]).seal('x', bound)!, bound), 'x')
})

t.test('the digest is of what is asked, not of its order, the envelope or the answers', async t => {
  const same = digestOf({ name: 'a', arguments: { x: 1, y: { b: 2, a: 1 } } })
  t.equal(digestOf({ arguments: { y: { a: 1, b: 2 }, x: 1 }, name: 'a', _meta: { any: 1 }, inputResponses: {}, requestState: 'x' }), same)
  t.not(digestOf({ name: 'a', arguments: { x: 1, y: [['a', 1], ['b', 2]] } }), same, 'a list of pairs is no object')
  t.not(digestOf({ name: 'a', arguments: { x: '1', y: { b: 2, a: 1 } } }), same)
  t.not(digestOf(JSON.parse('{"name":"a","arguments":{"__proto__":{"x":1}}}')), digestOf({ name: 'a', arguments: {} }))
  t.equal(digestOf(), digestOf({}))
})
