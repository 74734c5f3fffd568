import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Dispatcher } from 'undici'
import { onResponseEnd } from '../../http/client-response.ts'
import type { Unsent } from '../../http/unsent.ts'
import { PROOF } from '../../http/between-nodes.ts'
import { answers } from '../evidence/answers.ts'
import { targetOf, requestFields } from './forward-headers.ts'
import { OwnerPools } from './owner-pools.ts'
import type { Proofs } from '../../security/proofs.ts'
import { hopTo, isReceipt } from './hop-proof.ts'
import { Relay } from './relay.ts'
import type { Forwarded, ForwardOptions } from './relay.ts'
import { Way } from './way.ts'

export type { AnswerHead, Forwarded } from './relay.ts'

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
  readonly #ways = new Map<string, Way>()
  #endingStreams = false

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
      const way = this.#wayTo(url)
      const proof = this.#proofs?.make(hopTo(url, request))
      const relay = new Relay(reply, this.#unsent, {
        ...options,
        ending: () => stream && this.#endingStreams,
        proven: answer => proof === undefined ? undefined : isReceipt(this.#proofs!, answer[PROOF], proof)
      }, way, forwarded => {
        this.#tidy(url, way)
        resolve(forwarded)
      })
      if (relay.settled) return
      if (way.shut !== undefined) {
        way.shut = performance.now()
        return relay.breakOff(new Error('the owner has not answered since what was sent to it got lost'))
      }
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
        path: targetOf(request.originalUrl),
        headers: proof === undefined ? requestFields(request, this.#tag, options) : [PROOF, proof, ...requestFields(request, this.#tag, options)],
        body: request.body as Buffer | undefined ?? null
      }, relay)
    })
  }

  /** Whether the node at `url` answers, over new connections. Never rejects. */
  answers (url: string): Promise<boolean> {
    return answers(url)
  }

  /** The ways on which answers are awaited, and those that are shut, by the nodes' urls. */
  get ways (): ReadonlyMap<string, Way> {
    return this.#ways
  }

  /**
   * What is sent to a node gets lost: breaks off what was heard nothing of
   * since `time` (performance.now()), and sends nothing more until the way is
   * opened. A host that vanished closes no connections.
   */
  shut (url: string, time: number): void {
    const way = this.#wayTo(url)
    way.shut ??= performance.now()
    this.#calls.retire(url)
    this.#streams.retire(url)
    if (way.breakOff(time, new Error('the owner has fallen silent'))) way.shut = performance.now()
  }

  /** A way that was shut may lead to its node again. */
  open (url: string): void {
    const way = this.#ways.get(url)
    if (way === undefined) return
    way.shut = undefined
    this.#tidy(url, way)
  }

  /** Ends the streams that come from other nodes, and those that open from now on: their clients open them again elsewhere. */
  endStreams (): void {
    this.#endingStreams = true
    for (const relay of this.#open) relay.endStream()
  }

  /** Breaks off everything that is under way now. */
  breakOff (): void {
    const error = new Error('this node is closing')
    for (const pools of [this.#calls, this.#streams]) pools.breakOff(error)
  }

  /** Breaks off everything that is under way; nothing is forwarded any more. */
  async close (): Promise<void> {
    const error = new Error('this node is closing')
    await Promise.all([this.#calls.close(error), this.#streams.close(error)])
  }

  #wayTo (url: string): Way {
    let way = this.#ways.get(url)
    if (way === undefined) this.#ways.set(url, way = new Way())
    return way
  }

  #tidy (url: string, way: Way): void {
    if (way.awaited.size === 0 && way.shut === undefined && this.#ways.get(url) === way) this.#ways.delete(url)
  }
}
