/** What a node says of itself and the others when an operator asks it to look. */
export interface Look {
  /** The version of its package. */
  version: string
  /** Requests that other nodes have answered for it since it started. */
  forwarded: number
  /** By node id, its own too: `reached`, or what was met at that node's url. */
  sees: Record<string, string>
}

/** What stands in `sees` for a node that proved itself at its url. */
export const REACHED = 'reached'
