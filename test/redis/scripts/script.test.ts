import t from 'tap'
import { script } from '../../../lib/redis/scripts/script.ts'
import { connect, startRedis } from '../../fixtures/redis.ts'

t.test('a script has the name that Redis gives it', async t => {
  const redis = connect(t, await startRedis(t))
  const { lua, sha } = script('return ARGV[1] .. "ü"')
  t.equal(await redis.script('LOAD', lua), sha)
})
