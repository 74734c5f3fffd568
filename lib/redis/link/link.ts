import { bounded, NoAnswer } from './bounded.ts'
import { Breaker } from './breaker.ts'
import { isCluster, type RedisClient } from '../client.ts'
import { watchConnections, whenConnected } from './connections.ts'
import type { Script } from '../scripts/script.ts'
import { keySlot } from './slot.ts'

/** How the connection fares; each is told once a change. */
export interface LinkEvents {
  /** A server stopped answering, or the connection is gone. */
  lost: (why: string) => void
  /** A master of a Cluster is gone: only a command to it makes the client connect again. */
  masterGone: () => void
  /** All answer again, over the connections that were there before. `outage` in milliseconds. */
  answering: (outage: number) => void
  /** The first answer of all, or since `lost`, with no other server hanging. */
  regained?: () => void
  /** There is a new connection: what was in Redis may be gone. Another server may still not answer. */
  reconnected: () => void
}

/** A command on its way. */
interface Issued {
  /** Settles within the bound. */
  answer: Promise<unknown>
  /** Resolves when the client has an answer or has given up, however late. */
  settled: Promise<unknown>
}

/** One script on one key. */
export interface Call { script: Script, key: string, args: string[] }

/** How long a command may take unless told otherwise, and how often a server that doesn't answer is tried: milliseconds. */
const BOUND = 1000
const RETRY = 1000

/**
 * Bounded access to a Redis client that belongs to the user. Whatever the
 * client's settings: nothing is issued while it isn't ready or a server hangs,
 * and every answer is awaited for a limited time. Commands that are issued
 * together are all under way before the first is answered: one pipeline to
 * each server, of which each command follows redirections by itself.
 */
export class Link {
  readonly #client: RedisClient
  readonly #events: LinkEvents
  readonly #breakers = new Map<string, Breaker>()
  /** There was no answer since it was lost, or at all. */
  #lost = true
  /** Scripts that a server has, as far as we know: master and digest. */
  readonly #loaded = new Set<string>()
  readonly #unwatch: () => void
  /** The refusals of this turn of the event loop, by their reason. */
  readonly #refused = new Map<string, Promise<never>>()

  constructor (client: RedisClient, events: LinkEvents) {
    this.#client = client
    this.#events = events
    this.#unwatch = watchConnections(client, {
      closed: master => {
        this.#tellLost(master === undefined ? 'the connection is closed' : `the connection to ${master} is closed`)
        if (master !== undefined) events.masterGone()
      },
      renewed: master => {
        this.#loaded.clear()
        if (master === undefined) this.#breakers.clear()
        else this.#breakers.get(master)?.reset()
        events.reconnected()
      }
    })
    if (client.status === 'wait') client.connect().catch(() => {})
  }

  /** Whether commands are issued at all. A single hanging master of a Cluster doesn't count. */
  get ready (): boolean {
    return this.#client.status === 'ready'
  }

  /** Waits for a connection that is being made: whether it was, within the bound (milliseconds). */
  connected (bound: number): Promise<boolean> {
    return whenConnected(this.#client, bound)
  }

  /** True while some server hangs. */
  get ailing (): boolean {
    return [...this.#breakers.values()].some(breaker => breaker.open)
  }

  /** Whether a command on this key would be refused unissued: its server is known not to answer. */
  silent (key: string): boolean {
    return !this.ready || this.#breakers.get(this.#masterOf(key))?.silent === true
  }

  /**
   * Runs a script on one key.
   * @throws NoAnswer, or the error that Redis answered.
   */
  run (script: Script, key: string, args: string[] = [], bound = BOUND): Promise<unknown> {
    return this.issue({ script, key, args }, bound).answer
  }

  /** Runs many scripts at once; the outcomes come in the same order. */
  all (calls: Call[], bound = BOUND): Promise<Array<PromiseSettledResult<unknown>>> {
    return Promise.allSettled(calls.map(call => this.issue(call, bound).answer))
  }

  issue (call: Call, bound = BOUND): Issued {
    if (!this.ready) return this.#refuse('the client is not connected')
    const master = this.#masterOf(call.key)
    const breaker = this.#breakerOf(master)
    if (!breaker.admits()) return this.#refuse('the server does not answer')
    const command = this.#send(call, `${master} ${call.script.sha}`)
    breaker.issued(command)
    return { answer: bounded(command, bound, breaker), settled: command.catch(() => {}) }
  }

  /** A Cluster client learns of a failover only from a server that answers; ask while one doesn't. */
  refresh (): void {
    if (this.ailing && this.ready && isCluster(this.#client)) this.#client.refreshSlotsCache()
  }

  /** Takes our listeners off the client; it stays open. */
  stop (): void {
    this.#unwatch()
  }

  /** A script that the server is not known to have goes in full: many that are refused at once would all have to be sent again. */
  async #send ({ script, key, args }: Call, where: string): Promise<unknown> {
    try {
      if (this.#loaded.has(where)) return await this.#client.evalsha(script.sha, 1, key, ...args)
    } catch (err) {
      if (!(err instanceof Error && err.message.startsWith('NOSCRIPT'))) throw err
      this.#loaded.delete(where)
      if (!this.ready) throw new NoAnswer('the client is not connected')
    }
    const answer = await this.#client.eval(script.lua, 1, key, ...args)
    this.#loaded.add(where)
    return answer
  }

  #tellLost (why: string): void {
    this.#lost = true
    this.#events.lost(why)
  }

  #tellRegained (): void {
    if (this.ailing || !this.ready) return
    this.#lost = false
    this.#events.regained?.()
  }

  /** `host:port` on a Cluster. */
  #masterOf (key: string): string {
    if (!isCluster(this.#client)) return 'server'
    return this.#client.slots[keySlot((this.#client.options.keyPrefix ?? '') + key)]?.[0] ?? 'unassigned'
  }

  #breakerOf (master: string): Breaker {
    let breaker = this.#breakers.get(master)
    if (!breaker) {
      breaker = new Breaker({
        opened: why => this.#tellLost(master === 'server' ? why : `${why} from ${master}`),
        closed: outage => { if (!this.ailing) this.#events.answering(outage) },
        answered: () => { if (this.#lost) this.#tellRegained() }
      }, RETRY)
      this.#breakers.set(master, breaker)
    }
    return breaker
  }

  /** Never at once: whoever asks again and again must let timers and sockets have their turn. */
  #refuse (why: string): Issued {
    let answer = this.#refused.get(why)
    if (answer === undefined) {
      answer = new Promise<never>((_resolve, reject) => {
        setImmediate(() => {
          this.#refused.delete(why)
          reject(new NoAnswer(why))
        })
      })
      this.#refused.set(why, answer)
    }
    return { answer, settled: Promise.resolve() }
  }
}
