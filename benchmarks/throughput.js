import { Child, LOAD_CORE, SERVER_CORE } from './process/child.js'
import { median } from './report.js'

const CONNECTIONS = 16

/**
 * tools/call echo over 16 keep-alive connections, a session each. The servers
 * stand side by side and are measured in turn, round after round, so that what
 * else the machine does falls on all of them; a ratio is the median of the
 * rounds' own ratios.
 *
 * Calls are counted per second of the server's CPU time. On a core that is the
 * server's alone this is its throughput; on a shared one it still is what the
 * code costs.
 */
export async function throughput ({ warmUp, rounds, calls, redis, log }) {
  const contestants = {
    'load generator alone': ['servers/fixed-answer.js'],
    'bare node:http, JSON': ['servers/bare-http.js'],
    'SDK on Fastify, JSON': ['servers/sdk-fastify.js', 'json'],
    'SDK on Fastify, SSE': ['servers/sdk-fastify.js', 'sse'],
    'sticky, auto (JSON)': ['servers/sticky.js', redis.url, 'auto'],
    'sticky, auto (JSON), metrics': ['servers/sticky.js', redis.url, 'auto', '--metrics'],
    'sticky, SSE': ['servers/sticky.js', redis.url, 'sse']
  }
  const load = new Child('load/load.js', { core: LOAD_CORE })
  const servers = []
  try {
    for (const [name, [script, ...args]] of Object.entries(contestants)) {
      const child = new Child(script, { core: SERVER_CORE, args })
      const port = await child.ask('listen')
      servers.push({ name, child, port, rounds: [] })
      await load.ask('open', { port, count: CONNECTIONS, connections: CONNECTIONS })
      await load.ask('calls', { port, count: warmUp })
    }
    for (let round = 1; round <= rounds; round++) {
      for (const server of servers) server.rounds.push(await measure(server, load, calls))
      log(`round ${round} of ${rounds}, calls per CPU second: ${servers.map(({ rounds }) => Math.round(rounds.at(-1).perCpuSecond)).join(' ')}`)
    }
  } finally {
    await Promise.all([load, ...servers.map(({ child }) => child)].map(child => child.end()))
  }
  return summary(Object.fromEntries(servers.map(({ name, rounds }) => [name, rounds])))
}

async function measure ({ child, port }, load, count) {
  const before = await child.ask('usage')
  const { perSecond, busy } = await load.ask('calls', { port, count })
  const cpu = await child.ask('usage') - before
  return { perSecond, loadBusy: busy, perCpuSecond: count / cpu * 1e6 }
}

function summary (rounds) {
  const middle = (all, field) => median(all.map(round => round[field]))
  const speeds = Object.entries(rounds).map(([name, all]) => ({
    name,
    perCpuSecond: middle(all, 'perCpuSecond'),
    perSecond: middle(all, 'perSecond')
  }))
  const ratio = (a, b) => median(rounds[a].map(({ perCpuSecond }, i) => perCpuSecond / rounds[b][i].perCpuSecond))
  return {
    speeds,
    rounds,
    ratios: {
      json: ratio('sticky, auto (JSON)', 'SDK on Fastify, JSON'),
      sse: ratio('sticky, SSE', 'SDK on Fastify, SSE'),
      metrics: ratio('sticky, auto (JSON), metrics', 'sticky, auto (JSON)'),
      bare: ratio('sticky, auto (JSON)', 'bare node:http, JSON'),
      // What no server of McpServers on node:http can pass.
      bareJson: ratio('bare node:http, JSON', 'SDK on Fastify, JSON'),
      bareSse: ratio('bare node:http, JSON', 'SDK on Fastify, SSE')
    }
  }
}
