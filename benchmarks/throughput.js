import { Child, LOAD_CORE, SERVER_CORE } from './process/child.js'
import { median } from './report.js'

const CONNECTIONS = 16

/**
 * tools/call echo, 16 keep-alive connections. The servers stand side by side
 * and are measured in turn, round after round, so that what else the machine
 * does falls on all of them; a ratio is the median of the rounds' own ratios.
 */
export async function throughput ({ rounds, ms, redis, log }) {
  const contestants = {
    'load generator alone': ['servers/fixed-answer.js'],
    'bare node:http, JSON': ['servers/bare-http.js'],
    'SDK on Fastify, JSON': ['servers/sdk-fastify.js', 'json'],
    'SDK on Fastify, SSE': ['servers/sdk-fastify.js', 'sse'],
    'sticky, auto (JSON)': ['servers/sticky.js', redis.url, 'auto'],
    'sticky, SSE': ['servers/sticky.js', redis.url, 'sse']
  }
  const load = new Child('load/load.js', { core: LOAD_CORE })
  const servers = []
  try {
    for (const [name, [script, ...args]] of Object.entries(contestants)) {
      const child = new Child(script, { core: SERVER_CORE, args })
      servers.push({ name, child, port: await child.ask('listen'), rounds: [] })
    }
    for (const server of servers) await measure(server, load, ms)
    for (let round = 1; round <= rounds; round++) {
      for (const server of servers) server.rounds.push(await measure(server, load, ms))
      log(`round ${round} of ${rounds}: ` + servers.map(({ rounds }) => Math.round(rounds.at(-1).perSecond)).join(' '))
    }
  } finally {
    await Promise.all([load, ...servers.map(({ child }) => child)].map(child => child.end()))
  }
  return summary(Object.fromEntries(servers.map(({ name, rounds }) => [name, rounds])))
}

async function measure ({ child, port }, load, ms) {
  await load.ask('open', { port, count: CONNECTIONS, connections: CONNECTIONS })
  await load.ask('callFor', { ms: ms / 4 })
  const before = await child.ask('usage')
  const { made, perSecond, busy } = await load.ask('callFor', { ms })
  const cpu = (await child.ask('usage') - before) / made
  await load.ask('close')
  return { perSecond, cpu, loadBusy: busy }
}

function summary (rounds) {
  const speeds = Object.entries(rounds).map(([name, all]) => ({
    name,
    perSecond: Math.round(median(all.map(({ perSecond }) => perSecond))),
    cpuMicroseconds: median(all.map(({ cpu }) => cpu)),
    loadBusy: median(all.map(({ loadBusy }) => loadBusy))
  }))
  const ratio = (a, b) => median(rounds[a].map(({ perSecond }, i) => perSecond / rounds[b][i].perSecond))
  return {
    speeds,
    rounds,
    ratios: {
      json: ratio('sticky, auto (JSON)', 'SDK on Fastify, JSON'),
      sse: ratio('sticky, SSE', 'SDK on Fastify, SSE'),
      bare: ratio('sticky, auto (JSON)', 'bare node:http, JSON')
    }
  }
}
