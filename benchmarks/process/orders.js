import { readdirSync } from 'node:fs'

/**
 * The child's half of a measured process: carries out what the parent asks
 * for over IPC, and ends with it.
 *
 * @param {Record<string, (args: any) => unknown>} orders by name
 */
export function obey (orders) {
  const all = { usage, memory, files, ...orders }
  process.on('message', async ({ seq, order, args }) => {
    try {
      process.send({ seq, value: await all[order](args) })
    } catch (err) {
      process.send({ seq, error: err.stack })
    }
  })
  process.on('disconnect', () => process.exit())
}

/** CPU time of this process so far, in microseconds. */
function usage () {
  const { user, system } = process.cpuUsage()
  return user + system
}

/** How many files and sockets this process has open. */
function files () {
  return readdirSync('/proc/self/fd').length
}

/** Heap and RSS in bytes, after a full collection. */
async function memory () {
  for (let i = 0; i < 4; i++) {
    globalThis.gc()
    await new Promise(resolve => setImmediate(resolve))
  }
  const { heapUsed, rss } = process.memoryUsage()
  return { heapUsed, rss }
}
