import { inspect } from 'node:util'
import { FakeRedis } from './fake-redis.ts'
import { Model } from './model.ts'
import type { Known } from './model.ts'
import { HEARTBEAT, ModelNode } from './node.ts'
import type { Answer, Cluster, Faults } from './node.ts'
import { World } from './world.ts'

const PLACES = 3

/** What was seen, so that a run that tries nothing is noticed. */
export type Counts = Record<'steps' | 'answers' | 'adoptions' | 'unsure' | 'refusals' | 'closed' | 'checked', number>

/** One random schedule against the model. */
export class Schedule {
  readonly world: World
  readonly trace: string[] = []
  readonly counts: Counts = { steps: 0, answers: 0, adoptions: 0, unsure: 0, refusals: 0, closed: 0, checked: 0 }
  readonly #cluster: Cluster
  readonly #model: Model
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
      answering: (id, serial, node) => this.#model.answering(id, serial, node)
    }
    this.#model = new Model(this.world, this.#cluster.redis, what => this.#say(what))
  }

  get violations (): string[] { return [...this.#model.violations, ...this.world.failures.map(error => `an error that nobody caught: ${inspect(error)}`)] }

  async run (steps: number): Promise<void> {
    for (let place = 0; place < PLACES; place++) this.#start(place)
    await this.world.advance(HEARTBEAT)
    for (let i = 0; i < 3; i++) this.#open()
    await this.world.advance(500)
    for (let step = 0; step < steps && this.violations.length === 0; step++) {
      this.counts.steps++
      this.#step()
      await this.world.advance(this.world.chance(0.3) ? this.world.int(500, 9000) : this.world.int(1, 300))
      this.#model.look()
    }
    if (this.violations.length === 0) await this.#heal()
    this.counts.unsure = this.#model.unsure
    for (const node of this.#cluster.nodes) this.counts.adoptions += node.counters.adopted
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
    const { world } = this
    this.#say(`${node.identity.id} ${node.state === 'up' ? 'stops' : `goes on (frozen: ${this.#frozen})`}`)
    if (node.state === 'up') {
      node.pause()
      return this.#pauseLater(node, 'paused', world.int(500, 25_000))
    }
    node.resume(this.#frozen)
    // Once more, while it is finding out what it has missed.
    if (world.chance(0.4)) this.#pauseLater(node, 'up', world.int(1, 60))
  }

  /** Unless something else has happened to the node by then. */
  #pauseLater (node: ModelNode, state: ModelNode['state'], delay: number): void {
    this.world.after(delay, () => { if (node.state === state && !this.#healing) this.#pause(node) })
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

  #empty (): void {
    this.#model.emptied(this.#alive())
    this.#cluster.redis.empty()
    this.#reconnected()
  }

  #reconnected (id?: string): void {
    for (const node of this.#alive()) if (id === undefined || node.identity.id === id) node.deliver(() => node.directory.reconnected())
  }

  #open (): void {
    const node = this.world.pick(this.#alive())
    this.world.own(node.ask({ kind: 'open', id: '' }).then(answer => {
      const id = answer?.id
      if (answer?.status !== 200 || id === undefined) return
      this.#say(`${node.identity.id} opened ${this.#model.opened(id).name}`)
    }))
  }

  #call (): void {
    if (this.#model.sessions.size === 0) return
    const session = this.world.pick([...this.#model.sessions.values()])
    const node = this.world.pick(this.#alive())
    const { recorded } = session
    this.#say(`call of ${session.name} at ${node.identity.id}`)
    this.world.own(node.ask({ kind: 'call', id: session.id }).then(answer => this.#answered(session, node, answer, recorded)))
  }

  #answered (session: Known, node: ModelNode, answer: Answer | undefined, recorded: boolean): void {
    this.#say(`${session.name} at ${node.identity.id}: ${JSON.stringify(answer && { ...answer, id: undefined, node: answer.node?.identity.id })}`)
    if (answer?.serial !== undefined) this.counts.answers++
    else this.counts.refusals++
    this.#model.answered(session, node, answer, recorded)
  }

  #close (): void {
    if (this.#model.sessions.size === 0) return
    const session = this.world.pick([...this.#model.sessions.values()])
    const node = this.world.pick(this.#alive())
    session.closing = true
    this.#say(`close of ${session.name} at ${node.identity.id}`)
    this.world.own(node.ask({ kind: 'delete', id: session.id }).then(answer => {
      this.#say(`close of ${session.name}: ${answer?.status}`)
      if (answer?.status !== 200) return
      this.#model.closed(session, answer.node!)
      this.counts.closed++
    }))
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
    for (const session of this.#model.sessions.values()) await this.#final(session)
  }

  async #final (session: Known): Promise<void> {
    this.counts.checked++
    const nodes = this.#alive()
    if (!this.#model.healed(session, nodes)) return
    const answers = nodes.map(node => ({ node, answer: undefined as Answer | undefined }))
    for (const asked of answers) {
      this.world.own(asked.node.ask({ kind: 'call', id: session.id }).then(answer => { asked.answer = answer }))
      await this.world.advance(12_000)
    }
    this.#model.final(session, answers)
  }

  #say (what: string): void {
    this.trace.push(`${this.world.now} ${what}`)
  }
}
