import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Dispatcher } from 'undici'
import { onResponseEnd } from '../transport/client-response.ts'
import type { Unsent } from '../transport/unsent.ts'
import { pathOf, PROOF, requestFields } from './forward-headers.ts'
import { OwnerPools } from './forward-pools.ts'
import type { Proofs } from '../security/proofs.ts'
import { answers } from './answers.ts'
import { hopTo, isProvenNotMine } from './hop-proof.ts'
import { Relay } from './relay.ts'
import type { Forwarded, ForwardOptions } from './relay.ts'

export type { Forwarded, ForwardOptions } from './relay.ts'

/** Milliseconds to wait for a connection to an owner, and for its answer to a question. */
const BOUND = 1000

/** Passes requests on to the nodes that own their sessions. */
export class Forwarder {
  readonly #tag: string
  readonly #proofs: Proofs | undefined
  readonly #unsent: Unsent
  readonly #calls: OwnerPools
  /** Apart from the calls: streams stay for hours, and undici looks past every busy connection of a pool for a free one. */
  readonly #streams: OwnerPools
  readonly #open = new Set<Relay>()
  #leaving = false

  /** `proofs`: for the other nodes, that this is one of them. `connectTimeout` in milliseconds. */
  constructor ({ tag, unsent, proofs, connectTimeout = BOUND }: { tag: string, unsent: Unsent, proofs?: Proofs, connectTimeout?: number }) {
    this.#tag = tag
    this.#proofs = proofs
    this.#unsent = unsent
    this.#calls = new OwnerPools(connectTimeout)
    this.#streams = new OwnerPools(connectTimeout)
  }

  /**
   * Passes a request on to the node at `url` (scheme, host and port), and its
   * answer back, both as they come. The request is sent at most once. Never
   * rejects.
   */
  forward (request: FastifyRequest, reply: FastifyReply, url: string, options: ForwardOptions): Promise<Forwarded> {
    return new Promise(resolve => {
      const stream = request.method === 'GET'
      const proof = this.#proofs?.make(hopTo(url, request))
      const relay = new Relay(reply, this.#unsent, {
        ...options,
        leaving: () => stream && this.#leaving,
        proven: answer => proof !== undefined && isProvenNotMine(this.#proofs!, answer[PROOF], proof)
      }, resolve)
      if (relay.settled) return
      if (stream) {
        this.#open.add(relay)
        onResponseEnd(reply.raw, () => this.#open.delete(relay))
      }
      let owner: Dispatcher
      try {
        owner = (stream ? this.#streams : this.#calls).to(url)
      } catch (error) {
        return relay.onResponseError(undefined, error as Error)
      }
      owner.dispatch({
        method: request.method,
        path: pathOf(request.originalUrl),
        headers: proof === undefined ? requestFields(request, this.#tag) : [PROOF, proof, ...requestFields(request, this.#tag)],
        body: request.body as Buffer | undefined ?? null
      }, relay)
    })
  }

  /** Whether the node at `url` answers at all within a second. Never rejects. */
  answers (url: string): Promise<boolean> {
    return answers(() => this.#calls.to(url), BOUND)
  }

  /**
   * Breaks off everything that is under way to a node that is known to be
   * dead: a host that vanished closes no connections.
   */
  abandon (url: string): void {
    const error = new Error('the owner is gone')
    this.#calls.abandon(url, error)
    this.#streams.abandon(url, error)
  }

  /** Ends the streams that come from other nodes, and those that open from now on: their clients open them again elsewhere. */
  endStreams (): void {
    this.#leaving = true
    for (const relay of this.#open) relay.endStream()
  }

  /** Breaks off everything that is under way now. */
  breakOff (): void {
    const error = new Error('this node is closing')
    for (const pools of [this.#calls, this.#streams]) pools.abandonAll(error)
  }

  /** Breaks off everything that is under way; nothing is forwarded any more. */
  async close (): Promise<void> {
    const error = new Error('this node is closing')
    await Promise.all([this.#calls.close(error), this.#streams.close(error)])
  }
}
