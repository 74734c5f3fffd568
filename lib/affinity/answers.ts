import { OWNER_PATH } from './owner-question.ts'
import { ask } from './question.ts'

/** Milliseconds for a connection, and for the answer. Longer than it takes a system to send a packet a second time that got lost. */
const BOUND = 1500
/** Questions without an answer before a node counts as silent: of ten packets one may get lost. */
const TRIES = 3

/**
 * Whether the node at `url` answers, whatever it says: asked over a connection
 * of its own each time, since one that was opened before may lead nowhere while
 * others are well. False only for silence, several times; what keeps this
 * process from asking, or from listening, is none. Never rejects.
 */
export async function answers (url: string, bound = BOUND): Promise<boolean> {
  let silent = 0
  for (let asked = 0; asked < 2 * TRIES; asked++) {
    const { heard } = await ask(new URL(OWNER_PATH, url), {}, bound)
    if (heard === 'nobody' || heard === 'silence') silent++
    else if (heard !== 'nothing') return true
    if (silent === TRIES) return false
  }
  return true
}
