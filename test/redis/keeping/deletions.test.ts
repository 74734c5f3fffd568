import t, { type Test } from 'tap'
import { NoAnswer } from '../../../lib/redis/link/bounded.ts'
import { CloseSet } from '../../../lib/redis/nodes/close-set.ts'
import { redisKeys } from '../../../lib/redis/keys.ts'
import { Link, type Call } from '../../../lib/redis/link/link.ts'
import { OwnRecords } from '../../../lib/redis/keeping/own-records.ts'
import { RecordKeeper } from '../../../lib/redis/keeping/record-keeper.ts'
import { touchIndex, trimIndex } from '../../../lib/redis/scripts/record-scripts.ts'
import type { Script } from '../../../lib/redis/scripts/script.ts'
import { FakeNode, identity } from '../../fixtures/directory-node.ts'
import { connect, startRedis } from '../../fixtures/redis.ts'
import { randomPrefix } from '../../fixtures/redis-node.ts'
import { until } from '../../fixtures/until.ts'

/** A way to Redis on which the commands of one script wait as long as the test says. */
class HeldLink extends Link {
  held: Script | undefined
  /** The answers to those that wait come too late. */
  late = false
  waiting: Array<() => void> = []

  override issue (call: Call, bound?: number) {
    if (call.script !== this.held) return super.issue(call, bound)
    const issued = new Promise<void>(resolve => this.waiting.push(resolve)).then(() => super.issue(call, bound))
    const answer = this.late ? Promise.reject(new NoAnswer('too late')) : issued.then(({ answer }) => answer)
    return { answer, settled: issued.then(({ settled }) => settled) }
  }

  go (): void {
    this.held = undefined
    for (const go of this.waiting.splice(0)) go()
  }
}

async function setUp (t: Test) {
  const raw = connect(t, await startRedis(t))
  await raw.ping()
  const keys = redisKeys(randomPrefix())
  const owner = new FakeNode(identity('a'))
  const link = new HeldLink(raw, { lost () {}, masterGone () {}, answering () {}, reconnected () {} })
  const failures: unknown[] = []
  const records = new OwnRecords({ link, keys, node: owner.identity, ttl: 60_000, onFailed: err => failures.push(err) })
  const closeSet = new CloseSet(link, keys, 'a')
  const keeper = new RecordKeeper({ link, records, closeSet, local: owner, onOthers: () => true, onFailed: err => { throw err } })
  const left = async () => [await raw.zrange(keys.index('a'), 0, '-1'), await raw.keys(keys.session('*'))]
  const end = (id: string) => {
    owner.sessions.delete(id)
    keeper.discard(id)
  }
  return { raw, keys, owner, link, failures, records, keeper, left, end }
}

const NOTHING = [[], []]

t.test('a session that ends between the renewal of its record and that of the index leaves nothing', async t => {
  for (const [by, late] of [['change', false], ['touch', false], ['reclaim', false], ['change', true]] as const) {
    const { owner, link, keeper, left, end } = await setUp(t)
    link.late = late
    const { id } = owner.open()
    await keeper.add(owner.record(id)!)
    link.held = touchIndex
    if (by === 'change') keeper.changed(id)
    let renewed: Promise<unknown> | undefined
    if (by === 'touch') {
      keeper.verifyAll()
      renewed = keeper.flush()
    }
    if (by === 'reclaim') renewed = keeper.reclaim(id)
    await until('its record is renewed, and the index is not', () => link.waiting.length > 0)
    end(id)
    await keeper.flush()
    link.go()
    await renewed
    await until('it is deleted', () => !keeper.discarding(id))
    t.strictSame(await left(), NOTHING, late ? `${by}, unanswered` : by)
  }
})

t.test('nor does one that ends while its record is written, or claimed', async t => {
  const { raw, keys, owner, link, records, keeper, left, end } = await setUp(t)
  link.held = touchIndex
  const opened = owner.open().id
  const added = keeper.add(owner.record(opened)!)
  await until('its record is written, and the index is not', async () => link.waiting.length > 0 && await raw.exists(keys.session(opened)) === 1)
  end(opened)
  await keeper.flush()
  link.go()
  await added
  await until('it is deleted', () => !keeper.discarding(opened))
  t.strictSame(await left(), NOTHING)

  const adopted = owner.open().id
  await raw.hset(keys.session(adopted), { node: 'b', epoch: 'e.0' })
  const epoch = await records.claim({ ...owner.record(adopted)!, node: 'b', epoch: 'e.0', lastSeenAt: 0, adoptionFailures: 0 })
  link.held = touchIndex
  const claimed = keeper.claimed(adopted, epoch!)
  await until('the index is to be written', () => link.waiting.length > 0)
  end(adopted)
  await keeper.flush()
  link.go()
  await claimed
  await until('it is deleted', () => !keeper.discarding(adopted))
  t.strictSame(await left(), NOTHING)
})

t.test('of several writes that are on their way, the last that settles counts', async t => {
  const { owner, link, keeper, left, end } = await setUp(t)
  const { id } = owner.open()
  await keeper.add(owner.record(id)!)
  link.held = touchIndex
  const reclaimed = keeper.reclaim(id)
  await until('one is on its way', () => link.waiting.length === 1)
  const [first] = link.waiting.splice(0)
  link.held = undefined
  t.equal(await keeper.reclaim(id), 'kept', 'another has been answered')
  end(id)
  await keeper.flush()
  first!()
  await reclaimed
  await until('it is deleted', () => !keeper.discarding(id))
  t.strictSame(await left(), NOTHING)
})

t.test('a place in the index that could not be taken away is taken away later', async t => {
  const { raw, keys, owner, failures, keeper, left, end } = await setUp(t)
  const { id } = owner.open()
  await keeper.add(owner.record(id)!)
  await raw.call('ACL', 'SETUSER', 'default', '-zrem')
  end(id)
  await until('Redis has refused', () => failures.length > 0)
  t.equal(await raw.exists(keys.session(id)), 0)
  await raw.call('ACL', 'SETUSER', 'default', '+zrem')
  await keeper.flush()
  t.strictSame(await left(), NOTHING)
})

t.test('a session that another node has by now is in our index no more', async t => {
  const { raw, keys, owner, link, keeper } = await setUp(t)
  const [renewed, opened] = [owner.open().id, owner.open().id]
  await keeper.add(owner.record(renewed)!)
  for (const id of [renewed, opened]) await raw.hset(keys.session(id), { node: 'b', epoch: 'e.0' })
  link.held = trimIndex
  await keeper.add(owner.record(opened)!)
  t.equal(await keeper.reclaim(renewed), 'lost')
  t.strictSame(owner.ended.map(([, why]) => why), ['taken', 'taken'])
  t.equal(await raw.zcard(keys.index('a')), 2)
  link.go()
  await until('both are out', async () => await raw.zcard(keys.index('a')) === 0)
  t.equal(await raw.hget(keys.session(renewed), 'node'), 'b', 'the record is not ours to touch')
})
