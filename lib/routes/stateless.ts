import type { FastifyBaseLogger, FastifyInstance, FastifyRequest } from 'fastify'
import type { EventStream, Exchange } from '../http/exchange.ts'
import type { UnderWay } from '../http/under-way.ts'
import type { Principal } from '../security/principal.ts'
import type { Incoming } from '../sessions/incoming.ts'
import type { Asked, Details, Refused } from '../stateless/asked.ts'
import { isMetaMalformed, problemOf } from '../stateless/envelope.ts'
import { RequestExtra } from '../stateless/extra.ts'
import { REVISION } from '../stateless/revision.ts'
import type { Stateless } from '../stateless/stateless.ts'
import type { JsonRpcNotification, JsonRpcRequest } from '../transport/messages.ts'
import { parseMessages } from '../transport/parse.ts'
import { failed, failedSomehow } from './answers/failure.ts'
import { ReplyExchange } from './answers/reply-exchange.ts'
import { mayServe } from './checks/admission.ts'
import { idOf, readJson } from './checks/body.ts'
import { identified } from './checks/identity.ts'
import type { RouteContext } from './context.ts'
import { refuseFound, RETRY_AFTER } from './elsewhere.ts'

/**
 * A message of the era without sessions, served where that may be: here, or on
 * another node while a deploy turns the era on or off; `otherwise`: nowhere. A
 * client that asks whether there is such an era hears of it when all nodes have it.
 */
export function withoutSession (context: RouteContext, incoming: Incoming, body: unknown, otherwise: () => void): void {
  const { stateless, eras, refuse } = context
  const asks = (body as { method?: unknown }).method === 'server/discover'
  if (stateless !== undefined && (!asks || incoming.hop)) return serveStateless(context, stateless, incoming, body)
  if (stateless !== undefined) {
    eras.announced().then(all => all ? serveStateless(context, stateless, incoming, body) : otherwise()).catch(error => failed(context, incoming, 'internal', error))
    return
  }
  // It is served here no more.
  if (incoming.hop) return refuse(incoming, 'not_owner')
  if (asks) return otherwise()
  const id = idOf(body)
  incoming.ids = id === undefined ? [] : [id]
  incoming.message = body as object
  eras.pass(incoming).then(found => found === undefined ? otherwise() : refuseFound(context, incoming, found)).catch(error => failed(context, incoming, 'internal', error))
}

/**
 * POST of the era without sessions: a request is answered by whatever node it
 * comes to (spec 2026-07-28, Sending Messages). What it says of sessions is not
 * looked at. A notification is taken and goes nowhere: the revision has none
 * that a client sends over HTTP, and a client's cancellation names ids that are
 * somebody else's inside a server.
 */
function serveStateless (context: RouteContext, stateless: Stateless, incoming: Incoming, body: unknown): void {
  const { refuse } = context
  const { request, reply } = incoming
  if (Array.isArray(body)) return refuse(incoming, 'batch_unsupported', { detail: `${REVISION} has no batches; send one message per POST` })
  if (isMetaMalformed(body)) return refuse(incoming, 'envelope_invalid', { detail: '_meta must be an object', id: idOf(body) })
  const parsed = parseMessages(body)
  if ('invalid' in parsed) return refuse(incoming, 'invalid_request', { detail: parsed.invalid, id: idOf(body) })
  const message = body as JsonRpcRequest | JsonRpcNotification
  if ('id' in message) incoming.ids = [message.id]
  const problem = problemOf(message, request.headers)
  if (problem !== undefined) return refuse(told(incoming, message), problem.reason, { detail: problem.detail, data: problem.data, id: incoming.requestId })
  if (!mayServe(context, incoming)) return
  identified(context, incoming, () => {
    if ('id' in message) stateless.serve(new AskedOverHttp(context, stateless.underWay, incoming, message))
    else reply.code(202).send()
  })
}

/** The node's one server is made before the node serves, and ends when it no longer takes requests. */
export function statelessHooks (app: FastifyInstance, stateless: Stateless): void {
  app.addHook('onReady', () => stateless.start())
  app.addHook('preClose', () => stateless.close())
}

/** What createServer is told of a request. */
class Told {
  readonly era = 'stateless'
  readonly #incoming: Incoming

  constructor (incoming: Incoming) {
    this.#incoming = incoming
  }

  get request (): FastifyRequest { return this.#incoming.request }
  get principal (): Principal | undefined { return this.#incoming.caller.principal }
  get log (): FastifyBaseLogger { return this.#incoming.request.log }
}

/** A request as Fastify has it. One object for each, and nothing in it is made before it is asked for. */
class AskedOverHttp implements Asked {
  readonly message: JsonRpcRequest
  readonly exchange: Exchange
  readonly extra: RequestExtra
  readonly #context: RouteContext
  readonly #underWay: UnderWay
  readonly #incoming: Incoming

  constructor (context: RouteContext, underWay: UnderWay, incoming: Incoming, message: JsonRpcRequest) {
    this.message = message
    this.exchange = new ReplyExchange(incoming.reply, context.unsent)
    this.extra = new RequestExtra(incoming.request, incoming.caller.authInfo)
    this.#context = context
    this.#underWay = underWay
    this.#incoming = incoming
  }

  get headers (): FastifyRequest['headers'] { return this.#incoming.request.headers }
  get principalKey (): string | undefined { return this.#incoming.caller.key }
  get limitedBy (): string | undefined { return this.#incoming.caller.principal === undefined ? undefined : this.#incoming.caller.key }
  get told (): Told { return new Told(this.#incoming) }

  follow (ended: () => void): void {
    this.#underWay.add(this.#incoming.reply.raw, ended)
  }

  /** Read once more, since a handler may have changed the message, and by the same rules: a byte order mark is no fault. */
  params (): Record<string, unknown> {
    const { params } = readJson(this.#context, this.#incoming.request) as { params?: Record<string, unknown> }
    return params ?? {}
  }

  refuse (reason: Refused, { detail, data, log, challenge }: Details, stream?: EventStream): void {
    if (challenge !== undefined) this.#incoming.reply.header('www-authenticate', challenge)
    const later = reason === 'state_unavailable' || reason === 'node_closing'
    this.#context.refuse(told(this.#incoming, this.message), reason, { id: this.message.id, detail, data, log, stream, ...(later && { retryAfter: RETRY_AFTER }) })
  }

  failed (error: unknown): void {
    failedSomehow(this.#context, this.#incoming, error)
  }
}

/** A request whose refusal has its method in the log: nothing else that its client may have made up (docs/errors.md). */
function told (incoming: Incoming, { method }: { method: string }): Incoming {
  incoming.message = { method }
  return incoming
}
