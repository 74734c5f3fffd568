import type { Dispatcher } from 'undici'
import { OWNER_PATH } from './owner-question.ts'

/** Whether a node answers at all within `bound` milliseconds, whatever it says. Never rejects. */
export async function answers (node: () => Dispatcher, bound: number): Promise<boolean> {
  try {
    const { body } = await node().request({ method: 'GET', path: OWNER_PATH, signal: AbortSignal.timeout(bound) })
    await body.dump()
    return true
  } catch {
    return false
  }
}
