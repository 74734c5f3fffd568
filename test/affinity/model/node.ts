import { BEATS } from '../../../lib/beats.ts'
import { Adoption } from '../../../lib/affinity/adoption.ts'
import { Affinity } from '../../../lib/affinity/affinity.ts'
import { Delegation } from '../../../lib/affinity/delegation.ts'
import { Heirs } from '../../../lib/affinity/heirs.ts'
import { TagKeeper } from '../../../lib/affinity/tag-keeper.ts'
import { Hops } from '../../../lib/affinity/hops.ts'
import { Missing } from '../../../lib/affinity/missing.ts'
import type { Found } from '../../../lib/affinity/found.ts'
import { Drain } from '../../../lib/shutdown/drain.ts'
import { HOP } from '../../../lib/http/between-nodes.ts'
import type { AnswerHead, Forwarded, Forwarder } from '../../../lib/affinity/forwarding/forwarder.ts'
import type { Question, Said } from '../../../lib/affinity/evidence/owner-question.ts'
import { Owners } from '../../../lib/affinity/evidence/owners.ts'
import { ANONYMOUS } from '../../../lib/security/caller.ts'
import { Incoming } from '../../../lib/sessions/incoming.ts'
import type { Addressed } from '../../../lib/sessions/incoming.ts'
import { Lease } from '../../../lib/sessions/lease.ts'
import { UnderWay } from '../../../lib/http/under-way.ts'
import { DirectoryUnavailableError } from '../../../lib/errors.ts'
import { nodeTag, nodeTags } from '../../../lib/session-id.ts'
import { onlyEndpoint } from '../../../lib/directory/node.ts'
import type { NodeIdentity } from '../../../lib/directory/node.ts'
import type { LocalSession } from '../../../lib/sessions/session.ts'
import { newCounters } from '../../../lib/counters.ts'
import { DEFAULT_ENDPOINT } from '../../../lib/endpoint-name.ts'
import { Endpoint } from '../../../lib/sessions/endpoint.ts'
import { Sessions } from '../../../lib/sessions/sessions.ts'
import { AnswerWait } from '../../../lib/transport/calls/answer-wait.ts'
import { MessageExtra } from '../../../lib/transport/extra.ts'
import { KeepAlive } from '../../../lib/transport/streams/keep-alive.ts'
import { Unsent } from '../../../lib/http/unsent.ts'
import { StreamableHttpTransport } from '../../../lib/transport/transport.ts'
import { keptLog } from '../../fixtures/log.ts'
import { HTTP } from '../../fixtures/wired-transport.ts'
import { FakeDirectory } from './fake-directory.ts'
import type { FakeRedis } from './fake-redis.ts'
import type { DirectoryFaults } from './fake-scripts.ts'
import { Answering, modelServer, VERSION } from './server.ts'
import { running } from './world.ts'
import type { Process, World } from './world.ts'
import { eventsTo, livesTo, UNTOLD } from '../../fixtures/events.ts'

export const HEARTBEAT = 2000

/** Parts of the product that are broken on purpose. */
export interface Faults extends DirectoryFaults { endlessLease?: boolean }

/** A request of a client, or one that was forwarded. */
export interface Ask { kind: 'open' | 'call' | 'delete', id: string, hop?: string | undefined }
/** `serial`: of the server object that answered. */
export interface Answer { status: number, reason?: string | undefined, serial?: number | undefined, id?: string | undefined, node?: ModelNode }

export interface Cluster {
  world: World
  redis: FakeRedis
  faults: Faults
  nodes: ModelNode[]
  /** Counts server objects. */
  serial: number
  /** A server object leaves its node's hands with an answer. */
  answering: (id: string, serial: number, node: ModelNode) => void
}

const waits = new AnswerWait(3_600_000)
const keepAlive = new KeepAlive(3_600_000)
const unsent = new Unsent({ most: Infinity, keepAlive: 3_600_000 })

/** One process of the model: the real parts over a fake directory. */
export class ModelNode implements Process {
  readonly url: string
  readonly identity: NodeIdentity
  readonly counters = newCounters()
  readonly sessions: Sessions
  readonly directory: FakeDirectory
  readonly lease: Lease
  readonly log = keptLog()
  state: 'up' | 'paused' | 'dead' = 'up'
  draining = false
  /** How far this machine's clocks are from the world's. */
  readonly #skew = { monotonic: 0, wall: 0 }
  readonly #cluster: Cluster
  readonly adoption: Adoption
  readonly #affinity: Affinity
  readonly #keeper: TagKeeper
  readonly #drain: Drain
  #missed: Array<() => void> = []
  #pausedAt = 0
  readonly #dying = new Set<() => void>()

  constructor (cluster: Cluster, place: number, incarnation: string) {
    const { world, redis, faults } = cluster
    this.#cluster = cluster
    this.url = `http://n${place}`
    this.identity = { id: `n${place}`, url: this.url, tag: nodeTag({ id: '', url: this.url }), tags: nodeTags({ id: '', url: this.url }, 1), minting: nodeTags({ id: '', url: this.url }, 1), started: world.now, incarnation, stateless: [], unannounced: [], endpoints: onlyEndpoint(), epoch: `${incarnation}.0` }
    this.directory = new FakeDirectory({ world, redis, node: this.identity, process: this, heartbeat: HEARTBEAT, faults })
    const clock = () => ({ monotonic: world.now + this.#skew.monotonic, wall: world.now + this.#skew.wall })
    this.lease = new Lease({ node: this.identity, life: faults.endlessLease === true ? Infinity : BEATS.lease * HEARTBEAT, clock })
    const log: any = { ...this.log, child: () => log }
    const events = eventsTo(log)
    const lives = livesTo(log)
    const endpoint = new Endpoint({
      name: DEFAULT_ENDPOINT,
      onAdopt: undefined,
      limits: { idleTimeout: 1e12, firstUseTimeout: 1e12, maxPerNode: 1000, maxPerPrincipal: 1000 },
      counters: this.counters,
      createServer: () => modelServer(++cluster.serial, world, milliseconds => this.#wait(milliseconds)),
      makeTransport: events => new StreamableHttpTransport({ ...events, token: `t${world.random()}`, responseMode: 'json', waits, keepAlive, unsent, told: UNTOLD, log }),
      log
    })
    this.sessions = new Sessions({ node: this.identity, endpoints: new Map([[DEFAULT_ENDPOINT, endpoint]]), directory: this.directory, lease: this.lease, lives, log })
    const owners = new Owners({ endpoint: DEFAULT_ENDPOINT, own: this.url, ask: question => this.#ask(question), life: BEATS.place * HEARTBEAT, unprovenTimeout: 60_000, counters: this.counters, log })
    const heirs = new Heirs({ node: this.identity, directory: this.directory, sessions: this.sessions, ask: url => this.#askToTake(url), log })
    this.#keeper = new TagKeeper({ node: this.identity, directory: this.directory, sessions: this.sessions, heartbeat: HEARTBEAT, idleTimeout: 1e12, log })
    this.adoption = new Adoption({ endpoint: DEFAULT_ENDPOINT, sessions: this.sessions, directory: this.directory, owners, heirs, lives, events })
    const forwarder = { forward: (request: any, reply: any, url: string, { decline }: any) => this.#forward(request, reply, url, decline) } as unknown as Forwarder
    const underWay = { calls: new UnderWay(), streams: new UnderWay() }
    const hops = new Hops({ endpoint: DEFAULT_ENDPOINT, forwarder, counters: this.counters, events, underWay, lastWords: () => '' })
    this.#affinity = new Affinity({
      endpoint: DEFAULT_ENDPOINT,
      events,
      policies: { misroute: 'forward', orphan: 'adopt' },
      sessions: this.sessions,
      directory: this.directory,
      hops,
      delegation: new Delegation({ endpoint: DEFAULT_ENDPOINT, hops, directory: this.directory, node: this.identity }),
      missing: new Missing({ endpoint: DEFAULT_ENDPOINT, directory: this.directory, owners, url: this.url }),
      adoption: this.adoption,
      patience: BEATS.patience * HEARTBEAT
    })
    this.#drain = new Drain({ sessions: this.sessions, handOver: true, underWay, heirs, beat: HEARTBEAT, events, log })
  }

  deliver (event: () => void): void {
    if (this.state === 'dead') return
    if (this.state === 'paused') this.#missed.push(event)
    else running.run(this, event)
  }

  start (): void {
    running.run(this, () => {
      this.#own(this.sessions.start())
      this.#own(this.#keep())
    })
  }

  pause (): void {
    this.state = 'paused'
    this.#pausedAt = this.#cluster.world.now
  }

  /** `frozen`: the clock that did not see the pause. */
  resume (frozen: 'monotonic' | 'wall' | 'none'): void {
    if (frozen !== 'none') this.#skew[frozen] -= this.#cluster.world.now - this.#pausedAt
    this.state = 'up'
    for (const event of this.#missed.splice(0)) this.#cluster.world.after(0, () => this.deliver(event))
  }

  step (milliseconds: number): void {
    this.#skew.wall += milliseconds
  }

  kill (): void {
    this.state = 'dead'
    this.#missed = []
    for (const broken of this.#dying) broken()
  }

  /** Leaves, and ends when everything is handed over. */
  drain (): void {
    if (this.draining) return
    this.draining = true
    running.run(this, () => {
      this.#own(this.#drain.run({ grace: 2000, timeout: 3000 }).then(() => this.sessions.shutdown(2000)).then(() => this.deliver(() => this.kill())))
    })
  }

  /** It can still do what it has promised. */
  get serving (): boolean {
    return this.state !== 'dead' && this.sessions.state !== 'superseded'
  }

  /** A request arrives. Undefined: the connection broke before an answer. */
  ask (ask: Ask): Promise<Answer | undefined> {
    const { world } = this.#cluster
    return new Promise(resolve => {
      const broken = (): void => resolve(undefined)
      if (this.state === 'dead') return world.after(1, broken)
      this.#dying.add(broken)
      const answered = (answer: Answer): void => {
        this.#dying.delete(broken)
        world.after(1, () => resolve(answer))
      }
      world.after(1, () => this.deliver(() => {
        this.#own(this.#handle(ask).then(answer => { if (this.state !== 'dead') answered(answer) }))
      }))
    })
  }

  async #handle ({ kind, id, hop }: Ask): Promise<Answer> {
    if (this.sessions.state === 'superseded') return { status: 503, reason: 'node_superseded' }
    const request: any = { method: 'POST', headers: { 'mcp-session-id': id, ...hop !== undefined && { [HOP]: hop } }, ask: { kind, id }, ...HTTP_PARTS }
    const reply: any = { raw: { destroyed: false, writableEnded: true } }
    const incoming = new Incoming(request, reply) as Addressed
    if (kind === 'open') return this.#open(request)
    if (kind === 'delete') return this.#delete(incoming)
    const local = this.sessions.get(id)
    const secured = local && this.sessions.secured(local)
    if (local !== undefined && (secured === undefined || await secured)) return this.#serve(local)
    const found: Found = await this.#affinity.find(incoming)
    if (found.do === 'serve') return this.#serve(found.session)
    return found.do === 'nothing' ? reply.answer : { status: STATUS[found.reason] ?? 503, reason: found.reason }
  }

  #open (request: any): Promise<Answer> {
    if (this.sessions.state === 'closing') return Promise.resolve({ status: 503, reason: 'node_closing' })
    return new Promise(resolve => {
      let opened: string | undefined
      const exchange = new Answering(body => resolve({ status: 'error' in body ? 500 : 200, id: opened }))
      const params = { protocolVersion: VERSION, capabilities: {}, clientInfo: { name: 'c', version: '1' } }
      this.#own(this.sessions.open(DEFAULT_ENDPOINT, {
        request,
        message: { jsonrpc: '2.0', id: 0, method: 'initialize', params },
        caller: ANONYMOUS,
        exchange,
        extra: new MessageExtra(HTTP, undefined),
        onOpened: id => { opened = id }
      }).then(full => { if (full !== undefined) resolve({ status: 503, reason: full }) }))
    })
  }

  #serve (session: LocalSession): Promise<Answer> {
    const { id, transport } = session
    this.sessions.touch(session)
    return new Promise(resolve => {
      const exchange = new Answering(body => {
        const serial = body.result?.serial as number | undefined
        if (serial !== undefined) this.#cluster.answering(id, serial, this)
        resolve(serial === undefined ? { status: 200, reason: 'lost' } : { status: 200, serial, id, node: this })
      })
      transport.post([{ jsonrpc: '2.0', id: `q${this.#cluster.world.random()}`, method: 'tools/call', params: {} }], false, exchange, new MessageExtra(HTTP, undefined))
    })
  }

  async #delete (incoming: Addressed): Promise<Answer> {
    try {
      if (!this.sessions.has(incoming.id) && await this.#affinity.forwardOnce(incoming)) return (incoming.reply as unknown as { answer: Answer }).answer
      const outcome = await this.sessions.close(incoming.id, { principal: undefined })
      if (outcome === 'unknown') return incoming.hop ? { status: 421 } : { status: 404, reason: 'unknown' }
      return { status: outcome === 'queued' ? 202 : 200, node: this }
    } catch (error) {
      if (!(error instanceof DirectoryUnavailableError)) throw error
      return { status: 503, reason: 'directory_unavailable' }
    }
  }

  /** The node behind a url, if something answers there. */
  #at (url: string): ModelNode | undefined {
    return this.#cluster.nodes.findLast(node => node.url === url && node.state !== 'dead')
  }

  #back<T> (answer: Promise<T>): Promise<T> {
    return new Promise(resolve => this.#own(answer.then(value => this.deliver(() => resolve(value)))))
  }

  async #forward (request: any, reply: any, url: string, decline: (answer: AnswerHead) => boolean): Promise<Forwarded> {
    const owner = this.#at(url)
    if (owner === undefined) {
      await this.#wait(1)
      return { outcome: 'unreachable', error: new Error('refused') } as Forwarded
    }
    const answer = await this.#back(owner.ask({ ...request.ask, hop: this.identity.tag }))
    if (answer === undefined) return { outcome: 'lost', error: new Error('reset') } as Forwarded
    if (decline({ status: answer.status, headers: {}, proven: () => true })) return { outcome: 'declined', status: answer.status, proven: true }
    reply.answer = answer
    return { outcome: 'answered' } as Forwarded
  }

  /** The question of an adopter, with its bound; whoever is silent is asked twice. */
  async #ask (question: Question): Promise<Said> {
    const said = await this.#askOnce(question)
    return said.said === 'silence' ? this.#askOnce(question) : said
  }

  #askOnce ({ url, ids, unrecorded }: Question): Promise<Said> {
    const { world } = this.#cluster
    const owner = this.#at(url)
    return this.#back(new Promise<Said>(resolve => {
      if (owner === undefined) return resolve({ said: 'nobody', error: new Error('refused') })
      world.after(1000, () => resolve({ said: 'silence', error: new Error('no answer') }))
      world.after(1, () => owner.deliver(() => {
        const { sessions, directory } = owner
        const said = (closing: string[]): void => {
          const mine = ids.filter(id => sessions.state !== 'superseded' && sessions.holds(id) !== undefined && !closing.includes(id))
          world.after(1, () => resolve({ said: 'proven', held: Object.fromEntries(mine.map(id => [id, sessions.holds(id)!])), doubtful: directory.doubtful }))
        }
        if (unrecorded) this.#own(directory.closing().then(said))
        else said([])
      }))
    }))
  }

  /** Looks after the table of tags with every other beat. */
  async #keep (): Promise<void> {
    for (;;) {
      await this.#keeper.turn()
      await this.#wait(2 * HEARTBEAT)
    }
  }

  #askToTake (url: string): Promise<boolean> {
    const { world } = this.#cluster
    const heir = this.#at(url)
    return this.#back(new Promise<boolean>(resolve => {
      if (heir === undefined) return resolve(false)
      world.after(1000, () => resolve(false))
      world.after(1, () => heir.deliver(() => {
        const { takes } = heir.adoption
        world.after(1, () => resolve(takes))
      }))
    }))
  }

  #own (promise: Promise<unknown>): void { this.#cluster.world.own(promise) }

  #wait (milliseconds: number): Promise<void> {
    return new Promise(resolve => this.#cluster.world.after(milliseconds, () => this.deliver(resolve)))
  }
}

const HTTP_PARTS = { url: HTTP.url, protocol: HTTP.protocol, host: HTTP.host }
const STATUS: Record<string, number> = { unknown: 404, misrouted: 404, orphaned: 404, not_owner: 421 }
