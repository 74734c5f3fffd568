// The load generator: a process of its own, so that its work is not counted
// as the server's.
import { obey } from '../process/orders.js'
import { awake } from './awake.js'
import { Connection } from './connection.js'
import { Session } from './session.js'
import { StatelessClient } from './stateless-client.js'

/** Open sessions, or clients without one, by the port of their server. */
const sessions = new Map()

obey({ open, close, streams, calls, cycles })

/** Opens sessions and keeps them, over a few connections. `kind`: clients without a session, that ask for this. */
async function open ({ port, count, connections, kind }) {
  const opened = []
  sessions.set(port, opened)
  await Promise.all(Array.from({ length: connections }, async () => {
    const connection = await Connection.open(port)
    while (opened.length < count) {
      const place = opened.push(undefined) - 1
      opened[place] = await (kind === undefined ? Session.open(port, connection) : StatelessClient.open(port, connection, kind))
    }
  }))
}

/** Deletes a server's sessions and closes their connections. */
async function close ({ port }) {
  const all = byConnection(sessions.get(port))
  sessions.delete(port)
  await Promise.all(Array.from(all, async ([connection, its]) => {
    for (const session of its) await session.delete()
    connection.close()
  }))
}

/** Opens a GET stream for each session; they end with this process. */
async function streams ({ port }) {
  const queue = sessions.get(port).values()
  await Promise.all(Array.from({ length: 64 }, async () => {
    for (const session of queue) await session.openStream(port)
  }))
}

/**
 * Makes calls without a pause, over all connections to a server at once, in one session of each after another.
 * @returns calls a second, and the share of that time that this process was busy
 */
async function calls ({ port, count }) {
  const cpu = process.cpuUsage()
  let left = count
  const all = byConnection(sessions.get(port))
  const elapsed = await awake(() => Promise.all(Array.from(all.values(), async its => {
    for (let i = 0; left-- > 0; i++) await its[i % its.length].call()
  })))
  const { user, system } = process.cpuUsage(cpu)
  return { perSecond: count / elapsed * 1000, busy: (user + system) / 1000 / elapsed }
}

/** Opens sessions and deletes them again, over keep-alive connections. `tool`: called in between. */
async function cycles ({ port, count, connections, tool }) {
  let left = count
  await Promise.all(Array.from({ length: connections }, async () => {
    const connection = await Connection.open(port)
    while (left-- > 0) {
      const session = await Session.open(port, connection)
      if (tool !== undefined) await session.use(tool)
      await session.delete()
    }
    connection.close()
  }))
}

function byConnection (sessions) {
  const all = new Map()
  for (const session of sessions) {
    const others = all.get(session.connection)
    if (others) others.push(session)
    else all.set(session.connection, [session])
  }
  return all
}
