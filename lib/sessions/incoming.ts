import type { FastifyReply, FastifyRequest } from 'fastify'
import { DEFAULT_ENDPOINT } from '../endpoint-name.ts'
import { ENDPOINT, HOP } from '../http/between-nodes.ts'
import { ANONYMOUS } from '../security/caller.ts'
import type { Caller } from '../security/caller.ts'
import { isLegalSessionId } from '../session-id.ts'
import { MessageExtra } from '../transport/extra.ts'
import type { RequestId } from '../transport/messages.ts'

/**
 * One HTTP request on its way from the socket to its session: what it says of
 * session, version and hop is looked at here, once, for all verbs. Who sent it,
 * and which requests of JSON-RPC are in it, is added on the way.
 */
export class Incoming {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  /** The session that it names. Null: none, or an empty field. Undefined: one that is no id, or two. */
  readonly id: string | null | undefined
  /** The protocol version that it names (spec 2025-11-25, Protocol Version Header). */
  readonly version: string | undefined
  /** Ids of the JSON-RPC requests in it. */
  ids: readonly RequestId[] = []
  /** The JSON-RPC message that it is, once that has been read; the first of a batch. */
  message: object | undefined
  /** Its body is an array of messages. */
  batch = false
  caller: Caller = ANONYMOUS
  #extra: MessageExtra | undefined

  constructor (request: FastifyRequest, reply: FastifyReply) {
    const { headers } = request
    this.request = request
    this.reply = reply
    this.id = sessionId(headers['mcp-session-id'])
    this.version = headers['mcp-protocol-version'] as string | undefined
  }

  /** Another node has passed it on. A client that says so only denies itself forwarding. */
  get hop (): boolean {
    return this.request.headers[HOP] !== undefined
  }

  /** The endpoint for which another node has passed it on. */
  get endpoint (): string {
    const { [ENDPOINT]: name = DEFAULT_ENDPOINT } = this.request.headers
    return String(name)
  }

  /** The JSON-RPC id that a refusal of the whole answers. */
  get requestId (): RequestId | undefined {
    return this.batch ? undefined : this.ids[0]
  }

  /** What the SDK's handlers are told with its messages; once it is known who sent it. */
  get extra (): MessageExtra {
    this.#extra ??= new MessageExtra(this.request, this.caller.authInfo)
    return this.#extra
  }
}

/** A request that names a session. */
export type Addressed = Incoming & { readonly id: string }

function sessionId (id: string | string[] | undefined): string | null | undefined {
  if (id === undefined || id === '') return null
  return typeof id === 'string' && isLegalSessionId(id) ? id : undefined
}
