import { randomBytes } from 'node:crypto'
import type { Cluster, Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { redisDirectory } from '../../lib/redis/session-directory.ts'
import type { SessionDirectory } from '../../lib/directory/directory.ts'
import { keptLog } from '../fixtures/log.ts'
import { connect, connectCluster, startCluster, startRedis } from '../fixtures/redis.ts'
import { directorySuite, type Home } from '../directory/suite.ts'
import { until } from '../fixtures/until.ts'

/** Each node has a client of its own, each test a key prefix. */
function homeOn (client: (t: Test) => Redis | Cluster): (t: Test) => Home {
  return t => {
    const clients = new Map<SessionDirectory, Redis | Cluster>()
    const keyPrefix = `${randomBytes(6).toString('hex')}:`
    return {
      async directory (node) {
        const own = client(t)
        await until('the client is ready', () => own.status === 'ready')
        const directory = redisDirectory({ client: own, node, keyPrefix, ttl: 60_000, heartbeat: 100, log: keptLog() })
        clients.set(directory, own)
        return directory
      },
      crash: directory => clients.get(directory)!.disconnect()
    }
  }
}

t.test('on one server', async t => {
  const server = await startRedis(t)
  directorySuite(t, homeOn(t => connect(t, server)))
})

t.test('on a cluster of three masters', async t => {
  const servers = await startCluster(t)
  directorySuite(t, homeOn(t => connectCluster(t, servers)))
})
