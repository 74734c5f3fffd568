import type { Breaker } from './breaker.ts'

/** What a command gets on top when the event loop was held up, in milliseconds. */
const GRACE = 50

/** Redis did not answer, or was not asked because it isn't answering: whether the command took effect is unknown. */
export class NoAnswer extends Error {}

/** What a server says that cannot serve yet, or now. */
const NOT_SERVING = /^(?:CLUSTERDOWN|LOADING|MASTERDOWN|BUSY) /

/**
 * The answer to a command, or NoAnswer after `bound` milliseconds; the breaker
 * hears what became of it, however late. That a caller waits no longer is one
 * thing, that the server hangs another: the breaker knows how slow it is.
 */
export function bounded (command: Promise<unknown>, bound: number, breaker: Breaker): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const begun = performance.now()
    const patience = breaker.patience(bound)
    let settled = false
    let timer: NodeJS.Timeout
    const after = (milliseconds: number, over: () => void) => {
      const overdue = () => { if (!settled) over() }
      const end = begun + milliseconds
      // A timer that comes late says that this process was busy, not Redis. The answer may be in the socket: look there first.
      timer = setTimeout(() => {
        if (performance.now() < end + GRACE) setImmediate(overdue)
        else timer = setTimeout(() => setImmediate(overdue), GRACE)
      }, end - performance.now())
    }
    after(bound, () => {
      if (patience > bound) after(patience, () => breaker.overdue(command, patience))
      else breaker.overdue(command, bound)
      reject(new NoAnswer(`no answer within ${bound} ms`))
    })
    const took = () => performance.now() - begun
    command.then(answer => {
      breaker.answered(took())
      resolve(answer)
    }, err => {
      if (isAnswer(err)) breaker.answered(took())
      else breaker.failed(command, err.message)
      reject(isAnswer(err) ? err : new NoAnswer(err.message))
    }).finally(() => {
      settled = true
      clearTimeout(timer)
    })
  })
}

function isAnswer (err: Error): boolean {
  return err.name === 'ReplyError' && !NOT_SERVING.test(err.message)
}
