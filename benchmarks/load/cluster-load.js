// The load generator of a cluster: sessions that can call over any node.
import { setTimeout } from 'node:timers/promises'
import { obey } from '../process/orders.js'
import { awake } from './awake.js'
import { Connection } from './connection.js'
import { Session } from './session.js'

/** Calls of a session before it counts as lost. */
const ATTEMPTS = 20
/** How long a client waits after an answer that failed, in milliseconds. */
const PAUSE = 1000
/** And between two calls of a session that is where it was, in milliseconds. */
const PAUSE_OWN = 10

/** Open sessions: each with its own connections, that to the node it lives on first. */
const clients = []

obey({ open, openMany, alternate, calls, connect, storm })

/** Opens `each` sessions on every node; each has a connection of its own to every node. */
async function open ({ ports, each }) {
  for (const [place, home] of ports.entries()) {
    // Every session goes on to another node first, so that the round-robin meets no node in step.
    const others = [...ports.slice(place + 1), ...ports.slice(0, place)]
    for (let i = 0; i < each; i++) {
      const session = await Session.open(home)
      clients.push({ session, connections: [session.connection, ...await Promise.all(others.map(port => Connection.open(port)))] })
    }
  }
}

/** Opens sessions on one node over a few connections. */
async function openMany ({ port, count }) {
  let left = count
  const shared = await Promise.all(Array.from({ length: 16 }, () => Connection.open(port)))
  await Promise.all(shared.map(async connection => {
    while (left-- > 0) clients.push({ session: await Session.open(port, connection), connections: [] })
  }))
  for (const connection of shared) connection.close()
}

/**
 * Calls at its own node and over another in turn, one call at a time, as a
 * client that sleeps while it waits. Returns the times of both in milliseconds.
 */
async function alternate ({ count }) {
  const [{ session, connections: [home, other] }] = clients
  const local = []
  const forwarded = []
  for (let i = 0; i < count; i++) {
    local.push(await timed(() => session.call(home)))
    forwarded.push(await timed(() => session.call(other)))
  }
  return { local, forwarded }
}

async function timed (work) {
  const start = performance.now()
  await work()
  return performance.now() - start
}

/** Calls in all sessions at once: each at its own node (`affinity`), or at one node after another. Returns calls a second. */
async function calls ({ count, affinity }) {
  let left = count
  const elapsed = await awake(() => Promise.all(clients.map(async ({ session, connections }) => {
    for (let turn = 0; left-- > 0; turn++) {
      await session.call(connections[affinity ? 0 : turn % connections.length])
    }
  })))
  return count / elapsed * 1000
}

/** Gives every session a connection to one of these nodes. */
async function connect ({ ports }) {
  for (const [i, client] of clients.entries()) {
    client.port = ports[i % ports.length]
    client.connections = [await Connection.open(client.port)]
  }
}

/**
 * One call in every session, all at once; a session whose answer failed tries
 * again. Returns when each was served, in milliseconds after the start, and
 * why answers failed.
 */
async function storm ({ own }) {
  const natives = await Promise.all(own.map(port => Session.open(port)))
  const start = performance.now()
  const over = new AbortController()
  const calls = []
  const calling = Promise.all(natives.map(async session => {
    while (!over.signal.aborted) {
      const begun = performance.now()
      await session.call(session.connection)
      calls.push({ at: begun - start, took: performance.now() - begun })
      await setTimeout(PAUSE_OWN)
    }
  }))
  const served = []
  const failures = {}
  await Promise.all(clients.map(async client => {
    for (let attempt = 1; !await attempted(client, failures); attempt++) {
      if (attempt === ATTEMPTS) throw new Error(`a session was not served in ${ATTEMPTS} attempts; ${JSON.stringify(failures)}`)
      await setTimeout(PAUSE)
    }
    served.push(performance.now() - start)
  }))
  over.abort()
  await calling
  return { served, failures, own: calls.filter(({ at }) => at >= served[0]).map(({ took }) => took) }
}

async function attempted (client, failures) {
  const [connection] = client.connections
  try {
    await client.session.call(connection)
    return true
  } catch (error) {
    const [reason] = /"reason":"\w+"/.exec(error.message) ?? [error.message]
    failures[reason] = (failures[reason] ?? 0) + 1
    connection.close()
    client.connections = [await Connection.open(client.port)]
    return false
  }
}
