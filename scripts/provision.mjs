// Makes sure that what the tests start is there: `node scripts/provision.mjs [redis] [traefik] [nginx] [haproxy]`, all of them by default.
import { spawnSync } from 'node:child_process'
import { installPackage } from './debian.mjs'
import { traefikBinary } from './traefik.mjs'

const SERVERS = {
  redis: { program: 'redis-server', variable: 'REDIS_SERVER_BIN', ask: '--version', package: 'redis-server', people: 'Redis 7 or newer' },
  nginx: { program: 'nginx', variable: 'NGINX_BIN', ask: '-v', package: 'nginx-light', people: 'nginx 1.22 or newer' },
  haproxy: { program: 'haproxy', variable: 'HAPROXY_BIN', ask: '-v', package: 'haproxy', people: 'HAProxy 2.6 or newer' }
}

const wanted = process.argv.slice(2)
for (const name of wanted.length > 0 ? wanted : [...Object.keys(SERVERS), 'traefik']) {
  try {
    await provide(name)
  } catch (error) {
    console.error(error.message)
    process.exitCode = 1
  }
}

async function provide (name) {
  if (name === 'traefik') return traefikBinary()
  if (!(name in SERVERS)) throw new Error(`There is no ${name} to provide, only traefik, ${Object.keys(SERVERS).join(', ')}.`)
  const server = SERVERS[name]
  if (works(server)) return
  const problem = process.env[server.variable] === undefined ? installPackage(server.package) : `${server.variable} names no working program`
  if (works(server)) return
  throw new Error(`${server.program} cannot be run: ${problem ?? 'it still cannot be run after apt-get install'}.
Install ${server.people}, or set ${server.variable} to the path of its program.`)
}

/** Debian keeps servers where not every user looks. */
function works ({ program, variable, ask }) {
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` }
  return spawnSync(process.env[variable] ?? program, [ask], { env, stdio: 'ignore' }).status === 0
}
