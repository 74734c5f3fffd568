// `node run.js [--short] [--only throughput,stateless,redis,outage,heap,streams,slope,left,forwarding,cluster,membership,storm]`
// Measures, prints a table, keeps the figures in results.json. Ends with 1 when
// a figure misses its target; with --short, only when it is below half of it.
// A target that not even bare node:http reaches here is printed as missed; then
// the row against bare node:http decides alone. What several processes do on
// one machine decides only far beyond its target.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { BEATS, HEARTBEAT, cluster, forwarding, storm } from './cluster.js'
import { membership } from './membership.js'
import { leftBehind } from './left-behind.js'
import { heapPerSession, memorySlope, mib, openStreams } from './memory.js'
import { outage } from './outage.js'
import { canPin } from './process/child.js'
import { startRedis } from './process/redis.js'
import { redisCommands } from './redis-commands.js'
import { atLeast, atMost, atMostGated, shown, table, verdict } from './report.js'
import { stateless } from './stateless.js'
import { throughput } from './throughput.js'

const { values: { short, only } } = parseArgs({ options: { short: { type: 'boolean' }, only: { type: 'string' } } })
const wanted = only?.split(',')
const tolerance = short ? 0.5 : 1
const log = line => console.log(`  ${line}`)
const redis = await startRedis()
const figures = []
const results = { node: process.version, pinned: canPin, short: Boolean(short) }

if (!canPin) console.log('Nothing is pinned: no taskset (util-linux), or one core only. Ratios are less certain.')

await step('throughput', async () => {
  const result = await throughput({ redis, log, ...(short ? { warmUp: 10_000, rounds: 5, calls: 1500 } : { warmUp: 30_000, rounds: 15, calls: 4000 }) })
  console.log(table(['tools/call echo, 16 connections', 'calls/CPU s', 'calls/s'], result.speeds.map(({ name, perCpuSecond, perSecond }) => [
    name, Math.round(perCpuSecond), Math.round(perSecond)
  ])))
  const { json, sse, metrics, bare, bareJson, bareSse } = result.ratios
  figures.push(atLeast('calls, times the SDK on Fastify, JSON', 4.5, json, bareJson))
  figures.push(atLeast('calls, times the SDK on Fastify, SSE', 4.5, sse, bareSse))
  figures.push(atLeast('calls, times bare node:http', 0.7, bare))
  figures.push(atLeast('calls with metrics, times those without', 0.98, metrics))
  return result
})

await step('stateless', async () => {
  const result = await stateless({ redis, log, ...(short ? { warmUp: 3000, rounds: 5, calls: 1500 } : { warmUp: 20_000, rounds: 15, calls: 5000 }) })
  console.log(table(['without sessions, 16 connections', 'calls/CPU s'], result.speeds.map(({ name, perCpuSecond }) => [name, Math.round(perCpuSecond)])))
  const { one, twenty, oneV1, twentyV1, each, eachTwenty, session, sessionV1, list } = result.ratios
  figures.push(atLeast('calls without a session, shared, times createMcpHandler on Fastify, 1 tool', 3.3, one))
  figures.push(atLeast('… 20 tools', 15, twenty))
  figures.push(shown('… 1 tool, server of SDK 1.x', oneV1))
  figures.push(shown('… 20 tools, server of SDK 1.x', twentyV1))
  figures.push(shown('… a server for each request, 1 tool', each))
  figures.push(shown('… a server for each request, 20 tools', eachTwenty))
  figures.push(atLeast('… shared, times our own call in a session', 0.9, session))
  figures.push(atLeast('… server of SDK 1.x', 0.9, sessionV1))
  figures.push(atLeast('tools/list that is public, 20 tools, times createMcpHandler', 30, list))
  for (const [command, count] of Object.entries(result.commands)) log(`${count} × ${command}`)
  figures.push(atMost('Redis commands of 1,000 calls without a session', 0, total(result.commands)))
  return result
})

await step('redis', async () => {
  const result = await redisCommands({ calls: 1000, redis })
  for (const [command, count] of Object.entries(result.commands)) log(`${count} × ${command}`)
  log(`${result.heartbeats} commands of the node's heartbeat`)
  figures.push(atMost('Redis commands of 1,000 local calls', 1, total(result.commands)))
  return result
})

await step('outage', async () => {
  const result = await outage({ log, ...(short ? { sessions: 10_000, warmUp: 5000, rounds: 5, calls: 4000 } : { sessions: 10_000, warmUp: 20_000, rounds: 15, calls: 10_000 }) })
  figures.push(atLeast('calls while Redis is away and the lease has lapsed, times those while it answers', 0.9, result.ratio))
  return result
})

await step('heap', async () => {
  const result = await heapPerSession({ sessions: 10_000, redis })
  log(`a session: ${Math.round(result.whole)} bytes, ${Math.round(result.mcpServer)} of them its McpServer`)
  figures.push(atMost('heap of a session beyond its McpServer, bytes', 4096, result.ours))
  return result
})

await step('streams', async () => {
  const result = await openStreams({ streams: 10_000, redis })
  if (result.streams < result.wanted) log(`ulimit -n is ${result.limit}: only ${result.streams} streams`)
  const { idle, sessions, streams } = result.rss
  log(`ulimit -n ${result.limit}; RSS: idle ${mib(idle)}, ${result.streams} sessions ${mib(sessions)}, with a GET stream each ${mib(streams)}`)
  figures.push({ name: 'open GET streams on one node', target: `${result.wanted}`, figure: result.streams, share: result.streams / result.wanted, decides: 1 })
  return result
})

await step('slope', async () => {
  const result = await memorySlope({ cycles: short ? 5000 : 200_000, redis, log })
  log(`over the second half, a cycle adds ${result.rss.toFixed(1)} bytes of RSS, ${result.heap.toFixed(1)} of heap`)
  return result
})

await step('left', async () => {
  const result = await leftBehind({ cycles: short ? 12_000 : 100_000, redis, log })
  figures.push(atMost('keys and index entries of sessions that were closed with their state on its way', 0, result.inRedis))
  figures.push(atMostGated('… heap of each, bytes', 20, Math.max(0, result.heap), 200))
  figures.push(atMostGated('… open files of all', 0, Math.max(0, result.files), 20))
  return result
})

await step('forwarding', async () => {
  const result = await forwarding({ redis, ...(short ? { warmUp: 1000, calls: 2000 } : { warmUp: 3000, calls: 10_000 }) })
  const { local, forwarded } = result.medians
  log(`median of a call, one at a time: local ${(local * 1000).toFixed(0)} µs, forwarded ${(forwarded * 1000).toFixed(0)} µs`)
  figures.push(atMostGated('latency of a forwarded call, times a local one', 2.5, result.ratio, 4))
  return result
})

await step('cluster', async () => {
  const result = await cluster({ redis, log, ...(short ? { warmUp: 4000, rounds: 5, calls: 1500 } : { warmUp: 20_000, rounds: 15, calls: 5000 }) })
  figures.push(shown('calls/s of three nodes, round-robin, times header affinity', result.ratio))
  for (const [name, { commands }] of [['round-robin', result.roundRobin], ['header affinity', result.affinity]]) {
    for (const [command, count] of Object.entries(commands)) log(`${name}: ${count} × ${command}`)
    figures.push(atMostGated(`Redis commands a call beside heartbeats, ${name}`, 0, besideHeartbeats(commands) / result.calls, 0.05))
    // So that nothing that comes with every call can pass for a heartbeat.
    figures.push(atMostGated('… of a heartbeat', 25, (commands[HEARTBEAT] ?? 0) / (commands[BEATS] ?? 1), 50))
  }
  return result
})

await step('membership', async () => {
  const result = await membership({ log, ...(short ? { nodes: 300, seconds: 8, perSecond: 40 } : {}) })
  log(`of a core, ${result.nodes} nodes: Redis ${result.calm.redis.toFixed(3)}, each node ${result.calm.node.toFixed(5)}; while all of them are deployed, in ${Math.round(result.deploy.seconds)} s: ${result.deploy.redis.toFixed(3)} and ${result.deploy.node.toFixed(5)}`)
  figures.push(atMostGated('share of a core of Redis for nodes that only know each other', 0.3, result.calm.redis, 1))
  figures.push(atMostGated('… of each of them', 0.01, result.calm.node, 0.05))
  figures.push(atMostGated('… of Redis while all of them are deployed', 0.3, result.deploy.redis, 1))
  return result
})

await step('storm', async () => {
  const result = await storm({ redis, sessions: short ? 1000 : 10_000 })
  if (result.sessions < result.wanted) log(`ulimit -n is ${result.limit}: only ${result.sessions} sessions`)
  for (const [command, count] of Object.entries(result.commands)) log(`${count} × ${command}`)
  for (const [reason, count] of Object.entries(result.failures)) log(`${count} answers failed: ${reason}`)
  figures.push(shown(`seconds from a node's death until its ${result.sessions} sessions are served`, result.all / 1000))
  figures.push(shown('… of them until the first was', result.first / 1000))
  figures.push(shown('p99 of a call in a session of the nodes that adopt, meanwhile, ms (all nodes on one core)', result.own))
  figures.push(atMostGated('Redis commands to adopt a session, beside heartbeats', 4, besideHeartbeats(result.commands) / result.sessions, 6))
  figures.push(atMostGated('answers that failed while sessions were adopted', 0, total(result.failures), 0))
  return result
})

await redis.end()
console.log('\n' + table(['figure', 'target', 'measured', 'verdict'], figures.map(figure => [
  figure.name, figure.target, Number.isInteger(figure.figure) ? figure.figure : figure.figure.toFixed(figure.figure < 100 ? 2 : 0), verdict(figure, tolerance)
])))
writeFileSync(new URL('results.json', import.meta.url), JSON.stringify({ ...results, figures }, null, 2) + '\n')
process.exitCode = figures.some(({ decides }) => decides < tolerance) ? 1 : 0

async function step (name, measure) {
  if (wanted !== undefined && !wanted.includes(name)) return
  console.log(`\n${name}`)
  const start = performance.now()
  results[name] = await measure()
  log(`took ${Math.round((performance.now() - start) / 1000)} s`)
}

function total (counts) {
  return Object.values(counts).reduce((sum, count) => sum + count, 0)
}

function besideHeartbeats ({ [HEARTBEAT]: _heartbeats, [BEATS]: _beats, ...commands }) {
  return total(commands)
}
