import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Http2Session } from 'node:http2'
import { Server as NetServer } from 'node:net'
import type { Socket } from 'node:net'
import { setImmediate as immediate, setTimeout as pause } from 'node:timers/promises'

/** How often a server that ends looks whether it is still used, in milliseconds. */
const LOOK = 50
/**
 * Looks without a request after which those who hold a connection open are taken not to be about to use it.
 * Looks and not time: a process that stood still finds the requests of that time after its timers.
 */
const QUIET = 5
/** How long those may take to be accepted who have connected already, in milliseconds. */
const LAST_CONNECTIONS = 500
/** Looks for connections to serve what is on its way: two seconds. */
const LAST_REQUESTS = 40
/** The id of no stream: it announces the end of an HTTP/2 session, and rules nothing out yet (RFC 9113, 6.8). */
const NO_STREAM = 2 ** 31 - 1
/** Node's own channel, for every response of HTTP/1 that was given. */
const FINISHED = 'http.server.response.finish'

const all = new WeakMap<Server, Connections>()

/** The connections of a server, from the first call on. */
export function connectionsOf (server: Server): Connections {
  let connections = all.get(server)
  if (connections === undefined) {
    connections = new Connections(server)
    all.set(server, connections)
  }
  return connections
}

/** The open connections of a server, of HTTP/1 and HTTP/2, and how they end. */
class Connections {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #sessions = new Set<Http2Session>()
  /** Looks since a request was begun or answered. */
  #looks = 0
  #ending = false

  constructor (server: Server) {
    this.#server = server
    server.on('connection', socket => kept(this.#sockets, socket))
    server.on('session', (session: Http2Session) => kept(this.#sessions, session))
  }

  /**
   * Stops listening and lets the connections that are there end without losing
   * a request: each of HTTP/1 serves one more, whose answer says that it was the
   * last, those of HTTP/2 are told that they end, and those that nobody uses are
   * closed. Closed at once, as server.close() does, a connection may have a request
   * on its way that its proxy will not send again. What is still in use then
   * is closed when it is not. Resolves within two seconds.
   */
  async end (signal: AbortSignal): Promise<void> {
    const server = this.#server
    if (this.#ending || !server.listening) return
    this.#ending = true
    server.prependListener('request', (request, response) => {
      this.#used()
      if (request.httpVersionMajor === 1) response.shouldKeepAlive = false
    })
    await stopListening(server)
    server.on('session', (session: Http2Session) => announceEnd(session))
    for (const session of this.#sessions) announceEnd(session)
    await this.#quiet(signal)
    this.closeSessions()
    this.#closeIdle()
    this.#goOnClosing()
  }

  /** Those of HTTP/2 end with their last answer. Node 20 leaves that to their clients when a server closes. */
  closeSessions (): void {
    for (const session of this.#sessions) session.close()
  }

  /** Breaks off every connection; how many there were. */
  breakOff (): number {
    const { size } = this.#sockets
    for (const socket of this.#sockets) socket.destroy()
    return size
  }

  #used (): void {
    this.#looks = 0
  }

  async #quiet (signal: AbortSignal): Promise<void> {
    for (let look = 0; look < LAST_REQUESTS && this.#looks++ < QUIET && this.#sockets.size > 0 && !signal.aborted; look++) {
      await pause(LOOK, undefined, { signal }).catch(error => { if (!signal.aborted) throw error })
    }
  }

  /** Node counts a connection on which nothing was ever sent as one in use. */
  #closeIdle (): void {
    for (const socket of this.#sockets) {
      if (socket.bytesRead === 0) socket.destroy()
    }
    // Servers of HTTP/2 alone have no such method.
    this.#server.closeIdleConnections?.()
  }

  /** A connection that was in use is idle once its answer is given: then it has its own time of quiet. */
  #goOnClosing (): void {
    const server = this.#server
    if (this.#sockets.size === 0) return
    const onFinished = (message: unknown): void => {
      if ((message as { server: Server, request: IncomingMessage, response: ServerResponse }).server === server) this.#used()
    }
    subscribe(FINISHED, onFinished)
    const timer = setInterval(() => {
      if (this.#sockets.size === 0) return done()
      if (this.#looks++ >= QUIET) this.#closeIdle()
    }, LOOK).unref()
    function done (): void {
      clearInterval(timer)
      unsubscribe(FINISHED, onFinished)
    }
  }
}

/**
 * Closes the listening socket when nobody waits there. The kernel completes connections by itself,
 * and Node accepts one a turn of its loop; whoever has connected, and perhaps sent a request, and is
 * not accepted yet would see the connection reset. So new connections are accepted and not yet
 * served until a turn brings none.
 */
async function stopListening (server: Server): Promise<void> {
  const serve = server.rawListeners('connection') as Array<(socket: Socket) => void>
  const waiting: Socket[] = []
  const hold = (socket: Socket): void => { waiting.push(socket) }
  server.removeAllListeners('connection')
  server.on('connection', hold)
  // A socket that is read before it is served loses what was read.
  const paused = server as Server & { pauseOnConnect: boolean }
  const { pauseOnConnect } = paused
  paused.pauseOnConnect = true
  const end = performance.now() + LAST_CONNECTIONS
  // From one immediate to the next is a whole turn.
  await immediate()
  for (let before = -1; before < waiting.length && performance.now() < end;) {
    before = waiting.length
    await immediate()
  }
  // http.Server's own would close the idle connections, and http2's all of them.
  NetServer.prototype.close.call(server)
  paused.pauseOnConnect = pauseOnConnect
  server.off('connection', hold)
  for (const listener of serve) server.on('connection', listener)
  for (const socket of waiting) {
    server.emit('connection', socket)
    socket.resume()
  }
}

function kept<Connection extends Socket | Http2Session> (connections: Set<Connection>, connection: Connection): void {
  connections.add(connection)
  connection.once('close', () => connections.delete(connection))
}

/** Its client is to open no more streams; those that are on their way are served. */
function announceEnd (session: Http2Session): void {
  if (!session.destroyed && !session.closed) session.goaway(0, NO_STREAM)
}
