import type { CallsTold } from '../../events/calls-told.ts'
import type { CallEnd, Traced } from '../../events/tracing.ts'
import type { AnswerWait, WaitingAnswer } from './answer-wait.ts'
import type { Exchange } from '../../http/exchange.ts'
import type { MessageExtra } from '../extra.ts'
import { cancelled } from '../messages.ts'
import type { JsonRpcError, JsonRpcMessage, JsonRpcRequest, JsonRpcResult, RequestId } from '../messages.ts'
import type { SseStream } from '../streams/sse-stream.ts'

export type ResponseMode = 'auto' | 'json' | 'sse'

/** What the answer to a POST needs of its session. */
export interface AnswerHost {
  readonly responseMode: ResponseMode
  readonly waits: AnswerWait
  readonly told: CallsTold
  readonly protocolVersion: string
  /** Opens the SSE stream of a POST with these requests on its exchange; with `keep` its messages go to the event store, if there is one. */
  openStream: (exchange: Exchange, requests: JsonRpcRequest[], keep: boolean) => SseStream
  /** The stream of a POST has carried its last response. */
  closeStream: (stream: SseStream) => void
  /** Hands a message to the server. False: the server could not even take it. */
  deliver: (message: JsonRpcRequest, extra: MessageExtra) => boolean
  /** A message that its client will not get. */
  dropped: (what: string) => void
}

/**
 * The answer to one POST with requests in it: one JSON body when the responses
 * are all there is to say, an SSE stream as soon as there is more, or once the
 * wait is over.
 */
export class PostAnswer implements WaitingAnswer {
  waitingSince = 0
  /** A call of `initialize` is answered at its end and not before: its headers carry the session id. */
  readonly initialize: boolean
  readonly #host: AnswerHost
  readonly #exchange: Exchange
  readonly #requests: JsonRpcRequest[]
  readonly #batch: boolean
  readonly #begun: number
  /** By the place of their request. */
  readonly #spans: Array<Traced<CallEnd>> | undefined
  /** The responses of a batch so far, as JSON, by the place of their request. */
  #responses: Array<string | undefined> | undefined
  #unanswered: number
  #stream: SseStream | undefined

  constructor (host: AnswerHost, exchange: Exchange, requests: JsonRpcRequest[], batch: boolean) {
    this.#host = host
    this.#exchange = exchange
    this.#requests = requests
    this.#batch = batch
    this.#begun = host.told.begin()
    this.#spans = host.told.trace(requests, exchange)
    this.#unanswered = requests.length
    this.initialize = requests[0]!.method === 'initialize'
  }

  get streaming (): boolean { return this.#stream !== undefined }

  /** The request of that id. */
  request (id: RequestId): JsonRpcRequest {
    return this.#requests[this.#place(id)]!
  }

  /** To be called before the requests are delivered. */
  begin (): this {
    if (this.initialize) return this
    if (this.#host.responseMode === 'sse') this.#open(true)
    else if (this.#host.responseMode === 'auto') this.#host.waits.add(this)
    return this
  }

  /** Hands one of the requests to the server, inside its span. False: the server could not even take it. */
  deliver (request: JsonRpcRequest, extra: MessageExtra): boolean {
    if (this.#spans === undefined) return this.#host.deliver(request, extra)
    return this.#spans[this.#place(request.id)]!.run(() => this.#host.deliver(request, extra))
  }

  waited (): void {
    if (this.#stream === undefined && this.#exchange.open) this.#open(true)
  }

  /** The stream for what handlers say before they answer; undefined when nothing can carry it. */
  channel (): SseStream | undefined {
    if (this.#stream === undefined) {
      if (this.initialize || this.#host.responseMode === 'json' || !this.#exchange.open) return undefined
      this.#open(true)
    }
    return this.#stream!.reachable ? this.#stream : undefined
  }

  /** Answers one request. Throws, and answers nothing, when the response can't be serialized. */
  respond (response: JsonRpcResult | JsonRpcError): void {
    this.#respond(response)
    this.#tell(response.id!, response)
  }

  #respond (response: JsonRpcResult | JsonRpcError): void {
    if (this.initialize && this.#stream === undefined && this.#host.responseMode === 'sse' && this.#exchange.open) this.#open(true)
    if (this.#stream !== undefined) {
      if (!this.#stream.reachable) this.#host.dropped('a response')
      this.#stream.send(response)?.catch(() => this.#host.dropped('a response'))
      this.#settle()
      return
    }
    const json = JSON.stringify(response)
    if (this.#batch) {
      this.#responses ??= []
      this.#responses[this.#place(response.id!)] = json
    }
    if (--this.#unanswered === 0) this.#answerJson(json)
  }

  /**
   * The client has cancelled a request: no response will come (spec
   * 2025-11-25, Cancellation), but its POST must not hang. A stream just ends,
   * unless its client would come back to it; a JSON body has to say something.
   */
  cancel (id: RequestId): void {
    if (this.#stream === undefined && this.#responses === undefined && this.#unanswered === 1 &&
        this.#host.responseMode === 'auto' && this.#exchange.open) this.#open(false)
    if (this.#stream === undefined || this.#stream.resumable) this.#respond(cancelled(id))
    else this.#settle()
    this.#tell(id, undefined)
  }

  /** Answers one request because its session ends. */
  fail (error: JsonRpcError): void {
    if (this.#stream === undefined) this.#respond(error)
    else {
      this.#stream.sendLast(error)
      this.#settle()
    }
    this.#tell(error.id!, undefined)
  }

  /** Lets the client poll: ends the connection, its stream goes on when it is resumed. */
  suspend (): void {
    this.channel()?.suspend()
  }

  #open (keep: boolean): void {
    this.#host.waits.delete(this)
    this.#stream = this.#host.openStream(this.#exchange, this.#requests, keep)
    for (const json of this.#responses ?? []) {
      if (json !== undefined) this.#stream.send(JSON.parse(json) as JsonRpcMessage)?.catch(() => this.#host.dropped('a response'))
    }
    this.#responses = undefined
  }

  #tell (id: RequestId, answer: JsonRpcResult | JsonRpcError | undefined): void {
    if (this.#begun > 0 || this.#spans !== undefined) this.#host.told.done(this.#begun, this.request(id), answer, this.#host.protocolVersion, this.#spans?.[this.#place(id)])
  }

  #place (id: RequestId): number {
    return this.#requests.findIndex(request => request.id === id)
  }

  #settle (): void {
    if (--this.#unanswered === 0) this.#host.closeStream(this.#stream!)
  }

  #answerJson (json: string): void {
    this.#host.waits.delete(this)
    if (!this.#exchange.open) return this.#host.dropped('a response')
    this.#exchange.json(this.#responses === undefined ? json : `[${this.#responses.filter(one => one !== undefined).join(',')}]`)
  }
}
