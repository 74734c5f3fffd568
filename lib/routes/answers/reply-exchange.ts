import type { OutgoingHttpHeaders } from 'node:http'
import type { FastifyReply } from 'fastify'
import { PROOF, TRACE } from '../../http/between-nodes.ts'
import { isOpen } from '../../http/client-response.ts'
import type { EventStream, Exchange } from '../../http/exchange.ts'
import { PacedResponse } from '../../http/paced-response.ts'
import type { Unsent } from '../../http/unsent.ts'
import { followBody } from './unread-body.ts'

/** JSON bodies of more characters are followed until their client has taken them. */
const LARGE = 64 * 1024

/** One request and its answer, over a Fastify reply. */
export class ReplyExchange implements Exchange {
  readonly #reply: FastifyReply
  readonly #unsent: Unsent

  constructor (reply: FastifyReply, unsent: Unsent) {
    this.#reply = reply
    this.#unsent = unsent
  }

  get open (): boolean {
    return isOpen(this.#reply.raw)
  }

  /** The receipt is there by now where the hop has proven itself: anybody else may not choose whose child a span is. */
  get trace (): string | undefined {
    const { raw, request: { headers } } = this.#reply
    return raw.hasHeader(PROOF) ? headers[TRACE] as string | undefined : undefined
  }

  json (body: string): void {
    if (body.length > LARGE) followBody(this.#reply, body.length, this.#unsent)
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
    return new PacedResponse(reply.raw, this.#unsent, reply.log)
  }
}
