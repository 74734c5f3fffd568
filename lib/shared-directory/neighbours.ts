import { Recent } from '../bounds/recent.ts'
import { FORMAT } from '../format.ts'

/** Things said that are remembered. */
const REMEMBERED = 1000
/** What is quoted of another node's value. */
const QUOTED = 100

type Value = string | number | boolean

/** Options by their names that must be the same on all nodes, or no node can count on another. The key prefix is one too: nodes that differ in it never meet. */
export interface SharedOptions {
  misroute: 'forward' | 'reject'
  orphan: 'adopt' | 'reject'
  'node.heartbeat': number
  /** With the prefixes before it. */
  path: string
  /** Whether there is one. */
  eventStore: boolean
}

/** What a node says of them; one of format 0 says nothing. */
export type TheirOptions = { [Name in keyof SharedOptions]?: Value }

interface Difference { option: string, ours: Value, theirs: Value }

/** Which of the options another node has set otherwise. What it does not say is no difference: it may be older. */
export function differences (ours: SharedOptions, theirs: TheirOptions): Difference[] {
  return (Object.keys(ours) as Array<keyof SharedOptions>).flatMap(option => {
    const value = theirs[option]
    return value === undefined || value === ours[option] ? [] : [{ option, ours: ours[option], theirs: value }]
  })
}

/** The options in a node's key, as far as they can be some. */
export function readTheirOptions (value: unknown): TheirOptions {
  const names: Array<keyof SharedOptions> = ['misroute', 'orphan', 'node.heartbeat', 'path', 'eventStore']
  const options = Object(value) as Record<string, unknown>
  const theirs: TheirOptions = {}
  for (const name of names) {
    const option = options[name]
    if (typeof option === 'string') theirs[name] = option.slice(0, QUOTED)
    if (typeof option === 'number' || typeof option === 'boolean') theirs[name] = option
  }
  return theirs
}

interface Log { warn: (fields: object, message: string) => void, info: (fields: object, message: string) => void }

/** Another node, as far as it is compared. */
interface Neighbour { id: string, format?: number | undefined, options: TheirOptions }

/** Compares the other nodes with this one, and says once what differs. */
export class Neighbours {
  readonly #ours: SharedOptions | undefined
  readonly #log: Log
  readonly #said = new Recent(REMEMBERED)

  /** Without options of its own it compares the format alone. */
  constructor (ours: SharedOptions | undefined, log: Log) {
    this.#ours = ours
    this.#log = log
  }

  /** A node was seen alive. */
  seen ({ id: node, format = 0, options }: Neighbour): void {
    if (format !== FORMAT) {
      this.#once([node, 'format', format], () => this.#log.info({ node, theirs: format, ours: FORMAT },
        'a node of another version is in the cluster; what one of the two cannot read it leaves to the other'))
    }
    if (this.#ours === undefined) return
    for (const { option, ours, theirs } of differences(this.#ours, options)) {
      this.#once([node, option, theirs], () => this.#log.warn({ node, option, theirs, ours },
        `the option ${option} must be the same on all nodes, and another node has set it otherwise`))
    }
  }

  #once (what: Value[], say: () => void): void {
    const key = JSON.stringify(what)
    if (this.#said.has(key)) return
    this.#said.add(key)
    say()
  }
}
