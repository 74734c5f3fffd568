import { Quota } from '../bounds/quota.ts'
import type { Counting } from '../counters.ts'
import { CallsTold } from '../events/calls-told.ts'
import type { Events } from '../events/events.ts'
import { eventFrame } from '../http/frames.ts'
import type { TransportLog } from '../http/session-log.ts'
import type { UnderWay } from '../http/under-way.ts'
import type { McpServerLike } from '../transport/mcp-server.ts'
import type { JsonRpcNotification, JsonRpcRequest } from '../transport/messages.ts'
import { AnswerWait, KeepAlive } from '../transport/timers.ts'
import { Answers } from './answers.ts'
import type { Asked } from './asked.ts'
import { Call } from './call.ts'
import type { CallHost } from './call.ts'
import type { Instance } from './instance.ts'
import { fieldProblem } from './param-headers.ts'
import type { Declaration } from './param-headers.ts'
import { RequestState, sealing } from './request-state.ts'
import { META, REVISION, ROUNDS } from './revision.ts'
import { Servers } from './servers.ts'
import { discovery, isGone, toSessionful } from './wire.ts'

/** The secrets of the nodes. `renew`: looks for one that is not known here; false: nobody can say whether there is one. */
interface SharedSecrets {
  readonly secrets: readonly string[]
  readonly renew: (() => Promise<boolean>) | undefined
}

interface StatelessParts {
  /** The endpoint's name. */
  endpoint: string
  servers: 'each' | 'shared'
  createServer: (told: unknown) => McpServerLike | Promise<McpServerLike>
  /** What a `shared` server is made of. */
  node: unknown
  /** What states are sealed with, the first to seal with; undefined: what the nodes share. */
  secrets: readonly string[] | undefined
  /** The secrets that the nodes share, as far as they are known; undefined where they share nothing: then this process makes one. */
  shared: SharedSecrets | undefined
  /** Requests in flight of one principal. */
  maxPerPrincipal: number
  responseMode: 'auto' | 'json' | 'sse'
  stream: { wait: number, keepAlive: number }
  /** Counts what is to be answered before the node may go. */
  underWay: UnderWay
  counters: Counting<'stateless'>
  events: Events
  log: TransportLog
}

/** The stateless era of one endpoint on this node (spec 2026-07-28): each request stands for itself, and any node serves it. */
export class Stateless implements CallHost {
  readonly responseMode: 'auto' | 'json' | 'sse'
  readonly waits: AnswerWait
  readonly keepAlive: KeepAlive
  readonly state: RequestState
  readonly answers = new Answers()
  readonly told: CallsTold
  readonly log: TransportLog
  readonly underWay: UnderWay
  closing = false
  readonly #shares: boolean
  readonly #shared: SharedSecrets | undefined
  readonly #servers: Servers
  readonly #quota: Quota
  readonly #counters: StatelessParts['counters']
  readonly #calls = new Set<Call>()

  constructor ({ endpoint, secrets, shared, servers, createServer, node, maxPerPrincipal, responseMode, stream, underWay, counters, events, log }: StatelessParts) {
    this.told = new CallsTold({ events, endpoint })
    this.responseMode = responseMode
    this.waits = new AnswerWait(stream.wait)
    this.keepAlive = new KeepAlive(stream.keepAlive)
    this.state = new RequestState({ endpoint, secrets: sealing(secrets, shared) })
    this.log = log
    this.underWay = underWay
    this.#shares = servers === 'shared'
    this.#shared = secrets === undefined ? shared : undefined
    this.#servers = new Servers({ createServer, node, changed: (notification, instance) => this.changed(notification, instance), log })
    this.#counters = counters
    this.#quota = new Quota(maxPerPrincipal)
  }

  /** Requests in flight. */
  get inFlight (): number { return this.#calls.size }

  /** Makes the node's one server. @throws ServerFailedError when that fails. */
  async start (): Promise<void> {
    if (this.#shares) await this.#servers.shared()
  }

  /** Ends the node's one server; what is still asked is refused, and its handlers' signals abort. */
  async close (): Promise<void> {
    this.closing = true
    for (const call of this.#calls) call.abandoned()
    await this.#servers.close()
  }

  /** Answers a request. Never throws. */
  serve (asked: Asked): void {
    const { message, limitedBy } = asked
    this.#counters.stateless++
    if (message.method === 'subscriptions/listen') return this.#listen(asked)
    const key = this.responseMode === 'sse' ? undefined : Answers.key(message)
    const kept = key === undefined ? undefined : this.answers.find(key, message.id)
    if (kept !== undefined) {
      asked.exchange.json(kept)
      return this.told.done(this.told.begin(), message, {}, REVISION, this.told.trace([message], asked.exchange)?.[0])
    }
    if (limitedBy !== undefined && !this.#quota.take(limitedBy)) return asked.refuse('call_limit', {})
    const call = new Call(asked, this)
    call.key = key
    this.#calls.add(call)
    asked.follow(() => call.left())
    const renew = this.#unknownKey(call) ? this.#shared?.renew : undefined
    if (renew === undefined) this.#begin(call)
    else renew().then(told => this.#begin(call, told)).catch(error => call.failed(error))
  }

  /** `told`: whether it is known which keys there are. Never throws. */
  #begin (call: Call, told = true): void {
    if (call.over) return
    const { asked, asked: { message } } = call
    try {
      const opened = this.#opened(call, told)
      if (opened === undefined) return
      const instance = this.#shares ? this.#servers.shared() : call.run(() => this.#servers.each(asked.told, message.params!['_meta'] as Record<string, unknown>))
      if (!(instance instanceof Promise)) return this.#ask(call, opened, instance)
      instance.then(instance => this.#ask(call, opened, instance)).catch(error => call.failed(error))
    } catch (error) {
      call.failed(error)
    }
  }

  changed ({ method }: JsonRpcNotification, instance: Instance | undefined): void {
    this.answers.changed(method)
    if (method === 'notifications/tools/list_changed') instance?.toolHeaders.forget()
  }

  over (call: Call): void {
    this.#calls.delete(call)
    const { limitedBy } = call.asked
    if (limitedBy !== undefined) this.#quota.give(limitedBy)
    // Not at once: the SDK has yet to note that the handler is done, and would abort its signal.
    if (!this.#shares && call.instance !== undefined) setImmediate(() => this.#end(call.instance!))
  }

  /** The request as a server is to see it, its state opened; undefined where it is refused. */
  #opened (call: Call, told: boolean): JsonRpcRequest | undefined {
    const { message } = call.asked
    const sealed = message.params?.['requestState']
    if (sealed === undefined || !ROUNDS.has(message.method)) return message
    if (typeof sealed !== 'string') return refused(call, 'state_invalid')
    if (!this.state.ready) return refused(call, 'state_unavailable')
    const state = this.state.open(sealed, call.bound)
    if (state === undefined) return refused(call, told ? 'state_invalid' : 'state_unavailable')
    return { ...message, params: { ...message.params, requestState: state } }
  }

  /** Its state was sealed with a key that this node has not heard of, or it is no state of ours. */
  #unknownKey ({ request: { method, params } }: Call): boolean {
    const sealed = params?.['requestState']
    return typeof sealed === 'string' && ROUNDS.has(method) && !this.state.knows(sealed)
  }

  #ask (call: Call, message: JsonRpcRequest, instance: Instance): void {
    // Its client has left while its server was being made.
    if (call.over) {
      if (!this.#shares) this.#end(instance)
      return
    }
    if (!this.#shares) call.instance = instance
    if (message.method !== 'tools/call') return this.#permit(call, message, instance)
    const { name } = message.params!
    const declarations = typeof name === 'string' ? instance.toolHeaders.of(name, call.asked.headers) : []
    if (!(declarations instanceof Promise)) return this.#check(call, message, instance, declarations)
    declarations.then(declarations => this.#check(call, message, instance, declarations)).catch(error => call.failed(error))
  }

  #check (call: Call, message: JsonRpcRequest, instance: Instance, declarations: readonly Declaration[]): void {
    if (call.over) return
    const problem = declarations.length === 0 ? undefined : fieldProblem(declarations, message.params!['arguments'], call.asked.headers)
    if (problem !== undefined) call.refuse('header_mismatch', { detail: problem })
    else this.#permit(call, message, instance)
  }

  /** Hands over what its caller may send: the server may want more scopes than the token has. */
  #permit (call: Call, message: JsonRpcRequest, instance: Instance): void {
    const fail = (err: unknown): void => call.refuse('auth_failed', { log: { err } })
    let lacking: string | undefined | Promise<string | undefined>
    try {
      lacking = instance.channel.scopes.lacking([call.request], call.asked.extra.authInfo)
    } catch (error) {
      return fail(error)
    }
    if (!(lacking instanceof Promise)) return this.#permitted(call, message, instance, lacking)
    lacking.then(lacking => this.#permitted(call, message, instance, lacking), fail).catch(error => call.failed(error))
  }

  #permitted (call: Call, message: JsonRpcRequest, instance: Instance, challenge: string | undefined): void {
    if (call.over) return
    if (challenge !== undefined) call.refuse('scope_insufficient', { challenge })
    else this.#deliver(call, message, instance)
  }

  #deliver (call: Call, message: JsonRpcRequest, instance: Instance): void {
    if (instance.bridged === undefined) return call.deliver(instance, message)
    if (isGone(message.method)) return call.refuse('method_unknown')
    call.instance = instance
    if (message.method === 'server/discover') return call.respond({ jsonrpc: '2.0', id: message.id, result: discovery(instance.bridged()) })
    call.deliver(instance, toSessionful(message))
  }

  /** Nothing can be listened to yet: what is acknowledged is no filter at all, and with that the listening ends (Subscriptions). */
  #listen (asked: Asked): void {
    const { id, params } = asked.message
    const { notifications } = params!
    if (typeof notifications !== 'object' || notifications === null || Array.isArray(notifications)) {
      return asked.refuse('params_invalid', { detail: 'params.notifications must be an object' })
    }
    const _meta = { [META.subscriptionId]: id }
    const stream = asked.exchange.stream()
    stream.write(eventFrame(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged', params: { notifications: {}, _meta } })))
    stream.write(eventFrame(JSON.stringify({ jsonrpc: '2.0', id, result: { resultType: 'complete', _meta } })))
    stream.end()
  }

  #end (instance: Instance): void {
    this.#servers.end(instance).catch(err => this.log.error({ err }, 'an MCP server could not be ended'))
  }
}

function refused (call: Call, reason: 'state_invalid' | 'state_unavailable'): undefined {
  call.refuse(reason)
  return undefined
}
