import { FakeRedis } from './fake-redis.ts'
import { HEARTBEAT, ModelNode } from './node.ts'
import type { Answer, Cluster, Faults } from './node.ts'
import { World } from './world.ts'

const PLACES = 3
const LEASE = 2 * HEARTBEAT

/** What the model knows of a session that a client was told of. */
interface Known {
  id: string
  name: string
  /** The newest server object that has answered. */
  newest: number
  /** A close was asked for. */
  closing: boolean
  /** It was acknowledged by this node. */
  closedBy?: ModelNode
  /** Since then nothing can bring it back: it is closed, and Redis has been seen without its record. */
  gone?: number
  /** Its record was in Redis. */
  recorded: boolean
  /** Until then nobody may know who owns it. */
  lostUntil: number
  /** Nobody knows any more that another node than its owner may have it. */
  forgotten: boolean
}

/** What was seen, so that a run that tries nothing is noticed. */
export type Counts = Record<'steps' | 'answers' | 'adoptions' | 'unsure' | 'refusals' | 'closed' | 'checked', number>

/** One random schedule against the model. */
export class Schedule {
  readonly world: World
  readonly violations: string[] = []
  readonly trace: string[] = []
  readonly counts: Counts = { steps: 0, answers: 0, adoptions: 0, unsure: 0, refusals: 0, closed: 0, checked: 0 }
  readonly #cluster: Cluster
  readonly #known = new Map<string, Known>()
  readonly #frozen: 'monotonic' | 'wall' | 'none'
  #incarnations = 0
  #healing = false

  constructor (seed: number, faults: Faults = {}) {
    this.world = new World(seed)
    this.#frozen = this.world.pick(['monotonic', 'wall', 'none'])
    this.#cluster = {
      world: this.world,
      redis: new FakeRedis(this.world),
      faults,
      nodes: [],
      serial: 0,
      answering: (id, serial, node) => this.#answering(id, serial, node)
    }
  }

  async run (steps: number): Promise<void> {
    for (let place = 0; place < PLACES; place++) this.#start(place)
    await this.world.advance(HEARTBEAT)
    for (let i = 0; i < 3; i++) this.#open()
    await this.world.advance(500)
    for (let step = 0; step < steps && this.violations.length === 0; step++) {
      this.counts.steps++
      this.#step()
      await this.world.advance(this.world.chance(0.3) ? this.world.int(500, 9000) : this.world.int(1, 300))
      this.#lookAtRecords()
    }
    if (this.violations.length === 0) await this.#heal()
    for (const node of this.#cluster.nodes) this.counts.adoptions += node.sessions.adopted.count
    for (const node of this.#cluster.nodes) if (node.state !== 'dead') node.kill()
  }

  #step (): void {
    const { world } = this
    const { redis } = this.#cluster
    if (this.#alive().length === 0) return this.#restart()
    const node = world.pick(this.#cluster.nodes)
    const dice = world.random()
    if (dice < 0.5) return this.#call()
    if (dice < 0.57) return this.#open()
    if (dice < 0.6) return this.#close()
    if (dice < 0.66) return this.#kill(node)
    if (dice < 0.76) return this.#pause(node)
    if (dice < 0.79) return this.#drain(node)
    if (dice < 0.85) return this.#restart()
    if (dice < 0.89) return this.#cut(node.identity.id)
    if (dice < 0.91) {
      const step = world.int(this.#frozen === 'monotonic' ? 0 : -20_000, 20_000)
      this.#say(`${node.identity.id} wall clock ${step}`)
      return node.step(step)
    }
    if (dice < 0.93) redis.loss = redis.loss === 0 ? 0.1 : 0
    else if (redis.state !== 'up') return this.#redisUp()
    else if (dice < 0.98) redis.state = world.pick(['down', 'hanging'])
    else this.#empty()
    this.#say(`redis ${redis.state}, loss ${redis.loss}`)
  }

  #start (place: number): void {
    const node = new ModelNode(this.#cluster, place, `i${++this.#incarnations}`)
    this.#cluster.nodes.push(node)
    this.#say(`${node.identity.id} starts as ${node.identity.incarnation}`)
    node.start()
  }

  #restart (): void {
    for (let place = 0; place < PLACES; place++) {
      if (!this.#alive().some(node => node.url === `http://n${place}`)) return this.#start(place)
    }
  }

  #alive (): ModelNode[] {
    return this.#cluster.nodes.filter(node => node.state !== 'dead')
  }

  #kill (node: ModelNode): void {
    if (node.state === 'dead' || this.#alive().length === 1) return
    this.#say(`${node.identity.id} is killed`)
    node.kill()
  }

  #pause (node: ModelNode): void {
    if (node.state === 'dead') return
    this.#say(`${node.identity.id} ${node.state === 'up' ? 'stops' : `goes on (frozen: ${this.#frozen})`}`)
    if (node.state === 'up') return node.pause()
    node.resume(this.#frozen)
    // Once more, while it is finding out what it has missed.
    if (this.world.chance(0.4)) this.world.after(this.world.int(1, 60), () => { if (node.state === 'up' && !this.#healing) this.#pause(node) })
  }

  #drain (node: ModelNode): void {
    if (node.state !== 'up' || this.#alive().length === 1) return
    this.#say(`${node.identity.id} drains`)
    node.drain()
  }

  #cut (id: string): void {
    const { redis } = this.#cluster
    const back = redis.cut.delete(id)
    if (!back) redis.cut.add(id)
    this.#say(`${id} ${back ? 'reaches redis' : 'is cut off'}`)
    if (back) this.#reconnected(id)
  }

  #redisUp (): void {
    const { redis } = this.#cluster
    const was = redis.state
    redis.resume()
    this.#say(`redis ${was} -> up`)
    if (was === 'down') this.#reconnected()
  }

  /**
   * What Redis has lost it cannot say: who claimed a session last, from whom,
   * and that one was closed. Whoever has a session still writes it again, and
   * the first who does is its owner. Until a lease has passed an owner that has
   * not heard of it may answer as well. A frozen node of which it was known
   * that it may have a session that others have taken over is forgotten: when
   * that session is closed, nobody tells it. So is what was asked of an owner
   * that has not seen it yet.
   */
  #empty (): void {
    const { redis } = this.#cluster
    for (const session of this.#known.values()) {
      const owner = redis.records.get(session.id)?.node
      const holders = this.#alive().filter(node => node.sessions.has(session.id) || node.identity.id === owner)
      session.forgotten ||= session.closing || holders.length > 1
      session.recorded = false
      delete session.gone
      delete session.closedBy
      session.lostUntil = this.world.now + LEASE
      session.newest = 0
    }
    redis.empty()
    this.#reconnected()
  }

  #reconnected (id?: string): void {
    for (const node of this.#alive()) if (id === undefined || node.identity.id === id) node.deliver(() => node.directory.reconnected())
  }

  #open (): void {
    const node = this.world.pick(this.#alive())
    node.ask({ kind: 'open', id: '' }).then(answer => {
      const id = answer?.id
      if (answer?.status !== 200 || id === undefined) return
      const name = `s${this.#known.size + 1}`
      this.#say(`${node.identity.id} opened ${name}`)
      const recorded = this.#cluster.redis.records.has(id)
      this.#known.set(id, { id, name, newest: 0, closing: false, recorded, lostUntil: 0, forgotten: false })
    })
  }

  #call (): void {
    if (this.#known.size === 0) return
    const session = this.world.pick([...this.#known.values()])
    const node = this.world.pick(this.#alive())
    const { recorded } = session
    this.#say(`call of ${session.name} at ${node.identity.id}`)
    node.ask({ kind: 'call', id: session.id }).then(answer => this.#answered(session, node, answer, recorded))
  }

  #answered (session: Known, node: ModelNode, answer: Answer | undefined, recorded: boolean): void {
    const { redis } = this.#cluster
    this.#say(`${session.name} at ${node.identity.id}: ${JSON.stringify(answer && { ...answer, id: undefined, node: answer.node?.identity.id })}`)
    if (answer?.serial !== undefined) this.counts.answers++
    else this.counts.refusals++
    if (answer?.status !== 404 || session.closing) return
    const failures = redis.records.get(session.id)?.adoptionFailures ?? 0
    if (answer.reason === 'orphaned' && failures >= 3) return
    if (recorded && session.recorded) this.#violated(2, `${session.name} was open, and ${node.identity.id} said ${answer.reason}`)
  }

  #close (): void {
    if (this.#known.size === 0) return
    const session = this.world.pick([...this.#known.values()])
    const node = this.world.pick(this.#alive())
    session.closing = true
    this.#say(`close of ${session.name} at ${node.identity.id}`)
    node.ask({ kind: 'delete', id: session.id }).then(answer => {
      this.#say(`close of ${session.name}: ${answer?.status}`)
      if (answer?.status !== 200) return
      session.closedBy ??= answer.node!
      this.#lookAt(session)
      this.counts.closed++
    })
  }

  /** Invariants 1 and 3, at the moment when an answer leaves its node. */
  #answering (id: string, serial: number, node: ModelNode): void {
    const session = this.#known.get(id)
    if (session === undefined || (session.forgotten && session.closedBy !== undefined)) return
    const unsure = node.directory.unsure.has(id)
    if (unsure) this.counts.unsure++
    // Whoever answers without certainty proves nothing about the others.
    if (unsure) return
    // An owner learns of it when it beats, or asks whether the session is still its own.
    if (session.gone !== undefined && this.world.now > session.gone + LEASE) {
      this.#violated(3, `${session.name} is closed, and server ${serial} on ${node.identity.incarnation} answers for it`)
    }
    if (this.world.now < session.lostUntil) return
    if (serial < session.newest) {
      this.#violated(1, `${session.name} was answered by server ${serial} on ${node.identity.incarnation}, after ${session.newest}`)
    }
    session.newest = Math.max(session.newest, serial)
  }

  #lookAtRecords (): void {
    for (const session of this.#known.values()) this.#lookAt(session)
  }

  #lookAt (session: Known): void {
    if (this.#cluster.redis.records.has(session.id)) {
      if (session.gone !== undefined) this.#violated(3, `${session.name} is closed, and its record is back`)
      session.recorded = true
    } else if (session.closedBy !== undefined) {
      if (session.recorded && !session.forgotten) session.gone ??= this.world.now
    } else if (session.recorded && !session.closing) this.#violated(2, `the record of ${session.name} is gone, and nobody closed it`)
  }

  /** Everything is well again: invariants 2, 3 and 4. */
  async #heal (): Promise<void> {
    const { redis } = this.#cluster
    this.#say('everything heals')
    this.#healing = true
    redis.loss = 0
    if (redis.state !== 'up') this.#redisUp()
    for (const id of [...redis.cut]) this.#cut(id)
    for (const node of this.#alive()) if (node.state === 'paused') this.#pause(node)
    // A drain that is under way ends first.
    await this.world.advance(10_000)
    for (let place = 0; place < PLACES; place++) this.#restart()
    await this.world.advance(4 * HEARTBEAT)
    for (const session of this.#known.values()) await this.#final(session)
  }

  async #final (session: Known): Promise<void> {
    const { redis } = this.#cluster
    const { id, name } = session
    this.counts.checked++
    const record = redis.records.get(id)
    const nodes = this.#alive()
    // A node that could not say so before its end has taken the close with it.
    if ((session.closedBy?.serving === true && !session.forgotten) || session.gone !== undefined) {
      if (record !== undefined) this.#violated(3, `${name} is closed, and its record is there`)
      if (nodes.some(node => node.sessions.has(id))) this.#violated(3, `${name} is closed, and it lives`)
    }
    if (session.closing || record === undefined || record.adoptionFailures >= 3) return
    for (const node of nodes) {
      const answer = node.ask({ kind: 'call', id }).then(answer => ({ answer }))
      let got: { answer: Answer | undefined } | undefined
      answer.then(value => { got = value })
      await this.world.advance(12_000)
      const answered = got?.answer
      if (answered?.serial === undefined) this.#violated(4, `${name} does not answer at ${node.identity.id}: ${got === undefined ? 'nothing' : JSON.stringify({ ...answered, node: undefined })}`)
    }
    const owners = nodes.filter(node => node.sessions.has(id))
    if (owners.length !== 1) this.#violated(4, `${name} has ${owners.length} owners: ${owners.map(node => node.identity.id).join()}`)
  }

  #violated (invariant: number, what: string): void {
    this.#say(`VIOLATED ${invariant}: ${what}`)
    this.violations.push(`invariant ${invariant}: ${what}`)
  }

  #say (what: string): void {
    this.trace.push(`${this.world.now} ${what}`)
  }
}
