import type { FreshConnection } from './forward-pools.ts'
import { OWNER_PATH } from './owner-question.ts'

/**
 * How long an answer is waited for: so many steps of so many milliseconds.
 * Longer than it takes a system to send the opening of a connection a second
 * time, should the first get lost. In steps, since a process that stands still
 * meanwhile, and cannot hear, has not waited.
 */
const STEPS = 15
const STEP = 100
/** Questions without an answer before a node counts as silent: of ten packets one may get lost. */
const TRIES = 3

/** How a connection fails that nobody answers. Everything else speaks for somebody, or of this node's own troubles. */
const SILENCE = ['UND_ERR_CONNECT_TIMEOUT', 'ETIMEDOUT', 'ECONNREFUSED', 'EHOSTUNREACH', 'EHOSTDOWN', 'ENETUNREACH']

/**
 * Whether a node answers, whatever it says: asked over a connection of its own
 * each time, since one that was opened before may lead nowhere while others
 * are well. False only for silence, several times. Never rejects.
 */
export async function answers (connection: () => FreshConnection): Promise<boolean> {
  for (let tries = 0; tries < TRIES; tries++) if (!await isSilent(connection())) return true
  return false
}

async function isSilent ({ dispatcher, resolving }: FreshConnection): Promise<boolean> {
  const over = new AbortController()
  let steps = 0
  // What has arrived is read before it is called late.
  const timer = setInterval(() => { if (++steps === STEPS) setImmediate(() => over.abort()) }, STEP).unref()
  try {
    const { body } = await dispatcher.request({ method: 'GET', path: OWNER_PATH, signal: over.signal })
    await body.dump()
    return false
  } catch (error) {
    if (resolving()) return false
    return over.signal.aborted || SILENCE.includes((error as NodeJS.ErrnoException).code!)
  } finally {
    clearInterval(timer)
    await dispatcher.destroy()
  }
}
