import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyReply } from 'fastify'
import type { Dispatcher } from 'undici'
import { breakOff } from '../../http/client-response.ts'
import type { ClientResponse } from '../../http/client-response.ts'
import { PacedResponse } from '../../http/paced-response.ts'
import type { Unsent } from '../../http/unsent.ts'
import { answerFields } from './forward-headers.ts'
import { RelayedEvents } from './relayed-events.ts'
import type { Awaited, Way } from './way.ts'

/** What came of a forwarded request. */
export type Forwarded =
  /** The answer was passed on, or the client has left. `error`: the owner broke off in the middle of it, and the client's answer was ended to match. */
  | { outcome: 'answered', error?: Error }
  /** The caller declines the answer. Nothing was passed on. */
  | { outcome: 'declined', status: number, proven: boolean | undefined }
  /** It failed before a byte of the request was sent. Nothing was passed on; it may be sent elsewhere. */
  | { outcome: 'unreachable', error: Error }
  /** It failed later, so the owner may have acted on it. Nothing was passed on. */
  | { outcome: 'lost', error: Error }

/** How an answer begins. */
export interface AnswerHead {
  status: number
  headers: IncomingHttpHeaders
  /** Whether a node of ours gives it; undefined when it was not asked to prove that. */
  proven: () => boolean | undefined
}

export interface ForwardOptions {
  /** The name of the one whose request it is. Default: the default one. */
  endpoint?: string
  /** What the node there is told of this hop's span. */
  trace?: string | undefined
  /** Whether the caller does not want the answer passed on. */
  decline: (answer: AnswerHead) => boolean
  /** SSE frames that end a stream which the owner broke off, unless its client can resume it; '' for none. */
  lastWords: () => string
  /** Whether a stream of events is to end as soon as it has begun. Default: it is not. */
  ending?: () => boolean
  /** The WWW-Authenticate of an answer, where it needs another than the present one. Default: as it comes. */
  challenged?: ((status: number, present: unknown) => string | undefined) | undefined
  /** Whether an answer with these header fields comes from a node of ours. Default: nobody can say. */
  proven?: (headers: IncomingHttpHeaders) => boolean | undefined
}

type Controller = Dispatcher.DispatchController

const LEFT = new Error('the client has left')
const LEAVING = new Error('this node is leaving')
const STRANGE = new Error('the answer is of somebody else')

/** Passes the answer to one forwarded request on to the client, byte for byte and at the client's pace. */
export class Relay implements Dispatcher.DispatchHandler, Awaited {
  readonly #reply: FastifyReply
  readonly #raw: ClientResponse
  readonly #out: PacedResponse
  readonly #options: ForwardOptions
  readonly #settle: (forwarded: Forwarded) => void
  readonly #way: Way
  #controller: Controller | undefined
  #sent = Infinity
  #heard = Infinity
  /** The client takes no more for now, so nothing is read. */
  #full = false
  #settled = false
  #begun = false
  #events: RelayedEvents | undefined

  /** `unsent`: what the node keeps for its clients. */
  constructor (reply: FastifyReply, unsent: Unsent, options: ForwardOptions, way: Way, settle: (forwarded: Forwarded) => void) {
    this.#reply = reply
    this.#raw = reply.raw
    this.#out = new PacedResponse(reply.raw, unsent, reply.log)
    this.#options = options
    this.#way = way
    this.#settle = settle
    way.awaited.add(this)
    this.#out.onEnd(() => this.#left())
  }

  /** Whether the outcome is known: what comes after that goes nowhere. */
  get settled (): boolean {
    return this.#settled
  }

  get heard (): number {
    return this.#full ? Infinity : this.#heard
  }

  /** undici is about to write the request to a connection. */
  onRequestStart (controller: Controller): void {
    this.#controller = controller
    this.#sent = this.#heard = performance.now()
    if (this.#settled) controller.abort(LEFT)
  }

  onResponseStart (controller: Controller, status: number, headers: IncomingHttpHeaders): void {
    this.#heard = performance.now()
    this.#way.worked(this.#sent)
    // Early hints and the like: the answer is yet to come.
    if (status < 200) return
    const proven = (): boolean | undefined => this.#options.proven?.(headers)
    if (this.#options.decline({ status, headers, proven })) return this.#decline(controller, status, proven())
    const stream = isPlainEventStream(headers)
    const fields = answerFields(this.#reply, headers)
    const challenge = this.#options.challenged?.(status, fields['www-authenticate'])
    if (challenge !== undefined) fields['www-authenticate'] = challenge
    this.#raw.writeHead(status, fields)
    this.#reply.hijack()
    this.#begun = true
    if (!stream) return
    this.#events = new RelayedEvents()
    this.#raw.flushHeaders()
    if (this.#options.ending?.() === true) this.endStream()
  }

  #decline (controller: Controller, status: number, proven: boolean | undefined): void {
    this.#done({ outcome: 'declined', status, proven })
    // Nobody knows how much more there is.
    if (proven === false) controller.abort(STRANGE)
  }

  /** Ends a stream that has begun in good order, for its client to open it again elsewhere. */
  endStream (): void {
    if (this.#settled || this.#events === undefined) return
    this.#done({ outcome: 'answered' })
    this.#finish(this.#events.ending(() => ''))
    this.#controller?.abort(LEAVING)
  }

  onResponseData (controller: Controller, chunk: Buffer): void {
    // Of an answer that was declined, or one whose client is just leaving.
    if (this.#settled || !this.#out.open) return
    this.#heard = performance.now()
    this.#events?.passed(chunk)
    if (this.#out.write(chunk)) return
    controller.pause()
    this.#full = true
    this.#out.drained().then(() => {
      this.#full = false
      this.#heard = performance.now()
      controller.resume()
    }, () => {})
  }

  onResponseEnd (): void {
    if (this.#settled) return
    this.#done({ outcome: 'answered' })
    this.#out.end()
  }

  onResponseError (_controller: Controller | undefined, error: Error): void {
    if (this.#settled) return
    if (!this.#begun) return this.#done({ outcome: this.#controller === undefined ? 'unreachable' : 'lost', error })
    this.#done({ outcome: 'answered', error })
    // Part of a body must not pass for the whole: only a stream of events has a good end at any time.
    if (this.#events === undefined) breakOff(this.#raw)
    else this.#finish(this.#events.ending(this.#options.lastWords))
  }

  #finish (frames: string): void {
    if (frames !== '') this.#out.write(frames)
    this.#out.end()
  }

  /** Ends as if the owner had gone. */
  breakOff (error: Error): void {
    this.onResponseError(this.#controller, error)
    this.#controller?.abort(error)
  }

  #left (): void {
    if (this.#settled) return
    this.#done({ outcome: 'answered' })
    this.#controller?.abort(LEFT)
  }

  #done (forwarded: Forwarded): void {
    this.#settled = true
    this.#way.awaited.delete(this)
    this.#settle(forwarded)
  }
}

/** Whether events can be added to the end of a body. */
function isPlainEventStream (headers: IncomingHttpHeaders): boolean {
  return headers['content-type']?.startsWith('text/event-stream') === true && headers['content-encoding'] === undefined
}
