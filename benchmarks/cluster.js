import { execSync } from 'node:child_process'
import { Child, LOAD_CORE, SERVER_CORE } from './process/child.js'
import { freePort } from './process/free-port.js'
import { Monitor } from './process/monitor.js'
import { SHARED } from './redis-commands.js'
import { median } from './report.js'

const SESSIONS_PER_NODE = 8
/** The names under which the commands of heartbeats are counted, and the beats themselves: each looks at the secret once. */
export const HEARTBEAT = 'heartbeats'
export const BEATS = 'beats'
const SECRET = 'mcp:secret'

/**
 * Latency of one call after another in one session, at the node it lives on
 * and over another, in turn. Both nodes share a core, as only one works at a
 * time; the medians are in milliseconds.
 */
export async function forwarding ({ warmUp, calls, redis }) {
  return withCluster(2, redis, async ({ ports, load }) => {
    await load.ask('open', { ports, each: 1 })
    await load.ask('alternate', { count: warmUp })
    const { local, forwarded } = await load.ask('alternate', { count: calls })
    const medians = { local: median(local), forwarded: median(forwarded) }
    return { calls, medians, ratio: medians.forwarded / medians.local }
  })
}

/**
 * Three nodes on one core, sessions on all of them: the clients go to one node
 * after another (two calls of three are forwarded), or each to its own. In
 * turn, round after round; the ratio is the median of the rounds' own.
 */
export async function cluster ({ warmUp, rounds, calls, redis, log }) {
  return withCluster(3, redis, async ({ ports, load, monitor }) => {
    await load.ask('open', { ports, each: SESSIONS_PER_NODE })
    const forms = { roundRobin: form(false), affinity: form(true) }
    for (const { affinity } of Object.values(forms)) await load.ask('calls', { count: warmUp, affinity })
    for (let round = 1; round <= rounds; round++) {
      for (const form of Object.values(forms)) {
        const begin = await monitor.mark()
        form.perSecond.push(await load.ask('calls', { count: calls, affinity: form.affinity }))
        add(form.commands, monitor.commands.slice(begin, await monitor.mark()))
      }
      const { roundRobin, affinity } = forms
      log(`round ${round} of ${rounds}, calls/s: round-robin ${Math.round(roundRobin.perSecond.at(-1))}, affinity ${Math.round(affinity.perSecond.at(-1))}`)
    }
    const { roundRobin, affinity } = forms
    return {
      calls: rounds * calls,
      roundRobin: { perSecond: median(roundRobin.perSecond), commands: roundRobin.commands },
      affinity: { perSecond: median(affinity.perSecond), commands: affinity.commands },
      ratio: median(roundRobin.perSecond.map((perSecond, i) => perSecond / affinity.perSecond[i]))
    }
  })
}

function form (affinity) {
  return { affinity, perSecond: [], commands: {} }
}

/**
 * The node of many sessions is killed, and all of them call at the two others
 * at once. Fewer than wanted where the open files do not allow them a
 * connection each.
 */
export async function storm ({ sessions: wanted, redis }) {
  const limit = Number(execSync('ulimit -n', { shell: '/bin/sh' }).toString().replace('unlimited', 'Infinity'))
  const sessions = Math.min(wanted, limit - 200)
  return withCluster(3, redis, async ({ ports: [lost, ...others], nodes, load, monitor }) => {
    await load.ask('openMany', { port: lost, count: sessions })
    await load.ask('connect', { ports: others })
    const begin = await monitor.mark()
    await nodes[0].kill()
    const { served, failures, own } = await load.ask('storm', { own: others })
    const commands = {}
    add(commands, monitor.commands.slice(begin, await monitor.mark()))
    return { wanted, sessions, limit, first: served[0], all: served.at(-1), own: percentile(own, 0.99), failures, commands }
  })
}

function percentile (numbers, share) {
  return numbers.toSorted((a, b) => a - b)[Math.floor(share * (numbers.length - 1))] ?? 0
}

/** Starts nodes on one core, a load generator and a MONITOR, and ends them whatever happens. */
async function withCluster (size, redis, measure) {
  const ports = []
  for (let i = 0; i < size; i++) ports.push(await freePort())
  const nodes = ports.map(port => new Child('servers/sticky.js', { core: SERVER_CORE, args: [redis.url, 'auto', String(port)] }))
  const load = new Child('load/cluster-load.js', { core: LOAD_CORE })
  const monitor = await Monitor.open(redis.port)
  try {
    await Promise.all(nodes.map(node => node.ask('listen')))
    return await measure({ ports, nodes, load, monitor })
  } finally {
    monitor.close()
    await Promise.all([load, ...nodes].map(child => child.end()))
  }
}

/** Adds commands up by name and kind of key; what nodes say and ask about nodes is their heartbeat, whatever the calls. */
function add (sums, commands) {
  for (const { name, key = '' } of commands) {
    if (name === 'echo') continue
    const kind = isHeartbeat(key) ? HEARTBEAT : `${name} ${key.replace(/^(mcp:session:).*/, '$1…').replace(/^(mcp:node:)[^:]*/, '$1…')}`.trim()
    sums[kind] = (sums[kind] ?? 0) + 1
    if (key === SECRET) sums[BEATS] = (sums[BEATS] ?? 0) + 1
  }
}

function isHeartbeat (key) {
  return SHARED.has(key) || (key.startsWith('mcp:node:') && !key.endsWith(':sessions'))
}
