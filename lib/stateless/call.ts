import { ServerFailedError } from '../errors.ts'
import type { EventStream } from '../http/exchange.ts'
import type { CallsTold } from '../events/calls-told.ts'
import type { CallEnd, Traced } from '../events/tracing.ts'
import { eventFrame } from '../http/frames.ts'
import type { TransportLog } from '../http/session-log.ts'
import { failure } from '../transport/messages.ts'
import type { JsonRpcError, JsonRpcNotification, JsonRpcRequest, JsonRpcResult } from '../transport/messages.ts'
import type { AnswerWait, KeepAlive, WaitingAnswer } from '../transport/timers.ts'
import type { Answers } from './answers.ts'
import type { Asked, Details, Refused } from './asked.ts'
import type { Asker } from './channel.ts'
import type { Instance } from './instance.ts'
import { digestOf } from './request-state.ts'
import type { Bound, RequestState } from './request-state.ts'
import { CODES, LEVELS, META, REVISION } from './revision.ts'
import { toStateless } from './wire.ts'

/** What the calls of an endpoint share. */
export interface CallHost {
  readonly responseMode: 'auto' | 'json' | 'sse'
  readonly waits: AnswerWait
  readonly keepAlive: KeepAlive
  readonly state: RequestState
  readonly answers: Answers
  readonly told: CallsTold
  /** The node closes: what is still asked is not answered any more. */
  readonly closing: boolean
  readonly log: TransportLog
  /** A server says that something has changed. */
  changed: (notification: JsonRpcNotification, instance: Instance | undefined) => void
  /** The call has its answer, or its client has left. Called once. */
  over: (call: Call) => void
}

/**
 * One request and its answer: JSON when the answer is the first thing that is
 * said, else a stream of events, also after a second of silence. A client that
 * closes cancels, whether anything was sent or not (spec 2026-07-28, Cancellation).
 */
export class Call implements Asker, WaitingAnswer {
  waitingSince = 0
  inside = 0
  dispatching = false
  /** The server that has it. */
  instance: Instance | undefined
  /** Where its answer may be kept. */
  key: string | undefined
  readonly asked: Asked
  readonly #host: CallHost
  readonly #news: number
  readonly #begun: number
  readonly #span: Traced<CallEnd> | undefined
  #stream: EventStream | undefined
  #over = false

  constructor (asked: Asked, host: CallHost) {
    this.asked = asked
    this.#host = host
    this.#news = host.answers.news
    this.#begun = host.told.begin()
    this.#span = host.told.trace([asked.message], asked.exchange)?.[0]
  }

  get request (): JsonRpcRequest { return this.asked.message }

  /** Answered, or nobody listens any more. */
  get over (): boolean { return this.#over }

  /** What a sealed state of this call belongs to. */
  get bound (): Bound {
    const { principalKey, message } = this.asked
    return { principal: principalKey, method: message.method, digest: digestOf(this.asked.params()) }
  }

  /** Does something for the call, inside its span. */
  run<T> (work: () => T): T {
    return this.#span === undefined ? work() : this.#span.run(work)
  }

  /** Hands the request to its server. */
  deliver (instance: Instance, message: JsonRpcRequest): void {
    this.instance = instance
    if (this.#span === undefined) instance.channel.ask(this, message, this.asked.extra)
    else this.#span.run(() => instance.channel.ask(this, message, this.asked.extra))
    // With `sse` too: what the client lacks is told by a status, while there is one.
    if (!this.#over && this.#host.responseMode !== 'json') this.#host.waits.add(this)
  }

  waited (): void {
    if (!this.#over && this.#stream === undefined && this.asked.exchange.open) this.#open()
  }

  /** Never throws: whoever asked would wait for ever. */
  respond (response: JsonRpcResult | JsonRpcError): void {
    if (this.#over) return
    try {
      this.#respond(response)
    } catch (err) {
      this.refuse('internal', { log: { err } })
    }
  }

  #respond (response: JsonRpcResult | JsonRpcError): void {
    const identity = this.instance?.bridged?.()
    const answer = identity === undefined ? response : toStateless(this.request.method, response, identity)
    if ('error' in answer) return this.#respondError(answer)
    const { result } = answer
    if (result['resultType'] === 'input_required' && typeof result['requestState'] === 'string') {
      const sealed = this.#host.state.seal(result['requestState'], this.bound)
      if (sealed === undefined) return this.refuse('state_unavailable')
      result['requestState'] = sealed
    }
    if (this.key !== undefined) this.#host.answers.said(this.key, result, this.#news)
    this.#send(answer)
  }

  notify (notification: JsonRpcNotification): Promise<void> | undefined {
    const { method } = notification
    if (method.endsWith('/list_changed') || method === 'notifications/resources/updated') {
      this.#host.changed(notification, this.instance)
      return undefined
    }
    if (this.#over || method === 'notifications/cancelled' || this.#host.responseMode === 'json') return undefined
    if (method === 'notifications/message' && !this.#wantsLog(notification.params?.['level'])) return undefined
    if (this.#stream === undefined) {
      if (!this.asked.exchange.open) return undefined
      this.#open()
    }
    const json = JSON.stringify(notification)
    return this.#stream!.write(eventFrame(json)) ? undefined : this.#stream!.drained(json.length)
  }

  abandoned (): void {
    this.refuse(this.#host.closing ? 'node_closing' : 'internal', { log: { err: new Error('the MCP server closed its connection while a request was open') } })
  }

  /** Answers that the request is not served. */
  refuse (reason: Refused, details: Details = {}): void {
    if (this.#over) return
    const stream = this.#stream
    this.#end()
    this.#span?.end({ outcome: 'error', protocolVersion: REVISION, refused: reason })
    this.asked.refuse(reason, details, stream)
  }

  /** No server could be made for it. */
  failed (error: unknown): void {
    if (this.#over) return
    this.#end()
    this.#span?.end({ outcome: 'error', protocolVersion: REVISION, refused: error instanceof ServerFailedError ? 'server_failed' : 'internal' })
    this.asked.failed(error)
  }

  /** The response has ended. Before its answer that is the client's cancellation. */
  left (): void {
    if (this.#over) return
    this.#end()
    this.#host.told.done(this.#begun, this.request, undefined, REVISION, this.#span)
    this.instance?.channel.cancel(this)
  }

  /** What the protocol refuses before a handler runs has a status of HTTP; so has, of what handlers say, a capability that the client lacks. */
  #respondError (answer: JsonRpcError): void {
    const { code, data } = answer.error
    if (this.#stream === undefined) {
      if (code === CODES.capabilityMissing) return this.refuse('capability_missing', { data: data as Record<string, unknown> })
      if (this.dispatching && code === CODES.methodNotFound) return this.refuse('method_unknown')
      if (this.dispatching && code === CODES.invalidParams) return this.refuse('params_invalid', { detail: 'the envelope in _meta is not as the revision has it' })
    }
    this.#send(answer)
  }

  #send (answer: JsonRpcResult | JsonRpcError): void {
    let json: string
    try {
      json = JSON.stringify(answer)
    } catch (error) {
      this.#host.log.error({ err: error }, 'the result of a stateless call cannot be serialized')
      json = JSON.stringify(failure(this.request.id, 'the result cannot be serialized'))
    }
    const stream = this.#stream ?? (this.#host.responseMode === 'sse' && this.asked.exchange.open ? this.#open() : undefined)
    this.#end()
    this.#host.told.done(this.#begun, this.request, answer, REVISION, this.#span)
    if (stream === undefined) return this.asked.exchange.json(json)
    stream.write(eventFrame(json))
    stream.end()
  }

  #open (): EventStream {
    const { waits, keepAlive } = this.#host
    waits.delete(this)
    const stream = this.asked.exchange.stream()
    this.#stream = stream
    keepAlive.add(stream)
    stream.onEnd(() => keepAlive.delete(stream))
    return stream
  }

  #end (): void {
    this.#over = true
    this.#host.waits.delete(this)
    this.#host.over(this)
  }

  /** Only who asked for a level gets messages of it, and of those above (Logging). */
  #wantsLog (level: unknown): boolean {
    const meta = this.request.params!['_meta'] as Record<string, unknown>
    const wanted = LEVELS.indexOf(meta[META.logLevel] as string)
    return wanted >= 0 && LEVELS.indexOf(level as string) >= wanted
  }
}
