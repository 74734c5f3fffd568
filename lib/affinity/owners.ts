import type { FastifyBaseLogger } from 'fastify'
import type { OwnerFacts, SessionRecord } from '../sessions/directory.ts'
import type { Question, Said } from './owner-question.ts'

/** Ids in one question. */
const TOGETHER = 100
/** Owners, and sessions without one, that are remembered. */
const REMEMBERED = 1000
/** For how long it is remembered that nobody holds a session, in milliseconds. */
const ABSENCE = 1000

/** An owner that says nothing of itself. */
const BEFORE: OwnerFacts = { format: 0, reached: false }

/** What is known of the owner of a session whose heartbeat, or whose record, is gone. */
export type Standing =
  /** It holds the session. */
  | { owner: 'holds', url: string }
  /** It does not, or there is no owner any more. */
  | { owner: 'gone' }
  /** It lives, and says nothing of sessions: a request may go there. */
  | { owner: 'lives', url: string, error: Error }
  /** Nobody knows: something answers at its url that is no proof of it, or it could not be asked. */
  | { owner: 'uncertain', error: Error }

export interface OwnersParts {
  /** This node's url: whoever had it before is gone. */
  own: string | undefined
  ask: (question: Question) => Promise<Said>
  /** Milliseconds that a node's heartbeat lives. */
  life: number
  /** Milliseconds for which answers without proof keep others from taking over, at a url where the owner never reached itself. */
  unprovenTimeout: number
  /** Counts owners that were given up though something answered at their url. */
  disbelieved: { count: number }
  log: Pick<FastifyBaseLogger, 'warn'>
}

/** Sessions that are asked for together, at one url. */
interface Round { ids: Set<string>, said: Promise<Said> }
/** What is to be asked at one url: one question at a time, and meanwhile the next grows. */
interface Queue { next: Round | undefined, last: Promise<unknown> }

/** Finds out whether owners that are missed in the directory live, and still hold their sessions. */
export class Owners {
  readonly #parts: OwnersParts
  readonly #queues = new Map<string, Queue>()
  /** Owners that were silent, and until when that is believed without asking: all their sessions are wanted at once. */
  readonly #silent = new Map<string, number>()
  /** Owners at whose url something else answers: since when, and when it last did. */
  readonly #unproven = new Map<string, { since: number, last: number }>()
  /** Sessions without a record that nobody had, and until when that is believed. */
  readonly #nowhere = new Map<string, number>()
  /** Nodes whose writes to the directory were in doubt when they answered, and until when that counts. */
  readonly #doubtful = new Map<string, number>()

  constructor (parts: OwnersParts) {
    this.#parts = parts
  }

  /** Where the recorded owner of a session stands, whose heartbeat is gone. */
  async recorded ({ id, node, epoch, url, owner = BEFORE }: SessionRecord): Promise<Standing> {
    if (url === undefined || url === this.#parts.own) return { owner: 'gone' }
    const key = `${node} ${epoch} ${url}`
    if ((this.#silent.get(key) ?? 0) > performance.now()) return { owner: 'gone' }
    const old = owner.format === 0
    const said = await this.#ask({ url, ids: [id], unrecorded: false, old })
    const { life, unprovenTimeout } = this.#parts
    switch (said.said) {
      case 'proven':
        this.#unproven.delete(key)
        return Object.hasOwn(said.held, id) ? { owner: 'holds', url } : { owner: 'gone' }
      case 'nobody': return { owner: 'gone' }
      case 'silence':
        remember(this.#silent, key, performance.now() + life / 3)
        return { owner: 'gone' }
      case 'nothing': return { owner: 'uncertain', error: said.error }
      case 'unverified': case 'unproven':
        if (this.#disbelieved(key, owner.reached ? life : unprovenTimeout)) {
          this.#parts.disbelieved.count++
          this.#parts.log.warn({ owner: node, err: said.error }, 'the owner of mcp sessions is taken for gone, though something that is no proof of it answers at its url')
          return { owner: 'gone' }
        }
        return said.said === 'unverified' || old ? { owner: 'lives', url, error: said.error } : { owner: 'uncertain', error: said.error }
    }
  }

  /**
   * Where a session stands that has no record, by the node that its id names.
   * `beats`: that node is alive, so only its own word will do.
   */
  async unrecorded (id: string, { url, format, beats }: { url: string, format: number, beats: boolean }): Promise<Standing> {
    if ((this.#nowhere.get(id) ?? 0) > performance.now()) return { owner: 'gone' }
    const said = await this.#ask({ url, ids: [id], unrecorded: true, old: format === 0 })
    if (said.said === 'proven') {
      if (said.doubtful) remember(this.#doubtful, url, performance.now() + this.#parts.life)
      if (Object.hasOwn(said.held, id)) return { owner: 'holds', url }
      remember(this.#nowhere, id, performance.now() + ABSENCE)
      return { owner: 'gone' }
    }
    return beats ? { owner: 'uncertain', error: said.error } : { owner: 'gone' }
  }

  /** Whether the node at a url has said of late that its writes to the directory are in doubt. */
  doubtful (url: string): boolean {
    return (this.#doubtful.get(url) ?? 0) > performance.now()
  }

  /** Whether unproven answers, at least two, have come for so long that they count no more. */
  #disbelieved (key: string, limit: number): boolean {
    const now = performance.now()
    let { since, last } = this.#unproven.get(key) ?? { since: now, last: now }
    // Nobody has asked for long: what answered then says nothing of the time between.
    if (now - last > 2 * limit) since = now
    remember(this.#unproven, key, { since, last: now })
    return now - since >= limit
  }

  /** Those who ask the same of one url ask together. */
  #ask (question: Question): Promise<Said> {
    const { url, ids: [id], unrecorded, old } = question
    // Nodes of format 0 know of one session at a time.
    if (old) return this.#parts.ask(question)
    const key = `${url} ${unrecorded}`
    const queue: Queue = this.#queues.get(key) ?? { next: undefined, last: new Promise(resolve => { setImmediate(resolve) }) }
    this.#queues.set(key, queue)
    if (queue.next === undefined || queue.next.ids.size >= TOGETHER) {
      const ids = new Set<string>()
      const round: Round = {
        ids,
        said: queue.last.then(() => {
          if (queue.next === round) queue.next = undefined
          return this.#parts.ask({ ...question, ids: [...ids] })
        })
      }
      queue.next = round
      queue.last = round.said.finally(() => { if (queue.next === undefined) this.#queues.delete(key) })
    }
    queue.next.ids.add(id!)
    return queue.next.said
  }
}

/** The oldest makes room. */
function remember<T> (map: Map<string, T>, key: string, value: T): void {
  map.delete(key)
  if (map.size >= REMEMBERED) map.delete(map.keys().next().value!)
  map.set(key, value)
}
