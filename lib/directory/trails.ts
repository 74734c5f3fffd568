import { LRUCache } from 'lru-cache'
import type { EndReason } from '../counters.ts'
import { sessionName } from '../session-id.ts'

/** Why a session ended: as counted, or `node_lost`: its node died, and nobody asked for it until it was swept. */
export type EndedBy = Exclude<EndReason, 'handed_over'> | 'node_lost'

/** One thing that became of a session. */
export interface Step {
  readonly what: 'opened' | 'adopted' | 'handed_over' | 'ended'
  /** Milliseconds since the Unix epoch, by the clock of the node. */
  readonly at: number
  /** `node.id` of the node where it happened. */
  readonly node: string
  /** Where it is known to the node that says it. */
  readonly endpoint?: string
  /** Of `adopted`: the node that had it before. */
  readonly from?: string
  /** Of `ended`. */
  readonly reason?: EndedBy
}

/** What became of a session, in the order of its steps; the last sixteen. */
export interface Trail {
  /** The session's whole id, where it is known: a credential. */
  id?: string
  steps: Step[]
}

/** For operators: what became of sessions, also of those that are gone, by their public names. A hint, never evidence. */
export interface Trails {
  /** Something became of a session. Never throws, nor waits: it is written when it can be. */
  note: (id: string, step: Step) => void
  /**
   * What is known of the session of this name; no steps when that is nothing.
   * @throws DirectoryUnavailableError
   */
  read: (name: string) => Promise<Trail>
}

/** For how long it is known what became of a session that has ended, unless an option says otherwise: a day, in milliseconds. */
export const KEEP_ENDED = 24 * 3600 * 1000
/** Steps that are kept of one session. */
export const STEPS = 16
/** Trails that a process keeps when nobody else does. */
const MOST = 10_000

/** Trails of one process. `keepEnded`: for how long after the end, in milliseconds. */
export function memoryTrails (keepEnded: number): Trails {
  const trails = new LRUCache<string, Trail>({ max: MOST })
  return {
    note (id, step) {
      const name = sessionName(id)
      const steps = [...trails.get(name)?.steps ?? [], step].slice(-STEPS)
      if (step.what !== 'ended') trails.set(name, { id, steps })
      else if (keepEnded > 0) trails.set(name, { steps }, { ttl: keepEnded })
      else trails.delete(name)
    },
    read: async name => inOrder(trails.get(name) ?? { steps: [] })
  }
}

/** A step is noted by its own node, and may be noted late. */
export function inOrder ({ id, steps }: Trail): Trail {
  const sorted = [...steps].sort((a, b) => a.at - b.at)
  return id === undefined ? { steps: sorted } : { id, steps: sorted }
}
