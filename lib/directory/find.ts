import { OptionError } from '../errors.ts'
import { sessionName, tagOf } from '../session-id.ts'
import type { Location } from './directory.ts'
import type { Step, Trails } from './trails.ts'

const NAME = /^[\w-]{12}$/

/** Where an id stands, as operators are told. */
export interface Whereabouts {
  status: 'local' | 'misrouted' | 'orphaned' | 'unknown'
  /** Its owner: with its tag, and its url if it has one, where it lives. */
  node?: { id: string, tag?: string, url?: string }
}

/** Of an id that this process does not hold. */
export function whereaboutsOf (found: Location): Whereabouts {
  if (found.status === 'unknown') return { status: 'unknown' }
  if (found.status === 'orphaned') return { status: 'orphaned', node: { id: found.record.node } }
  const { record, tag, url } = found
  return { status: 'misrouted', node: { id: record.node, tag, ...(url !== undefined && { url }) } }
}

/** What is known of a session. */
export interface Finding {
  /** Its public name. */
  name: string
  /**
   * Where it is, as `locate` has it. `ended`: it is over, and the last step says why. `unknown`: there is none, or it has
   * ended longer ago than is kept.
   */
  status: 'local' | 'misrouted' | 'orphaned' | 'ended' | 'unknown'
  /** Its whole id, while it lives: a credential. */
  id?: string
  /** Its owner. */
  node?: { id: string, tag?: string, url?: string }
  /** What became of it, in order: the last sixteen. */
  steps: Step[]
}

interface FindParts {
  /** The endpoint's name. Default: any. */
  name?: string
  /** Those of this process. */
  sessions?: { ids: () => Iterable<string> }
  trails: Pick<Trails, 'read'>
  locate: (id: string) => Promise<Whereabouts>
}

/** Looks for a session by its name or id. Another endpoint's is unknown. */
export async function find ({ name: endpoint, sessions, trails, locate }: FindParts, nameOrId: string): Promise<Finding> {
  const isId = tagOf(nameOrId) !== undefined
  if (!isId && !NAME.test(nameOrId)) throw new OptionError('nameOrId', 'must be the public name of a session, 12 characters, or its id')
  const name = isId ? sessionName(nameOrId) : nameOrId
  const trail = await trails.read(name)
  if (endpoint !== undefined && trail.steps.some(step => step.endpoint !== undefined && step.endpoint !== endpoint)) return { name, status: 'unknown', steps: [] }
  const { steps } = trail
  const id = isId ? nameOrId : trail.id ?? [...sessions?.ids() ?? []].find(id => sessionName(id) === name)
  const found = id === undefined ? undefined : await locate(id)
  if (found !== undefined && found.status !== 'unknown') return { name, ...found, id: id!, steps }
  return { name, status: steps.at(-1)?.what === 'ended' ? 'ended' : 'unknown', steps }
}
