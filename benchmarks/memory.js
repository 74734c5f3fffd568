import { execSync } from 'node:child_process'
import { Child, LOAD_CORE, SERVER_CORE } from './process/child.js'

const WARM_UP = 500

/** Heap that a session costs beyond its McpServer, in bytes. */
export async function heapPerSession ({ sessions, redis }) {
  const bare = new Child('servers/no-op.js', { core: SERVER_CORE })
  const server = new Child('servers/sticky.js', { core: SERVER_CORE, args: [redis.url, 'auto'] })
  const load = new Child('load/load.js', { core: LOAD_CORE })
  try {
    const port = await server.ask('listen')
    const mcpServer = await growth(bare, sessions, {
      open: count => bare.ask('open', { count }),
      close: () => bare.ask('close')
    })
    const whole = await growth(server, sessions, {
      open: count => load.ask('open', { port, count, connections: 16 }),
      close: () => load.ask('close', { port })
    })
    return { sessions, mcpServer, whole, ours: whole - mcpServer }
  } finally {
    await Promise.all([bare.end(), server.end(), load.end()])
  }
}

/** Heap growth for each of `count` sessions, in bytes. What the first ones bring with them (compiled code, pools) is not counted. */
async function growth (child, count, { open, close }) {
  await open(WARM_UP)
  await close()
  const before = await child.ask('memory')
  await open(count)
  const after = await child.ask('memory')
  return (after.heapUsed - before.heapUsed) / count
}

/** RSS of a node with open GET streams, one a session, in bytes. As many as the open files allow. */
export async function openStreams ({ streams: wanted, redis }) {
  const limit = Number(execSync('ulimit -n', { shell: '/bin/sh' }).toString().replace('unlimited', 'Infinity'))
  const streams = Math.min(wanted, limit - 200)
  const server = new Child('servers/sticky.js', { core: SERVER_CORE, args: [redis.url, 'auto'] })
  const load = new Child('load/load.js', { core: LOAD_CORE })
  try {
    const port = await server.ask('listen')
    const idle = await server.ask('memory')
    await load.ask('open', { port, count: streams, connections: 16 })
    const opened = await server.ask('memory')
    await load.ask('streams', { port })
    const streaming = await server.ask('memory')
    const open = await server.ask('streams')
    if (open !== streams) throw new Error(`${streams} streams were opened, the node counts ${open}`)
    return { wanted, streams, limit, rss: { idle: idle.rss, sessions: opened.rss, streams: streaming.rss } }
  } finally {
    await Promise.all([load.end(), server.end()])
  }
}

/** RSS and heap while sessions are opened and deleted; the slopes are bytes a cycle, over the second half. */
export async function memorySlope ({ cycles, redis, log }) {
  const SAMPLES = 20
  const server = new Child('servers/sticky.js', { core: SERVER_CORE, args: [redis.url, 'auto'] })
  const load = new Child('load/load.js', { core: LOAD_CORE })
  try {
    const port = await server.ask('listen')
    const samples = []
    for (let i = 1; i <= SAMPLES; i++) {
      await load.ask('cycles', { port, count: cycles / SAMPLES, connections: 16 })
      const sample = { cycles: cycles / SAMPLES * i, ...await server.ask('memory') }
      samples.push(sample)
      log(`${sample.cycles} cycles: RSS ${mib(sample.rss)}, heap ${mib(sample.heapUsed)}`)
    }
    const settled = samples.slice(SAMPLES / 2)
    return { cycles, samples, rss: slope(settled, ({ rss }) => rss), heap: slope(settled, ({ heapUsed }) => heapUsed) }
  } finally {
    await Promise.all([load.end(), server.end()])
  }
}

export function mib (bytes) {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`
}

/** Least squares. */
function slope (samples, of) {
  const x = mean(samples.map(({ cycles }) => cycles))
  const y = mean(samples.map(of))
  let up = 0
  let down = 0
  for (const sample of samples) {
    up += (sample.cycles - x) * (of(sample) - y)
    down += (sample.cycles - x) ** 2
  }
  return up / down
}

function mean (numbers) {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length
}
