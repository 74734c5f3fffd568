import type { FastifyBaseLogger } from 'fastify'
import { LRUCache } from 'lru-cache'
import { BEATS } from '../../beats.ts'
import type { Counting } from '../../counters.ts'
import { Recent } from '../../bounds/recent.ts'
import type { OwnerFacts, SessionRecord } from '../../directory/record.ts'
import type { Question, Said } from './owner-question.ts'

/** Ids in one question, and how many wait for their turn at most. */
const TOGETHER = 100
const WAITING = 1000
/** Owners, and sessions without one, that are remembered. */
const REMEMBERED = 1000
/** For how long it is remembered that nobody holds a session, or that nobody is there (a beat at most), in milliseconds. */
const ABSENCE = 1000

/** What a record of format 0 says of its owner: nothing. */
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

interface OwnersParts {
  /** The name of the one whose sessions are asked about: a no for one endpoint says nothing of another. */
  endpoint: string
  /** This node's url: whoever had it before is gone. */
  own: string | undefined
  ask: (question: Question) => Promise<Said>
  /** Milliseconds that a node's heartbeat lives. */
  life: number
  /** Milliseconds for which answers without proof keep others from taking over, at a url where the owner never reached itself. */
  unprovenTimeout: number
  counters: Counting<'disbelieved'>
  log: Pick<FastifyBaseLogger, 'warn'>
}

/** Sessions that are asked for together, at one url. */
interface Round { ids: Set<string>, said: Promise<Said> }
/** What is to be asked at one url: one question at a time, and meanwhile the next grows. */
interface Queue { next: Round | undefined, last: Promise<unknown>, waiting: number }
/** An owner of whom nobody knows since then whether it lives; `lasting`: this node has asked again by itself, and still does not know. */
interface Unclear { since: number, lasting: boolean, timer: NodeJS.Timeout }

/** Finds out whether owners that are missed in the directory live, and still hold their sessions. */
export class Owners {
  readonly #parts: OwnersParts
  readonly #queues = new Map<string, Queue>()
  /** Urls where nobody was a moment ago, which is believed without asking: all sessions of a node are wanted at once. */
  readonly #absent: Recent
  readonly #unclear = new LRUCache<string, Unclear>({ max: REMEMBERED, dispose: ({ timer }) => clearTimeout(timer) })
  /** Sessions without a record that a node, by its url, did not have a moment ago. */
  readonly #nowhere = new Recent(REMEMBERED, ABSENCE)
  /** Nodes whose writes to the directory were in doubt when they answered. */
  readonly #doubtful: Recent

  constructor (parts: OwnersParts) {
    this.#parts = parts
    this.#absent = new Recent(REMEMBERED, Math.min(ABSENCE, parts.life / BEATS.place))
    this.#doubtful = new Recent(REMEMBERED, parts.life)
  }

  /** Where the recorded owner of a session stands, whose heartbeat is gone. */
  async recorded ({ id, node, epoch, url, owner = BEFORE }: SessionRecord): Promise<Standing> {
    if (url === undefined || url === this.#parts.own) return { owner: 'gone' }
    const old = owner.format === 0
    const question: Question = { url, ids: [id], unrecorded: false, endpoint: this.#parts.endpoint, old }
    const said = await this.#ask(question)
    if (said.said === 'nobody' || said.said === 'silence') return { owner: 'gone' }
    if (said.said === 'nothing') return { owner: 'uncertain', error: said.error }
    const key = `${node} ${epoch} ${url}`
    if (said.said === 'proven') {
      this.#unclear.delete(key)
      return Object.hasOwn(said.held, id) ? { owner: 'holds', url } : { owner: 'gone' }
    }
    const { life, unprovenTimeout } = this.#parts
    const strange = said.said === 'unproven' && owner.reached
    if (this.#disbelieved(key, strange ? life : unprovenTimeout, question)) return this.#takenForGone(node, said.error)
    return said.said === 'unverified' || old ? { owner: 'lives', url, error: said.error } : { owner: 'uncertain', error: said.error }
  }

  /**
   * Where a session stands that has no record, by the node that its id names.
   * `beats`: whether that node is alive, so that its own word is needed.
   */
  async unrecorded (id: string, { id: node, url, format, beats }: { id: string, url: string, format: number, beats: () => Promise<boolean> }): Promise<Standing> {
    const here = `${id} ${url}`
    if (this.#nowhere.has(here)) return { owner: 'gone' }
    const question: Question = { url, ids: [id], unrecorded: true, endpoint: this.#parts.endpoint, old: format === 0 }
    const said = await this.#ask(question)
    if (said.said === 'nothing') return { owner: 'uncertain', error: said.error }
    const key = `${url} unrecorded`
    if (said.said === 'proven') {
      this.#unclear.delete(key)
      if (said.doubtful) this.#doubtful.add(url)
      if (Object.hasOwn(said.held, id)) return { owner: 'holds', url }
      this.#nowhere.add(here)
      return { owner: 'gone' }
    }
    if (said.said !== 'unverified' && !await beats()) return { owner: 'gone' }
    if (this.#disbelieved(key, this.#parts.unprovenTimeout, question)) return this.#takenForGone(node, said.error)
    return said.said === 'unverified' ? { owner: 'lives', url, error: said.error } : { owner: 'uncertain', error: said.error }
  }

  /** Asks nobody by itself any more. */
  stop (): void {
    this.#unclear.clear()
  }

  #takenForGone (node: string, error: Error): Standing {
    this.#parts.counters.disbelieved++
    this.#parts.log.warn({ owner: node, err: error }, 'the owner of mcp sessions is taken for gone, though something that is no proof of it answers at its url')
    return { owner: 'gone' }
  }

  /**
   * Whether it has been unclear for so long that it counts no more: twice at
   * least, that far apart, without a proof in between. Clients may come seldom,
   * so this node asks the second time by itself.
   */
  #disbelieved (key: string, limit: number, question: Question): boolean {
    const known = this.#unclear.get(key)
    if (known !== undefined) return known.lasting || performance.now() - known.since >= limit
    const again = (): void => {
      this.#parts.ask(question).then(said => {
        // A proof may have come meanwhile, and it may be unclear again since then: that is another matter.
        if (this.#unclear.get(key) !== unclear) return
        if (said.said === 'proven') this.#unclear.delete(key)
        else if (said.said === 'nothing') unclear.timer = setTimeout(again, limit).unref()
        else unclear.lasting = true
      }).catch(error => this.#parts.log.warn({ err: error }, 'an owner could not be asked again'))
    }
    const unclear: Unclear = { since: performance.now(), lasting: false, timer: setTimeout(again, limit).unref() }
    this.#unclear.set(key, unclear)
    return false
  }

  /** Those who ask the same of one url ask together, and while one question is on its way the next are gathered. */
  async #ask (question: Question): Promise<Said> {
    const { url } = question
    if (this.#absent.has(url)) return { said: 'nobody', error: new Error('nobody was there a moment ago') }
    const said = await this.#together(question)
    if (said.said === 'nobody' || said.said === 'silence') this.#absent.add(url)
    return said
  }

  #together (question: Question): Promise<Said> {
    const { url, ids: [id], unrecorded, old } = question
    // Nodes of format 0 know of one session at a time.
    if (old) return this.#parts.ask(question)
    const key = `${url} ${unrecorded}`
    const queue: Queue = this.#queues.get(key) ?? { next: undefined, last: new Promise(resolve => { setImmediate(resolve) }), waiting: 0 }
    this.#queues.set(key, queue)
    if (queue.waiting >= WAITING) return Promise.resolve(this.#tooMany(question))
    if (queue.next === undefined || queue.next.ids.size >= TOGETHER) this.#begin(key, queue, question)
    const { ids, said } = queue.next!
    if (!ids.has(id!)) queue.waiting++
    ids.add(id!)
    return said
  }

  #begin (key: string, queue: Queue, question: Question): void {
    const ids = new Set<string>()
    const round: Round = {
      ids,
      said: queue.last.then((): Said | Promise<Said> => {
        if (queue.next === round) queue.next = undefined
        queue.waiting -= ids.size
        // The round before may have found nobody there.
        if (this.#absent.has(question.url)) return { said: 'nobody', error: new Error('nobody was there a moment ago') }
        return this.#parts.ask({ ...question, ids: [...ids] })
      })
    }
    queue.next = round
    queue.last = round.said.finally(() => { if (queue.next === undefined) this.#queues.delete(key) })
  }

  /** A flood of ids: what has no record is not there, unless the node has said that its writes are in doubt. */
  #tooMany ({ url, unrecorded }: Question): Said {
    const doubtful = this.#doubtful.has(url)
    if (unrecorded && !doubtful) return { said: 'proven', held: {}, doubtful }
    return { said: 'nothing', error: new Error('too many sessions are being asked for') }
  }
}
