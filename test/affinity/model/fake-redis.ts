import type { SessionRecord } from '../../../lib/directory/record.ts'
import type { Holder, Peer } from '../../../lib/directory/tag-table.ts'
import type { World } from './world.ts'

export interface NodeKey extends Peer { epoch: string, expires: number }

/** No answer came: whether the command was carried out is unknown. */
export class NoAnswer extends Error {}

/**
 * What all nodes share. Commands may be late, lost, or carried out without an
 * answer; those of one node are carried out in the order in which it sent them.
 */
export class FakeRedis {
  readonly records = new Map<string, SessionRecord>()
  readonly nodes = new Map<string, NodeKey>()
  readonly closing = new Map<string, Set<string>>()
  readonly holders = new Map<string, Holder>()
  state: 'up' | 'down' | 'hanging' = 'up'
  /** Nodes that cannot reach it. */
  readonly cut = new Set<string>()
  readonly #world: World
  readonly #latest = new Map<string, number>()
  #hung: Array<() => void> = []
  /** A share of commands, or of their answers, is lost. */
  loss = 0

  constructor (world: World) {
    this.#world = world
  }

  get now (): number { return this.#world.now }

  alive (id: string): NodeKey | undefined {
    const key = this.nodes.get(id)
    return key !== undefined && key.expires > this.#world.now ? key : undefined
  }

  /** Runs a script for a node, and answers it within `bound`, or not. */
  call<T> (node: { id: string, deliver: (event: () => void) => void }, bound: number, script: () => T): Promise<T> {
    const world = this.#world
    return new Promise((resolve, reject) => {
      const fail = (): void => node.deliver(() => reject(new NoAnswer(`no answer to ${node.id}`)))
      if (this.state === 'down' || this.cut.has(node.id)) return world.after(1, fail)
      world.after(bound, fail)
      const run = (): void => {
        const answer = script()
        if (this.cut.has(node.id) || world.chance(this.loss)) return
        world.after(world.int(0, 20), () => node.deliver(() => resolve(answer)))
      }
      const at = Math.max(world.now + world.int(0, 20), this.#latest.get(node.id) ?? 0)
      this.#latest.set(node.id, at)
      world.after(at - world.now, () => {
        if (this.state === 'down' || this.cut.has(node.id) || world.chance(this.loss)) return
        if (this.state === 'hanging') this.#hung.push(run)
        else run()
      })
    })
  }

  /** It answers again, also some of what it was asked meanwhile. */
  resume (): void {
    this.state = 'up'
    for (const run of this.#hung.splice(0)) if (this.#world.chance(0.5)) run()
  }

  /** It comes back with nothing. */
  empty (): void {
    this.#hung = []
    this.records.clear()
    this.nodes.clear()
    this.closing.clear()
    this.holders.clear()
    this.state = 'up'
  }
}
