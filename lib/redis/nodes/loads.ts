import { BEATS, youngFor } from '../../beats.ts'
import type { NodeIdentity } from '../../directory/node.ts'
import { json } from '../json.ts'
import type { Keys } from '../keys.ts'
import type { Link } from '../link/link.ts'
import type { Unreadable } from '../link/unreadable.ts'
import { dropLoads, putLoad, readLoads } from '../scripts/member-scripts.ts'

/** What a node has to do. */
export interface Load {
  /** Its sessions. */
  sessions: number
  /** How many more it takes; 0 while it drains. */
  room: number
  /** How many of its sessions have which tag. */
  tags?: Record<string, number>
}

interface LoadsParts {
  link: Pick<Link, 'run'>
  keys: Keys
  node: Pick<NodeIdentity, 'id'>
  /** Milliseconds between two beats. */
  heartbeat: number
  unreadable: Unreadable
}

/** What the nodes have to do: each writes its own once a beat, if it has changed, and whoever looks for room reads all. */
export class Loads {
  readonly #parts: LoadsParts
  #written = ''
  #left = 0
  #reading: Promise<ReadonlyMap<string, Load>> | undefined
  #readAt = -Infinity

  constructor (parts: LoadsParts) {
    this.#parts = parts
  }

  /** Once a beat. An eviction may have taken what was written, so it is written now and then though it is the same. */
  async turn ({ sessions, room, tags }: Load): Promise<void> {
    const { link, keys, node } = this.#parts
    const load = JSON.stringify([sessions, room, tags])
    if (load === this.#written && --this.#left > 0) return
    await link.run(putLoad, keys.loads, [node.id, load])
    this.#written = load
    this.#left = BEATS.all
  }

  /** By node id, as it is now or was a moment ago: a storm of orphans reads it once. What makes no sense is left out. */
  read (): Promise<ReadonlyMap<string, Load>> {
    if (this.#reading === undefined || performance.now() - this.#readAt > youngFor(this.#parts.heartbeat)) {
      this.#readAt = performance.now()
      this.#reading = this.#readAll()
      this.#reading.catch(() => { this.#reading = undefined })
    }
    return this.#reading
  }

  async #readAll (): Promise<ReadonlyMap<string, Load>> {
    const { link, keys, unreadable } = this.#parts
    const flat = await unreadable.orAbsent<string[]>('the loads of the nodes', link.run(readLoads, keys.loads), [])
    const loads = new Map<string, Load>()
    for (let i = 0; i < flat.length; i += 2) {
      const load = readLoad(flat[i + 1])
      if (load !== undefined) loads.set(flat[i]!, load)
    }
    return loads
  }

  async drop (ids: string[] = [this.#parts.node.id]): Promise<void> {
    await this.#parts.link.run(dropLoads, this.#parts.keys.loads, ids)
  }
}

function readLoad (text: string | undefined): Load | undefined {
  const value = json(text)
  if (!Array.isArray(value)) return undefined
  const [sessions, room, tags] = value as unknown[]
  if (!isCount(sessions) || (room !== null && !isCount(room))) return undefined
  const counts = Object.entries(Object(tags) as object).filter((entry): entry is [string, number] => isCount(entry[1]))
  // Infinity is null in JSON.
  return { sessions, room: room === null ? Infinity : room, tags: Object.fromEntries(counts) }
}

function isCount (value: unknown): value is number {
  return typeof value === 'number' && value >= 0
}
