import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'
import type { EventStream, Exchange } from '../transport/exchange.ts'
import { onConnectionEnd } from './connection-end.ts'

/** One request and its answer, over a Fastify reply. */
export class ReplyExchange implements Exchange {
  readonly #reply: FastifyReply

  constructor (reply: FastifyReply) {
    this.#reply = reply
  }

  get open (): boolean {
    return isOpen(this.#reply.raw)
  }

  json (body: string): void {
    // With the charset, which Fastify would work out and add at every answer.
    this.#reply.header('content-type', 'application/json; charset=utf-8').send(body)
  }

  accepted (): void {
    this.#reply.code(202).send()
  }

  /** Past Fastify on purpose: reply.send would hold back the headers of a silent stream. */
  stream (): EventStream {
    const reply = this.#reply
    reply.hijack()
    reply.raw.writeHead(200, {
      ...reply.getHeaders() as OutgoingHttpHeaders,
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no'
    })
    reply.raw.flushHeaders()
    return new ReplyStream(reply.raw)
  }
}

class ReplyStream implements EventStream {
  readonly #raw: Raw
  #waiting: Array<() => void> | undefined

  constructor (raw: Raw) {
    this.#raw = raw
  }

  get open (): boolean { return isOpen(this.#raw) }
  get buffered (): number { return this.#raw.writableLength }

  /** Guarded: a write to a response that its client has left is an uncaught 'error' event in Node. */
  write (frames: string): boolean {
    return !isOpen(this.#raw) || this.#raw.write(frames)
  }

  /** One pair of listeners for all who wait: a handler may say a lot to a slow client. */
  drained (): Promise<void> {
    return new Promise(resolve => {
      const raw = this.#raw
      if (!isOpen(raw) || !(raw.stream ?? raw).writableNeedDrain) return resolve()
      if (this.#waiting === undefined) {
        const waiting: Array<() => void> = this.#waiting = []
        const settle = (): void => { for (const one of waiting.splice(0)) one() }
        raw.on('drain', settle)
        this.onEnd(settle)
      }
      this.#waiting.push(resolve)
    })
  }

  end (): void {
    if (!this.#raw.writableEnded) this.#raw.end()
  }

  destroy (): void {
    this.#raw.destroy()
  }

  onEnd (listener: () => void): void {
    const raw = this.#raw
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
}

/** A response of HTTP/1, or one of HTTP/2, which has a stream. */
type Raw = ServerResponse & { stream?: { destroyed: boolean, writableNeedDrain: boolean } }

/** HTTP/2 responses say so on their stream, pipelined ones of HTTP/1 on the connection alone. */
function isOpen (raw: Raw): boolean {
  if (raw.destroyed || raw.writableEnded) return false
  return raw.stream === undefined ? !raw.req.socket.destroyed : !raw.stream.destroyed
}
