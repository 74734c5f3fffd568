import { DirectoryUnavailableError } from '../../../lib/errors.ts'
import type { NodeIdentity } from '../../../lib/directory/node.ts'
import { NoAnswer } from './fake-redis.ts'
import type { FakeRedis } from './fake-redis.ts'
import { FakeScripts } from './fake-scripts.ts'
import type { DirectoryFaults } from './fake-scripts.ts'
import type { Process, World } from './world.ts'

/** As in the product: milliseconds that a command may take unless told otherwise. */
const COMMAND = 1000
/** And between tries while it is known not to answer. */
const RETRY = 1000

export interface LinkParts {
  world: World
  redis: FakeRedis
  node: NodeIdentity
  process: Process
  faults: DirectoryFaults
}

/** One node's way to the fake Redis, and its waits. */
export class FakeLink {
  readonly scripts: FakeScripts
  readonly #parts: LinkParts
  #underWay = 0
  /** The latest command that has ended was answered. */
  answered = true
  #retryAt = 0

  constructor (parts: LinkParts) {
    this.#parts = parts
    this.scripts = new FakeScripts(parts.redis, parts.node, parts.faults)
  }

  /** @throws NoAnswer */
  async call<T> (script: (scripts: FakeScripts) => T, bound = COMMAND): Promise<T> {
    const { world, redis, node, process } = this.#parts
    this.#underWay++
    try {
      const answer = await redis.call({ id: node.id, deliver: event => process.deliver(event) }, bound, () => script(this.scripts))
      this.answered = true
      return answer
    } catch (error) {
      this.answered = false
      this.#retryAt = world.now + RETRY
      throw error
    } finally {
      this.#underWay--
    }
  }

  /** Known not to answer, and nothing is on its way that may end that. */
  get silent (): boolean {
    const { world, faults } = this.#parts
    if (faults.deafness === true) return world.now < this.#retryAt + 10 * RETRY
    return !this.answered && this.#underWay === 0 && world.now < this.#retryAt
  }

  /** Whoever does not answer a new connection may be tried. */
  reconnected (): void { this.#retryAt = 0 }

  /** Undefined where no answer came. */
  try<T> (script: (scripts: FakeScripts) => T, bound?: number): Promise<T | undefined> {
    return this.call(script, bound).catch(unanswered)
  }

  /** @throws DirectoryUnavailableError */
  async reading<T> (script: (scripts: FakeScripts) => T): Promise<T> {
    try {
      return await this.call(script)
    } catch (error) {
      unanswered(error)
      throw new DirectoryUnavailableError((error as Error).message)
    }
  }

  wait (milliseconds: number): Promise<void> {
    const { world, process } = this.#parts
    return new Promise(resolve => world.after(Math.max(1, milliseconds), () => process.deliver(resolve)))
  }
}

/** @throws any other error. */
export function unanswered (error: unknown): undefined {
  if (!(error instanceof NoAnswer)) throw error
  return undefined
}
