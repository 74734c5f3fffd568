import { Recent } from '../../bounds/recent.ts'
import type { Log } from './availability.ts'

/** Keys that are remembered as said. */
const REMEMBERED = 1000

/**
 * What is in Redis under a name of ours and no node of ours can have written:
 * another program's, or damaged. It counts as absent and is said in the log
 * once, without its content.
 */
export class Unreadable {
  readonly #log: Pick<Log, 'warn'>
  readonly #said = new Recent(REMEMBERED)

  constructor (log: Pick<Log, 'warn'>) {
    this.#log = log
  }

  /** `what`: for the log, so nobody's session id. */
  found (what: string): void {
    if (this.#said.has(what)) return
    this.#said.add(what)
    this.#log.warn({ what }, 'unreadable in Redis: it counts as absent; the key prefix must be the plugin\'s alone')
  }

  /** What Redis answers, or `absent` when the key holds another type than ours. */
  async orAbsent<T> (what: string, answer: Promise<unknown>, absent: T): Promise<T> {
    try {
      return await answer as T
    } catch (err) {
      if (!isOfAnotherType(err)) throw err
      this.found(what)
      return absent
    }
  }
}

/** Whether Redis refused a command because the key holds another type. Older servers wrap what happens in a script. */
export function isOfAnotherType (err: unknown): boolean {
  return err instanceof Error && err.name === 'ReplyError' && err.message.includes('WRONGTYPE')
}
