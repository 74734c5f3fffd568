// Redis stops, hangs, or comes back empty while clients call.
import t from 'tap'
import { startLoadCluster } from '../fixtures/load/cluster.ts'
import { unnoticed } from '../fixtures/load/judge.ts'
import { PAUSE, SESSIONS } from '../fixtures/load/size.ts'
import { startLoad } from '../fixtures/load/start-load.ts'
import { connect } from '../fixtures/redis.ts'
import type { RedisServer } from '../fixtures/redis.ts'
import { until } from '../fixtures/until.ts'

const troubles = {
  'stopped, back empty': { strike: (redis: RedisServer) => redis.kill(), heal: (redis: RedisServer) => redis.start() },
  hanging: { strike: async (redis: RedisServer) => redis.pause(), heal: async (redis: RedisServer) => redis.resume() }
}

for (const [name, { strike, heal }] of Object.entries(troubles)) {
  // Traefik sends each session to its node; behind nginx two of three calls are forwarded.
  for (const front of ['traefik', 'nginx'] as const) {
    t.test(`Redis ${name}: nothing fails, ${front}`, async t => {
      const { redis, keyPrefix, urls } = await startLoadCluster(t, front, { orphan: 'adopt' })
      const load = await startLoad(t, { urls, sessions: SESSIONS, state: 'exact', pause: PAUSE })
      // Each node has met each session.
      await load.goesOn(30)
      await strike(redis)
      // Long past the end of every lease.
      const struck = Date.now()
      await until('the leases have lapsed', () => Date.now() > struck + 4000)
      await load.goesOn(3)
      await heal(redis)
      const client = connect(t, redis)
      await until('every record is there', async () => (await client.keys(`${keyPrefix}session:*`)).length === SESSIONS)
      await load.goesOn(3)
      const tally = await load.stop()
      unnoticed(t, tally)
      t.equal(tally.moved, 0, 'no session has moved')
    })
  }
}
