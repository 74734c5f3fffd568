import type { Breaker } from './breaker.ts'

/** What a command gets on top when the event loop was held up, in milliseconds. */
const GRACE = 50

/** Redis did not answer, or was not asked because it isn't answering: whether the command took effect is unknown. */
export class NoAnswer extends Error {}

/**
 * The answer to a command, or NoAnswer after `bound` milliseconds; the breaker
 * hears what became of it, however late.
 */
export function bounded (command: Promise<unknown>, bound: number, breaker: Breaker): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const end = performance.now() + bound
    let settled = false
    const overdue = () => {
      if (settled) return
      breaker.overdue(command, bound)
      reject(new NoAnswer(`no answer within ${bound} ms`))
    }
    // A timer that comes late says that this process was busy, not Redis. The answer may be in the socket: look there first.
    let timer = setTimeout(() => {
      if (performance.now() < end + GRACE) setImmediate(overdue)
      else timer = setTimeout(() => setImmediate(overdue), GRACE)
    }, bound)
    command.then(answer => {
      breaker.answered()
      resolve(answer)
    }, err => {
      if (isAnswer(err)) breaker.answered()
      else breaker.failed(command, err.message)
      reject(isAnswer(err) ? err : new NoAnswer(err.message))
    }).finally(() => {
      settled = true
      clearTimeout(timer)
    })
  })
}

function isAnswer (err: Error): boolean {
  return err.name === 'ReplyError'
}
