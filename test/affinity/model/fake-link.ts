import { DirectoryUnavailableError } from '../../../lib/errors.ts'
import type { NodeIdentity } from '../../../lib/sessions/directory.ts'
import { NoAnswer } from './fake-redis.ts'
import type { FakeRedis } from './fake-redis.ts'
import { FakeScripts } from './fake-scripts.ts'
import type { DirectoryFaults } from './fake-scripts.ts'
import type { Process, World } from './world.ts'

/** As in the product: milliseconds that a command may take unless told otherwise. */
const COMMAND = 1000

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

  constructor (parts: LinkParts) {
    this.#parts = parts
    this.scripts = new FakeScripts(parts.redis, parts.node, parts.faults)
  }

  /** @throws NoAnswer */
  call<T> (script: (scripts: FakeScripts) => T, bound = COMMAND): Promise<T> {
    const { redis, node, process } = this.#parts
    return redis.call({ id: node.id, deliver: event => process.deliver(event) }, bound, () => script(this.scripts))
  }

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
