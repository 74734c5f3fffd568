// Makes sure that what the tests start is there: `node scripts/provision.mjs [redis] [traefik] [nginx] [haproxy] [promtool] [chromium]`, all of them by default.
// `network`: Redis, and what makes networks of one's own.
import { spawnSync } from 'node:child_process'
import { installPackage } from './debian.mjs'
import { faketimeLibrary } from './faketime.mjs'
import { traefikBinary } from './traefik.mjs'

const SERVERS = {
  redis: { program: 'redis-server', variable: 'REDIS_SERVER_BIN', ask: '--version', package: 'redis-server', people: 'Redis 7 or newer' },
  nginx: { program: 'nginx', variable: 'NGINX_BIN', ask: '-v', package: 'nginx-light', people: 'nginx 1.22 or newer' },
  haproxy: { program: 'haproxy', variable: 'HAPROXY_BIN', ask: '-v', package: 'haproxy', people: 'HAProxy 2.6 or newer' },
  chromium: { program: 'chromium', variable: 'CHROMIUM_BIN', ask: '--version', package: 'chromium', people: 'Chromium' },
  promtool: { program: 'promtool', variable: 'PROMTOOL_BIN', ask: '--version', package: 'prometheus', people: 'promtool of Prometheus 2.42 or newer' }
}

const NETWORK = [
  { what: 'ip', package: 'iproute2', works: () => works({ program: 'ip', ask: '-V' }) },
  { what: 'iptables', package: 'iptables', works: () => works({ program: 'iptables', ask: '-V' }) },
  { what: 'libfaketime', package: 'libfaketime', works: () => faketimeLibrary() !== undefined }
]

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
  if (name === 'network') return provideNetwork()
  if (!(name in SERVERS)) throw new Error(`There is no ${name} to provide, only traefik, network, ${Object.keys(SERVERS).join(', ')}.`)
  const server = SERVERS[name]
  if (works(server)) return
  const problem = process.env[server.variable] === undefined ? installPackage(server.package) : `${server.variable} names no working program`
  if (works(server)) return
  throw new Error(`${server.program} cannot be run: ${problem ?? 'it still cannot be run after apt-get install'}.
Install ${server.people}, or set ${server.variable} to the path of its program.`)
}

async function provideNetwork () {
  await provide('redis')
  for (const { what, package: name, works } of NETWORK) {
    if (works()) continue
    const problem = installPackage(name)
    if (!works()) throw new Error(`${what} cannot be had: ${problem ?? 'it is still missing after apt-get install'}.\nInstall Debian's package ${name}.`)
  }
  const trial = ['ip', 'netns', 'exec', `mcp-sticky-${process.pid}-trial`, 'iptables', '-w', '-A', 'INPUT', '-m', 'statistic', '--mode', 'random', '--probability', '0.5', '-j', 'DROP']
  const space = trial[3]
  const said = [['ip', 'netns', 'add', space], trial, ['ip', 'netns', 'del', space]].map(([command, ...args]) => spawnSync(command, args, { env: withServers(), encoding: 'utf8' }))
  const failed = said.find(({ status }) => status !== 0)
  if (failed === undefined) return
  throw new Error(`Networks of their own cannot be made for the tests: ${failed.stderr.trim()}.
Run this as root, in a container with CAP_NET_ADMIN and CAP_SYS_ADMIN, on a kernel with network namespaces and iptables' module statistic.`)
}

/** Debian keeps servers where not every user looks. */
function works ({ program, variable, ask }) {
  return spawnSync(process.env[variable] ?? program, [ask], { env: withServers(), stdio: 'ignore' }).status === 0
}

function withServers () {
  return { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` }
}
