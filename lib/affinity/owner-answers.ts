import type { Dispatcher } from 'undici'
import { OWNER_PATH } from './owner-question.ts'

/** Milliseconds for an answer. Longer than it takes a system to send the opening of a connection a second time, should the first get lost. */
export const ANSWER_BOUND = 1500
/** Questions without an answer before a node counts as silent: of ten packets one may get lost. */
const TRIES = 3
/** A timer that is so much late, in milliseconds, says that this process stood still, and could not hear an answer. */
const LATE = 500

/** How a connection fails that nobody answers. Everything else speaks for somebody, or of this node's own troubles. */
const SILENCE = ['UND_ERR_CONNECT_TIMEOUT', 'ETIMEDOUT', 'ECONNREFUSED', 'EHOSTUNREACH', 'EHOSTDOWN', 'ENETUNREACH']

/**
 * Whether a node answers, whatever it says: asked over a connection of its own
 * each time, since one that was opened before may lead nowhere while others
 * are well. False only for silence, several times. Never rejects.
 */
export async function answers (connection: () => Dispatcher, tries = TRIES): Promise<boolean> {
  for (let silent = 0; silent < tries;) {
    const asked = performance.now()
    if (!await isSilent(connection())) return true
    if (performance.now() - asked < ANSWER_BOUND + LATE) silent++
  }
  return false
}

async function isSilent (connection: Dispatcher): Promise<boolean> {
  const over = new AbortController()
  // What has arrived is read before it is called late.
  const timer = setTimeout(() => setImmediate(() => over.abort()), ANSWER_BOUND).unref()
  try {
    const { body } = await connection.request({ method: 'GET', path: OWNER_PATH, signal: over.signal })
    await body.dump()
    return false
  } catch (error) {
    return over.signal.aborted || SILENCE.includes((error as NodeJS.ErrnoException).code!)
  } finally {
    clearTimeout(timer)
    await connection.destroy()
  }
}
