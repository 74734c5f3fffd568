import type { AnswerWait } from './calls/answer-wait.ts'
import type { Secured } from './takeover/fence.ts'
import type { KeepAlive } from './streams/keep-alive.ts'
import type { CallsTold } from '../events/calls-told.ts'
import type { EventStore } from './mcp-server.ts'
import type { OpeningListeners } from './calls/opening.ts'
import type { ResponseMode } from './calls/post-answer.ts'
import type { TransportLog } from '../http/session-log.ts'
import type { Unsent } from '../http/unsent.ts'

export interface TransportOptions extends OpeningListeners {
  sessionId: string
  /**
   * Random, of this server object alone: names its requests to the client and
   * its streams, so that they are told from those of the one before it.
   */
  token: string
  responseMode: ResponseMode
  eventStore?: EventStore | undefined
  /** Milliseconds that a client should wait before it comes back to a stream; left out: it is not told. */
  retry?: number | undefined
  /** Left out where no other node may own the session. */
  secured?: Secured | undefined
  /** `remembered` has changed. Left out where nobody adopts: then nothing is remembered. */
  remember?: (() => void) | undefined
  /** Hears of the session's calls as they end. */
  told: CallsTold
  /** Shared by the node's transports. */
  waits: AnswerWait
  /** Shared by the node's transports. */
  keepAlive: KeepAlive
  /** Shared by the node's transports. */
  unsent: Unsent
  log: TransportLog
}
