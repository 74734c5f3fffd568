import type { ServerResponse } from 'node:http'
import { constants } from 'node:http2'
import { onConnectionEnd } from './connection-end.ts'

/** A response of HTTP/1, or one of HTTP/2, which has a stream. */
export type ClientResponse = ServerResponse & { stream?: { destroyed: boolean, writableNeedDrain: boolean, close: (code: number) => void } }

/** HTTP/2 responses say so on their stream, pipelined ones of HTTP/1 on the connection alone. */
export function isOpen (raw: ClientResponse): boolean {
  if (raw.destroyed || raw.writableEnded) return false
  return raw.stream === undefined ? !raw.req.socket.destroyed : !raw.stream.destroyed
}

/** Calls back once when a response ends, from either side; at once when it has. */
export function onResponseEnd (raw: ClientResponse, listener: () => void): void {
  if (!isOpen(raw)) return listener()
  if (raw.stream !== undefined || raw.socket !== null) {
    raw.once('close', listener)
    return
  }
  // A pipelined response whose turn has not come: Node will not tell it that its connection is gone.
  const forget = onConnectionEnd(raw.req.socket, ended)
  raw.once('close', ended)
  function ended (): void {
    forget()
    raw.off('close', ended)
    listener()
  }
}

/** Drops the connection of a response with whatever is unsent; of HTTP/2, its stream alone. */
export function dropConnection (raw: ClientResponse): void {
  raw.destroy()
  // Behind another response on its connection it has no socket of its own yet.
  if (raw.stream === undefined && raw.socket === null) raw.req.socket.destroy()
}

/** Ends a response so that its client sees that the rest is missing. */
export function breakOff (raw: ClientResponse): void {
  if (raw.stream === undefined) raw.destroy()
  else raw.stream.close(constants.NGHTTP2_INTERNAL_ERROR)
}
