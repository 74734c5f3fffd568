import { randomBytes } from 'node:crypto'
import type { Cluster, Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { FORMAT } from '../../../lib/format.ts'
import { redisKeys, type Keys } from '../../../lib/redis/keys.ts'
import { Link } from '../../../lib/redis/link/link.ts'
import { Unreadable } from '../../../lib/redis/link/unreadable.ts'
import { NodeRegistry } from '../../../lib/redis/nodes/node-registry.ts'
import { Sweeper, type SweeperOptions } from '../../../lib/redis/clearing/sweeper.ts'
import { newSessionId } from '../../../lib/session-id.ts'
import { identity } from '../../fixtures/directory-node.ts'
import { keptLog } from '../../fixtures/log.ts'
import { connect, connectCluster, countCommands, startCluster, startRedis } from '../../fixtures/redis.ts'
import { randomPrefix } from '../../fixtures/redis-node.ts'
import { until } from '../../fixtures/until.ts'
import type { Step } from '../../../lib/directory/trails.ts'

const HOUR = 3_600_000
const OLD = 2 * HOUR
const YOUNG = HOUR / 2

/** A cluster of nodes as its keys say, without the nodes. */
class Scene {
  readonly prefix = randomPrefix()
  readonly keys: Keys = redisKeys(this.prefix)
  readonly redis: Redis | Cluster
  readonly live = new Map<string, { epoch: string }>()
  readonly #t: Test

  constructor (t: Test, redis: Redis | Cluster) {
    this.#t = t
    this.redis = redis
  }

  async node (id: string, epoch?: string): Promise<void> {
    await this.redis.hset(this.keys.members, id, epoch === undefined ? '0 ' : `${Date.now() + HOUR} ${JSON.stringify({ tag: 't', epoch })}`)
    if (epoch !== undefined) this.live.set(id, { epoch })
  }

  /** The ids of the nodes that are known, the dead included. */
  async nodes (): Promise<string[]> {
    return (await this.redis.hkeys(this.keys.members)).sort()
  }

  /** A session in a node's index; `node` and `epoch`: what its record says. */
  async session (index: string, { node = index, epoch = 'dead.0', age = OLD, indexed, released = false, reader, record = true }: {
    node?: string, epoch?: string, age?: number, indexed?: number, released?: boolean, reader?: string, record?: boolean
  } = {}): Promise<string> {
    const id = newSessionId(randomBytes(8).toString('hex'))
    const now = Date.now()
    await this.redis.zadd(this.keys.index(index), now - (indexed ?? age), id)
    if (record) await this.redis.hset(this.keys.session(id), { node, epoch, lastSeenAt: String(now - age), ...(released && { released: '1' }), ...(reader !== undefined && { reader }) })
    return id
  }

  sweeper (options: Partial<SweeperOptions> = {}): Sweeper {
    const link = options.link ?? new Link(this.redis as Redis, { lost () {}, masterGone () {}, answering () {}, reconnected () {} })
    this.#t.teardown(() => link.stop())
    const registry = new NodeRegistry({ link, keys: this.keys, node: identity('sweeping'), heartbeat: HOUR, unreadable: new Unreadable(keptLog()), onFailed: err => { throw err } })
    return new Sweeper({
      link,
      keys: this.keys,
      node: { id: 'sweeping', epoch: 'mine.0' },
      log: keptLog(),
      after: HOUR,
      interval: 0,
      nodes: async () => ({ ids: await this.nodes(), live: this.live }),
      forget: id => registry.forget(id),
      doubt: { left: 0 },
      ...options
    })
  }

  /** Which of the records, and which of the index entries, are there. */
  async left (index: string, ids: string[]): Promise<Array<'both' | 'record' | 'entry' | 'none'>> {
    return Promise.all(ids.map(async id => {
      const [record, entry] = [await this.redis.exists(this.keys.session(id)) === 1, await this.redis.zscore(this.keys.index(index), id) !== null]
      return record ? entry ? 'both' : 'record' : entry ? 'entry' : 'none'
    }))
  }
}

const server = await startRedis(t)
const client = connect(t, server)
await client.ping()

t.test('what a dead node has left and nobody asks for goes, and at last the node', async t => {
  const scene = new Scene(t, client)
  const { keys } = scene
  await scene.node('dead')
  await client.sadd(keys.close('dead'), 'x')
  const ids = [await scene.session('dead'), await scene.session('dead', { released: true }), await scene.session('dead', { record: false })]
  const young = [await scene.session('dead', { age: YOUNG }), await scene.session('dead', { age: YOUNG, indexed: OLD })]
  const noted: Array<[string, Step]> = []
  const sweeper = scene.sweeper({ trails: { note: (id, step) => { noted.push([id, step]) } } })
  t.same(await sweeper.turn(), { swept: 2 })
  t.match(noted, ids.slice(0, 2).map(id => [id, { what: 'ended', node: 'dead', reason: 'node_lost', at: Number }]))
  t.equal(noted.length, 2)
  t.same(await scene.left('dead', ids), ['none', 'none', 'none'])
  t.same(await scene.left('dead', young), ['both', 'both'], 'young ones stay, whatever the index says')
  t.equal(await client.hexists(scene.keys.members, 'dead'), 1)
  t.equal(await client.exists(keys.close('dead')), 1)
  for (const id of young) {
    await client.hset(keys.session(id), 'lastSeenAt', String(Date.now() - OLD))
    await client.zadd(keys.index('dead'), Date.now() - OLD, id)
  }
  t.same(await sweeper.turn(), { swept: 2 })
  t.equal(await client.hexists(scene.keys.members, 'dead'), 0)
  t.equal(await client.exists(keys.close('dead')), 0)
})

t.test('what is for nodes of a newer format is theirs to sweep', async t => {
  const scene = new Scene(t, client)
  await scene.node('dead')
  const kept = [await scene.session('dead', { reader: String(FORMAT + 1) }), await scene.session('dead', { reader: String(FORMAT + 1), released: true })]
  const gone = [await scene.session('dead', { reader: String(FORMAT) }), await scene.session('dead', { reader: 'x' })]
  t.same(await scene.sweeper().turn(), { swept: 2 })
  t.same(await scene.left('dead', kept), ['both', 'both'])
  t.same(await scene.left('dead', gone), ['none', 'none'])
  t.equal(await client.hexists(scene.keys.members, 'dead'), 1)
})

t.test('a live node\'s stay however old; those of its dead incarnations and those it has given up go', async t => {
  const scene = new Scene(t, client)
  await scene.node('live', 'now.3')
  const kept = [await scene.session('live', { epoch: 'now.3' }), await scene.session('live', { epoch: 'now.0' })]
  const gone = [await scene.session('live', { epoch: 'now3.0' }), await scene.session('live', { epoch: 'before.3' }), await scene.session('live', { epoch: 'now.3', released: true })]
  const fresh = await scene.session('live', { epoch: 'now.3', released: true, age: YOUNG })
  t.same(await scene.sweeper().turn(), { swept: 3 })
  t.same(await scene.left('live', kept), ['both', 'both'])
  t.same(await scene.left('live', gone), ['none', 'none', 'none'])
  t.same(await scene.left('live', [fresh]), ['both'])
  t.equal(await client.hexists(scene.keys.members, 'live'), 1)
})

t.test('the sweeping node\'s own stay, though nobody has seen it beat', async t => {
  const scene = new Scene(t, client)
  await scene.node('sweeping')
  const mine = await scene.session('sweeping', { epoch: 'mine.0' })
  const before = await scene.session('sweeping', { epoch: 'other.0' })
  t.same(await scene.sweeper().turn(), { swept: 1 })
  t.same(await scene.left('sweeping', [mine, before]), ['both', 'none'])
  await client.del(scene.keys.index('sweeping'))
  await scene.sweeper().turn()
  t.equal(await client.hexists(scene.keys.members, 'sweeping'), 1, 'and its id')
})

t.test('of a session that another node has adopted only the old index entry goes', async t => {
  const scene = new Scene(t, client)
  await scene.node('dead')
  const adopted = await scene.session('dead', { node: 'heir', epoch: 'heir.0' })
  const back = await scene.session('dead', { node: 'heir', epoch: 'heir.0', age: 0, indexed: YOUNG })
  t.same(await scene.sweeper().turn(), { swept: 0 })
  t.same(await scene.left('dead', [adopted, back]), ['record', 'both'])
})

t.test('a session that is used while it is swept stays', async t => {
  const scene = new Scene(t, client)
  await scene.node('dead')
  const renewed = await scene.session('dead')
  await scene.session('dead')
  const link = new Link(client, { lost () {}, masterGone () {}, answering () {}, reconnected () {} })
  t.teardown(() => link.stop())
  const all = link.all.bind(link)
  link.all = async calls => {
    // Between the look into the index and the scripts on the records.
    await client.hset(scene.keys.session(renewed), 'lastSeenAt', String(Date.now()))
    const outcomes = await all(calls)
    // And this one came back after its record was deleted.
    for (const { key } of calls) await client.zadd(scene.keys.index('dead'), Date.now(), key.slice(scene.keys.session('').length))
    return outcomes
  }
  t.same(await scene.sweeper({ link }).turn(), { swept: 1 })
  t.same(await scene.left('dead', [renewed]), ['both'])
  t.equal(await client.zcard(scene.keys.index('dead')), 2, 'entries that are young again stay')
  t.equal(await client.hexists(scene.keys.members, 'dead'), 1)
})

t.test('a dead node that comes back keeps its place', async t => {
  const scene = new Scene(t, client)
  const link = new Link(client, { lost () {}, masterGone () {}, answering () {}, reconnected () {} })
  t.teardown(() => link.stop())
  const run = link.run.bind(link)
  link.run = async (script, key, ...rest) => {
    // It beats just before the sweeper takes its place away.
    if (key === scene.keys.close('back')) await client.hset(scene.keys.members, 'back', `${Date.now() + HOUR} {"tag":"t","epoch":"e.0"}`)
    return run(script, key, ...rest)
  }
  await scene.node('back')
  await scene.sweeper({ link }).turn()
  t.equal(await client.hexists(scene.keys.members, 'back'), 1)
  await scene.node('back')
  await scene.sweeper().turn()
  t.equal(await client.hexists(scene.keys.members, 'back'), 0, 'or not')
})

t.test('a dead node of a format below 2 goes from the set of their ids, unless it is coming back', async t => {
  const scene = new Scene(t, client)
  const { keys } = scene
  const old = () => client.sismember(keys.nodes, 'old')
  await client.sadd(keys.nodes, 'old')
  await client.set(keys.node('old'), '{}')
  const sweeper = (link?: Link) => scene.sweeper({ nodes: async () => ({ ids: ['old'], live: new Map() }), ...link && { link } })
  await sweeper().turn()
  t.equal(await old(), 1, 'its key is there')
  await client.del(keys.node('old'))
  const link = new Link(client, { lost () {}, masterGone () {}, answering () {}, reconnected () {} })
  t.teardown(() => link.stop())
  const run = link.run.bind(link)
  link.run = async (script, key, ...rest) => {
    // It sets its key, then puts its id into the set, just before the sweeper takes it out.
    if (key === keys.nodes && await client.exists(keys.node('old')) === 0) await client.set(keys.node('old'), '{}')
    return run(script, key, ...rest)
  }
  await sweeper(link).turn()
  t.equal(await old(), 1, 'and in the middle')
  await client.del(keys.node('old'))
  await sweeper().turn()
  t.equal(await old(), 0)
})

t.test('one node sweeps at a time, and another when it is gone', async t => {
  const scene = new Scene(t, client)
  await scene.node('dead')
  const first = scene.sweeper({ node: { id: 'a', epoch: 'a.0' } })
  const second = scene.sweeper({ node: { id: 'b', epoch: 'b.0' } })
  await first.turn()
  t.equal(await client.get(scene.keys.sweeper), 'a')
  await scene.node('dead')
  const id = await scene.session('dead')
  t.same(await second.turn(), { swept: 0 })
  t.same(await scene.left('dead', [id]), ['both'])
  await client.pexpire(scene.keys.sweeper, 10_000)
  t.same(await first.turn(), { swept: 1 }, 'its holder goes on')
  t.ok(await client.pttl(scene.keys.sweeper) <= 1000, 'and renews it')
  await scene.node('dead')
  await scene.session('dead')
  await until('the lock has moved on', async () => (await second.turn()).swept === 1)
  t.equal(await client.get(scene.keys.sweeper), 'b')
  await scene.session('dead')
  t.same(await first.turn(), { swept: 0 })
})

t.test('two that begin together: one works', async t => {
  const scene = new Scene(t, client)
  await scene.node('dead')
  for (let n = 0; n < 20; n++) await scene.session('dead')
  const turns = await Promise.all(['a', 'b', 'c'].map(id => scene.sweeper({ node: { id, epoch: `${id}.0` } }).turn()))
  t.same(turns.map(({ swept }) => swept).sort((a, b) => a - b), [0, 0, 20])
})

t.test('a turn does so much, and the next goes on from there', async t => {
  const scene = new Scene(t, client)
  await scene.node('dead')
  await scene.node('live', 'now.0')
  await scene.node('old')
  for (let n = 0; n < 25; n++) {
    await scene.session('dead')
    await scene.session('live', { epoch: 'now.0' })
    await scene.session('old')
  }
  const sweeper = scene.sweeper({ work: 10 })
  const seen: number[] = []
  const commands = await countCommands(server, async () => { seen.push((await sweeper.turn()).swept) }, scene.prefix)
  t.equal(seen[0], 10)
  t.ok(commands.length <= 15, `${commands.length} commands`)
  for (let turn = 2; turn <= 20; turn++) seen.push((await sweeper.turn()).swept)
  t.ok(seen.every(swept => swept <= 10))
  t.equal(seen.reduce((a, b) => a + b), 50, 'past a live node\'s, which all stay')
  t.equal(await client.zcard(scene.keys.index('live')), 25)
  t.same(await scene.nodes(), ['live'])
})

t.test('between two rounds nothing is asked, and turns do not overlap', async t => {
  const scene = new Scene(t, client)
  await scene.node('dead')
  await scene.session('dead')
  const resting = scene.sweeper({ interval: HOUR })
  t.same(await countCommands(server, () => resting.turn(), scene.prefix), [])
  let asked = 0
  const sweeper = scene.sweeper({
    nodes: async () => {
      asked++
      return { ids: ['dead'], live: scene.live }
    }
  })
  const turns = await Promise.all([sweeper.turn(), sweeper.turn()])
  t.same(turns, [{ swept: 1 }, { swept: 0 }])
  t.equal(asked, 1)
})

t.test('in doubt nothing happens', async t => {
  const scene = new Scene(t, client)
  await scene.node('dead')
  const ids = [await scene.session('dead'), await scene.session('dead')]
  const doubt = { left: 1 }
  const sweeper = scene.sweeper({ doubt })
  t.same(await countCommands(server, () => sweeper.turn(), scene.prefix), [])
  const late = { left: 0 }
  t.same(await scene.sweeper({
    doubt: late,
    nodes: async () => {
      late.left = 1
      return { ids: ['dead'], live: new Map() }
    }
  }).turn(), { swept: 0 }, 'nor when it comes up in the middle')
  t.same(await scene.left('dead', ids), ['both', 'both'])
  doubt.left = 0
  t.same(await sweeper.turn(), { swept: 2 })
})

t.test('Redis away: a turn resolves; back: it goes on', async t => {
  const own = await startRedis(t)
  const redis = connect(t, own)
  await redis.ping()
  const scene = new Scene(t, redis)
  await scene.node('dead')
  await scene.session('dead')
  const log = keptLog()
  const sweeper = scene.sweeper({ log })
  own.pause()
  t.same(await sweeper.turn(), { swept: 0 })
  t.same(await sweeper.turn(), { swept: 0 })
  own.resume()
  await until('it sweeps', async () => (await sweeper.turn()).swept === 1)
  await own.kill()
  await until('the client has noticed', () => redis.status !== 'ready')
  t.same(await sweeper.turn(), { swept: 0 })
  await own.start()
  await redis.ping()
  await scene.node('dead')
  await scene.session('dead')
  await until('it sweeps', async () => (await sweeper.turn()).swept === 1)
  t.same(log.lines.map(({ level }) => level), ['info', 'info'])
})

t.test('what Redis refuses is said, without ids, and a list of nodes that fails', async t => {
  const scene = new Scene(t, client)
  const log = keptLog()
  await client.call('ACL', 'SETUSER', 'default', '-get')
  t.same(await scene.sweeper({ log }).turn(), { swept: 0 })
  await client.call('ACL', 'SETUSER', 'default', '+get')
  const nodes = async (): Promise<never> => { throw new Error('in vain') }
  t.same(await scene.sweeper({ log, nodes }).turn(), { swept: 0 })
  t.match(log.lines, [{ level: 'warn', message: 'sweeping failed', fields: { why: /can't run this command/ } }, { level: 'warn', fields: { why: /in vain/ } }])
})

t.test('on a Redis Cluster', async t => {
  const cluster = connectCluster(t, await startCluster(t))
  await until('the client is ready', () => cluster.status === 'ready')
  const scene = new Scene(t, cluster)
  await scene.node('dead')
  for (let n = 0; n < 30; n++) await scene.session('dead')
  t.same(await scene.sweeper().turn(), { swept: 30 })
  t.same(await scene.nodes(), [])
})
