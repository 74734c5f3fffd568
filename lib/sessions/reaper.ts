import type { Reaped } from '../counters.ts'
import type { LocalSession } from './session.ts'

/**
 * Whether a session's time is over. An open stream or a call in flight always
 * keeps it.
 */
export function isDue (
  session: Pick<LocalSession, 'busy' | 'streams' | 'used' | 'seen'>,
  limits: { idleTimeout: number, firstUseTimeout: number },
  now: number
): Reaped | undefined {
  if (session.busy || session.streams > 0) return undefined
  const silent = now - session.seen
  if (!session.used && silent >= limits.firstUseTimeout) return 'never_used'
  return silent >= limits.idleTimeout ? 'idle' : undefined
}

/**
 * Looks at every session a few times within the shorter of the two time-outs.
 * Sessions that something keeps open count as seen. Returns what stops it; the
 * timer does not keep the process alive.
 */
export function startReaper ({ sessions, limits, onDue, onKept }: {
  sessions: () => Iterable<LocalSession>
  limits: { idleTimeout: number, firstUseTimeout: number }
  onDue: (session: LocalSession, why: Reaped) => void
  onKept: (session: LocalSession) => void
}): () => void {
  const shortest = Math.min(limits.idleTimeout, limits.firstUseTimeout)
  if (shortest === Infinity) return () => {}
  const timer = setInterval(() => {
    const now = performance.now()
    for (const session of sessions()) {
      if (session.busy || session.streams > 0) {
        session.seen = now
        onKept(session)
        continue
      }
      const why = isDue(session, limits, now)
      if (why !== undefined) onDue(session, why)
    }
  }, Math.min(15_000, Math.max(10, shortest / 4)))
  timer.unref()
  return () => clearInterval(timer)
}
