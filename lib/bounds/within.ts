import { setTimeout } from 'node:timers/promises'

/** Waits for work, for `bound` milliseconds at most; what comes of it later is not this waiter's. */
export async function within (bound: number, work: Promise<unknown>): Promise<void> {
  const over = new AbortController()
  try {
    await Promise.race([work, setTimeout(Math.max(0, bound), undefined, { signal: over.signal })])
  } finally {
    over.abort()
  }
}
