// A Redis that answers reads and refuses writes: that somebody is missing there says nothing.
import t from 'tap'
import type { Redis } from 'ioredis'
import { newSessionId } from '../../lib/session-id.ts'
import type { SessionDirectory } from '../../lib/directory/directory.ts'
import { freePort } from '../fixtures/free-port.ts'
import { connect, startRedis } from '../fixtures/redis.ts'
import { memberOf } from '../fixtures/members.ts'
import { randomPrefix, startNode } from '../fixtures/redis-node.ts'
import { until } from '../fixtures/until.ts'

const UNAVAILABLE = { code: 'MCP_STICKY_ERR_DIRECTORY_UNAVAILABLE', retryAfter: Number }

const status = (directory: SessionDirectory, id: string) =>
  directory.locate(id).then(found => found.status, err => err.code as string)

interface Refusal { begin: (admin: Redis) => Promise<unknown>, end: (admin: Redis) => Promise<unknown>, says: RegExp }

const refusals: Record<string, Refusal> = {
  'a replica after a failover': {
    begin: async admin => admin.call('REPLICAOF', '127.0.0.1', String(await freePort())),
    end: admin => admin.call('REPLICAOF', 'NO', 'ONE'),
    says: /READONLY/
  },
  'a server that is full': {
    begin: admin => admin.config('SET', 'maxmemory', '1'),
    end: admin => admin.config('SET', 'maxmemory', '0'),
    says: /OOM/
  },
  'a master without its replicas': {
    begin: admin => admin.config('SET', 'min-replicas-to-write', '1'),
    end: admin => admin.config('SET', 'min-replicas-to-write', '0'),
    says: /NOREPLICAS/
  },
  'a user that may not write': {
    begin: admin => admin.call('ACL', 'SETUSER', 'default', '-set', '-hset', '-sadd', '-zadd'),
    end: admin => admin.call('ACL', 'SETUSER', 'default', '+@all'),
    says: /permission|can't run/
  }
}

for (const [name, { begin, end, says }] of Object.entries(refusals)) {
  for (const lease of [undefined, true as const]) {
    t.test(`${name}${lease ? ', nodes with a lease' : ''}`, async t => {
      const server = await startRedis(t)
      const admin = connect(t, server)
      const keyPrefix = randomPrefix()
      const options = { keyPrefix, heartbeat: 300, ...(lease && { lease }) }
      const a = await startNode(t, connect(t, server), options)
      const b = await startNode(t, connect(t, server), options)
      const record = a.node.open()
      await a.directory.add(record)
      await until('the session is found', async () => await status(b.directory, record.id) === 'misrouted')
      const found = await b.directory.locate(record.id, { fresh: true })
      if (found.status !== 'misrouted') return t.fail(found.status)

      await begin(admin)
      const young = a.node.open()
      t.equal(await a.directory.add(young), false, 'a session is opened all the same')
      const seen = new Set<string>()
      await until('the heartbeats are gone, and what is left of doubt by then', async () => {
        for (const { id } of [record, young]) seen.add(await status(b.directory, id))
        return await memberOf(admin, keyPrefix, a.node.identity.id) === undefined && b.directory.doubtful
      })
      for (const { id } of [record, young]) seen.add(await b.directory.locate(id, { fresh: true }).then(({ status }) => status, err => err.code))
      t.notOk(seen.has('orphaned'), 'nobody is an orphan')
      t.equal(await status(b.directory, newSessionId(a.node.identity.tag)), UNAVAILABLE.code, 'nobody is unknown')
      t.equal(await status(b.directory, young.id), UNAVAILABLE.code)
      await t.rejects(b.directory.nodes(), UNAVAILABLE)
      t.ok(a.directory.doubtful)
      await t.rejects(b.directory.claim(found.record), UNAVAILABLE)
      t.equal(await b.directory.remove(record.id, 'any'), 'queued', 'what somebody wants ended is ended when it can be')
      const lines = () => b.log.lines.filter(({ level }) => level === 'warn')
      t.match(lines(), [{ message: /refuses what this node writes/, fields: { why: says } }])

      const { beats } = b.node
      await until('a few beats', () => b.node.beats > beats + 3)
      await end(admin)
      await until('writes are taken', () => lines().some(({ message }) => message.endsWith('takes what this node writes again')))
      t.ok(b.directory.doubtful, 'the others could not beat either')
      await until('the young session is found', async () => await status(b.directory, young.id) === 'misrouted')
      await until('the other is ended', () => a.node.ended.length > 0)
      t.strictSame(a.node.ended, [[record.id, 'closed']])
      await until('absence is evidence again', async () => await status(b.directory, newSessionId(a.node.identity.tag)) === 'unknown')
      await until('all are seen again', () => b.directory.nodes().then(nodes => nodes.length === 2, () => false))
    })
  }
}

t.test('what is refused of records alone raises doubt, and is written when it can be', async t => {
  const server = await startRedis(t)
  const admin = connect(t, server)
  const a = await startNode(t, connect(t, server), { keyPrefix: randomPrefix(), heartbeat: 300 })
  await until('there is no doubt', () => !a.directory.doubtful)
  await admin.call('ACL', 'SETUSER', 'default', '-hset')
  const record = a.node.open()
  t.equal(await a.directory.add(record), false)
  t.ok(a.directory.doubtful)
  t.equal(await status(a.directory, newSessionId(a.node.identity.tag)), UNAVAILABLE.code)
  await admin.call('ACL', 'SETUSER', 'default', '+hset')
  await until('absence is evidence again', async () => await status(a.directory, newSessionId(a.node.identity.tag)) === 'unknown')
  t.ok((await a.directory.list({ limit: 1 })).sessions.length === 1)
})
