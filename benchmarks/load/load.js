// The load generator: a process of its own, so that its work is not counted
// as the server's.
import { obey } from '../process/orders.js'
import { Connection } from './connection.js'
import { Session } from './session.js'

const held = { sessions: [], streams: [] }

obey({ open, close, streams, drop, calls, callFor, cycles })

/** Opens sessions and keeps them, over a few connections. */
async function open ({ port, count, connections }) {
  await Promise.all(Array.from({ length: connections }, async () => {
    const connection = await Connection.open(port)
    while (held.sessions.length < count) {
      const slot = held.sessions.push(undefined) - 1
      held.sessions[slot] = await Session.open(port, connection)
    }
  }))
}

/** Deletes the sessions that are held, and their connections. */
async function close () {
  const byConnection = new Map()
  for (const session of held.sessions.splice(0)) {
    const sessions = byConnection.get(session.connection)
    if (sessions) sessions.push(session)
    else byConnection.set(session.connection, [session])
  }
  await Promise.all(Array.from(byConnection, async ([connection, sessions]) => {
    for (const session of sessions) await session.delete()
    connection.close()
  }))
}

/** Opens a GET stream for each session that is held. */
async function streams ({ port }) {
  const queue = held.sessions.values()
  await Promise.all(Array.from({ length: 64 }, async () => {
    for (const session of queue) held.streams.push(await session.openStream(port))
  }))
}

/** Closes the sockets of all streams. */
function drop () {
  for (const stream of held.streams.splice(0)) stream.close()
}

/** Makes a number of calls in the first session, one after the other. */
async function calls ({ count }) {
  const [session] = held.sessions
  for (let i = 0; i < count; i++) await session.call()
}

/**
 * Calls without a pause in every session that is held.
 * @returns calls made in about `ms`, and the share of that time that this process was busy
 */
async function callFor ({ ms }) {
  const cpu = process.cpuUsage()
  const start = performance.now()
  const until = start + ms
  let made = 0
  spin(until)
  await Promise.all(held.sessions.map(async session => {
    while (performance.now() < until) {
      await session.call()
      made++
    }
  }))
  const elapsed = performance.now() - start
  const { user, system } = process.cpuUsage(cpu)
  return { made, perSecond: made / elapsed * 1000, busy: (user + system) / 1000 / elapsed }
}

/**
 * Keeps this process from sleeping: waking it up would be the server's work,
 * and on a virtual machine the dearest part of a write.
 */
function spin (until) {
  if (performance.now() < until) setImmediate(spin, until)
}

/** Opens sessions and deletes them again, over keep-alive connections. */
async function cycles ({ port, count, connections }) {
  let left = count
  await Promise.all(Array.from({ length: connections }, async () => {
    const connection = await Connection.open(port)
    while (left-- > 0) await (await Session.open(port, connection)).delete()
    connection.close()
  }))
}
