import type { OutgoingHttpHeaders } from 'node:http'
import type { FastifyReply } from 'fastify'
import { isOpen, onResponseEnd } from '../transport/client-response.ts'
import type { ClientResponse } from '../transport/client-response.ts'
import type { EventStream, Exchange } from '../transport/exchange.ts'

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
  readonly #raw: ClientResponse
  #waiting: Array<() => void> | undefined

  constructor (raw: ClientResponse) {
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
    onResponseEnd(this.#raw, listener)
  }
}
