import { PATHS } from '../../http/internal-paths.ts'
import { ask } from './question.ts'

/** Milliseconds for a connection, and for the answer: a system sends the opening of a connection three times in that, should packets get lost. */
const BOUND = 2500
/** Questions without an answer before a node counts as silent. */
const TRIES = 2
/** Questions at most, with those that this process could not ask or was too busy to hear an answer to. */
const MOST = 4

/**
 * Whether the node at `url` answers, whatever it says: asked over a connection
 * of its own each time, since one that was opened before may lead nowhere while
 * others are well. False only for silence, twice; what keeps this
 * process from asking, or from listening, is none. Never rejects.
 */
export async function answers (url: string, bound = BOUND): Promise<boolean> {
  let silent = 0
  for (let asked = 0; asked < MOST; asked++) {
    const { heard } = await ask(new URL(PATHS.owner, url), {}, bound)
    if (heard === 'nobody' || heard === 'unopened' || heard === 'silence') silent++
    else if (heard !== 'nothing' && heard !== 'unresolved') return true
    if (silent === TRIES) return false
  }
  return true
}
