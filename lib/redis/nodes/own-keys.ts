import { BEATS } from '../../beats.ts'
import type { LocalNode } from '../../directory/directory.ts'
import type { NodeIdentity } from '../../directory/node.ts'
import type { Keys } from '../keys.ts'
import type { Link } from '../link/link.ts'
import type { CloseSet } from './close-set.ts'
import type { Loads } from './loads.ts'
import type { NodeRegistry } from './node-registry.ts'
import { INDEX_LIFE } from '../keeping/own-records.ts'
import { completeIndex, countIndex, pageIndex } from '../scripts/record-scripts.ts'
import type { Unreadable } from '../link/unreadable.ts'

const BATCH = 500

interface OwnKeysParts {
  link: Link
  keys: Keys
  node: NodeIdentity
  local: Pick<LocalNode, 'size' | 'ids' | 'has'>
  registry: Pick<NodeRegistry, 'withdraw'>
  loads: Pick<Loads, 'drop'>
  closeSet: Pick<CloseSet, 'delete'>
  unreadable: Unreadable
  /** Milliseconds between two beats. */
  heartbeat: number
}

/**
 * Looks after what a node writes once and does not read itself: its index. An
 * eviction, or an operator, may take it away. One command a beat, however many
 * sessions there are.
 */
export class OwnKeys {
  readonly #parts: OwnKeysParts
  #due = 0
  #short = 0
  #stopped = false

  constructor (parts: OwnKeysParts) {
    this.#parts = parts
  }

  /** Once a beat, however often it is called: whether it was due. */
  async turn (): Promise<boolean> {
    const now = performance.now()
    if (this.#stopped || now < this.#due) return false
    this.#due = now + this.#parts.heartbeat / 2
    await this.#checkIndex()
    return true
  }

  /** Writes nothing any more: its node takes away what it has there. */
  stop (): void {
    this.#stopped = true
  }

  /** Takes the node's keys away. Sessions of an earlier incarnation may be left in the index; then our id stays, for whoever lists or cleans up. */
  async withdraw (): Promise<void> {
    const { link, keys, node, registry, loads, closeSet, unreadable } = this.#parts
    const left = await unreadable.orAbsent<string[]>(`the index of the node ${node.id}`, link.run(pageIndex, keys.index(node.id), ['', '', '1']), [])
    if (!await registry.withdraw(left.length > 0)) return
    await closeSet.delete()
    await loads.drop()
  }

  async #checkIndex (): Promise<void> {
    const { link, keys, node, local, unreadable } = this.#parts
    const expected = local.size
    if (expected === 0) return
    const size = await unreadable.orAbsent(`the index of the node ${node.id}`, link.run(countIndex, keys.index(node.id)), 0)
    if (Number(size) >= Math.min(expected, local.size)) this.#short = 0
    else if (++this.#short >= BEATS.short) await this.#complete()
  }

  /** What is there keeps its place. */
  async #complete (): Promise<void> {
    const { link, keys, node, local } = this.#parts
    const ids = [...local.ids()]
    for (let at = 0; at < ids.length && !this.#stopped; at += BATCH) {
      const here = ids.slice(at, at + BATCH).filter(id => local.has(id))
      if (here.length > 0) await link.run(completeIndex, keys.index(node.id), [INDEX_LIFE, ...here])
    }
    this.#short = 0
  }
}
