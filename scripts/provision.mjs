// Makes sure that what the tests start is there: a Redis server and a Traefik.
import { spawnSync } from 'node:child_process'
import { traefikBinary } from './traefik.mjs'

const wanted = process.env.REDIS_SERVER_BIN ?? 'redis-server'
const works = () => spawnSync(wanted, ['--version'], { stdio: 'ignore' }).status === 0

if (!works()) {
  const problem = provide()
  if (problem) {
    console.error(`The tests start Redis servers of their own, and ${wanted} cannot be run: ${problem}.`)
    console.error('Install Redis 7 or newer, or set REDIS_SERVER_BIN to the path of a redis-server.')
    process.exitCode = 1
  }
}

try {
  await traefikBinary()
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}

/** Installs redis-server where that is possible without asking; returns what stood in the way. */
function provide () {
  if (process.env.REDIS_SERVER_BIN !== undefined) return 'REDIS_SERVER_BIN names no working program'
  if (process.getuid?.() !== 0) return 'it is not in PATH, and only root may install it'
  if (spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).status !== 0) return 'it is not in PATH, and there is no apt-get to install it with'

  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', 'redis-server']]) {
    // Asks the package not to start a server of the system's own.
    const { status } = spawnSync('apt-get', ['-q', ...args], { env: { ...env, RUNLEVEL: '1' }, stdio: ['ignore', 2, 2] })
    if (status !== 0) return `apt-get ${args[0]} failed`
  }
  return works() ? undefined : 'it still cannot be run after apt-get install'
}
