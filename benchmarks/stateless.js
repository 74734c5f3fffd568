import { Child, LOAD_CORE, SERVER_CORE } from './process/child.js'
import { redisCommands } from './redis-commands.js'
import { median } from './report.js'

const CONNECTIONS = 16
const SDK = 'servers/sdk-handler.js'
const OURS = 'servers/eras.js'

/**
 * Calls without a session over 16 keep-alive connections, side by side and in
 * turn as in throughput.js. `weight`: of the round's calls, so that each takes
 * a like share of it, however slow.
 */
export async function stateless ({ warmUp, rounds, calls, redis, log }) {
  const ours = (...args) => [OURS, redis.url, ...args]
  const contestants = [
    ['SDK createMcpHandler, 1 tool', [SDK, '1'], 'call', 0.4],
    ['SDK createMcpHandler, 20 tools', [SDK, '20'], 'call', 0.1],
    ['SDK createMcpHandler, tools/list of 20', [SDK, '20'], 'list', 0.1],
    ['each, v2, 1 tool', ours('each', 'v2', '1'), 'call', 0.6],
    ['each, v2, 20 tools', ours('each', 'v2', '20'), 'call', 0.1],
    ['each, v1, 1 tool', ours('each', 'v1', '1'), 'call', 0.6],
    ['shared, v2, 1 tool', ours('shared', 'v2', '1'), 'call', 1],
    ['shared, v2, 20 tools', ours('shared', 'v2', '20'), 'call', 1],
    ['shared, v2, public tools/list of 20', ours('shared', 'v2', '20'), 'list', 1],
    ['shared, v1, 1 tool', ours('shared', 'v1', '1'), 'call', 1],
    ['shared, v1, 20 tools', ours('shared', 'v1', '20'), 'call', 1],
    ['in a session, v2, 1 tool', ours('sessions', 'v2', '1'), undefined, 1],
    ['in a session, v1, 1 tool', ours('sessions', 'v1', '1'), undefined, 1]
  ]
  const load = new Child('load/load.js', { core: LOAD_CORE })
  const servers = []
  try {
    for (const [name, [script, ...args], kind, weight] of contestants) {
      const child = new Child(script, { core: SERVER_CORE, args })
      const port = await child.ask('listen')
      servers.push({ name, child, port, weight, speeds: [] })
      await load.ask('open', { port, count: CONNECTIONS, connections: CONNECTIONS, kind })
      await load.ask('calls', { port, count: Math.ceil(warmUp * weight) })
    }
    for (let round = 1; round <= rounds; round++) {
      for (const server of servers) server.speeds.push(await measure(server, load, Math.ceil(calls * server.weight)))
      log(`round ${round} of ${rounds}, calls per CPU second: ${servers.map(({ speeds }) => Math.round(speeds.at(-1))).join(' ')}`)
    }
  } finally {
    await Promise.all([load, ...servers.map(({ child }) => child)].map(child => child.end()))
  }
  const { commands } = await redisCommands({ calls: 1000, redis, script: OURS, args: ['shared', 'v2', '1'], kind: 'call' })
  return { commands, ...summary(Object.fromEntries(servers.map(({ name, speeds }) => [name, speeds]))) }
}

async function measure ({ child, port }, load, count) {
  const before = await child.ask('usage')
  await load.ask('calls', { port, count })
  return count / (await child.ask('usage') - before) * 1e6
}

function summary (speeds) {
  const ratio = (a, b) => median(speeds[a].map((speed, i) => speed / speeds[b][i]))
  return {
    speeds: Object.entries(speeds).map(([name, all]) => ({ name, perCpuSecond: median(all) })),
    rounds: speeds,
    ratios: {
      one: ratio('shared, v2, 1 tool', 'SDK createMcpHandler, 1 tool'),
      twenty: ratio('shared, v2, 20 tools', 'SDK createMcpHandler, 20 tools'),
      oneV1: ratio('shared, v1, 1 tool', 'SDK createMcpHandler, 1 tool'),
      twentyV1: ratio('shared, v1, 20 tools', 'SDK createMcpHandler, 20 tools'),
      each: ratio('each, v2, 1 tool', 'SDK createMcpHandler, 1 tool'),
      eachTwenty: ratio('each, v2, 20 tools', 'SDK createMcpHandler, 20 tools'),
      session: ratio('shared, v2, 1 tool', 'in a session, v2, 1 tool'),
      sessionV1: ratio('shared, v1, 1 tool', 'in a session, v1, 1 tool'),
      list: ratio('shared, v2, public tools/list of 20', 'SDK createMcpHandler, tools/list of 20')
    }
  }
}
