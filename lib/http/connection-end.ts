import type { Socket } from 'node:net'

const waiting = new WeakMap<Socket, Set<() => void>>()

/**
 * Calls back when a connection ends; what it returns takes that back. However
 * many ask, the socket has one listener: a client may pipeline any number of
 * requests on it.
 */
export function onConnectionEnd (socket: Socket, listener: () => void): () => void {
  let listeners = waiting.get(socket)
  if (listeners === undefined) {
    const all = listeners = new Set<() => void>()
    waiting.set(socket, all)
    socket.once('close', () => { for (const one of all) one() })
  }
  const all = listeners
  all.add(listener)
  return () => { all.delete(listener) }
}
