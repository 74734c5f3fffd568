import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { freePort } from './free-port.js'

/** A Redis server of our own, without persistence, on a free port. */
export async function startRedis () {
  const port = await freePort()
  const redis = spawn('redis-server', [
    '--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'
  ], { stdio: ['ignore', 'pipe', 'inherit'] })
  redis.once('error', err => { throw err })
  // Also when a measurement fails.
  const kill = () => redis.kill()
  process.once('exit', kill)
  for await (const chunk of redis.stdout.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
    if (/ready to accept connections/i.test(chunk)) break
  }
  redis.stdout.resume()
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    end: async () => {
      const exit = once(redis, 'exit')
      process.off('exit', kill)
      redis.kill()
      await exit
    }
  }
}
