import type { AnswerWait } from './answer-wait.ts'
import type { Secured } from './fence.ts'
import type { KeepAlive } from './keep-alive.ts'
import type { EventStore } from './mcp-server.ts'
import type { ResponseMode } from './post-answer.ts'
import type { TransportLog } from './stream-host.ts'

/** What becomes of an initialize request. Exactly one of the two is called; neither by a replay. */
export interface Opening {
  /**
   * The server accepted. The answer, whose headers carry the session id, waits
   * for this; a rejection turns it into an error.
   */
  onInitialized?: (result: Record<string, unknown>) => Promise<void> | void
  /** The server refused: there is no session. Called before the answer is sent. */
  onInitializeFailed?: () => void
}

export interface TransportOptions extends Opening {
  sessionId: string
  /**
   * Random, of this server object alone: names its requests to the client and
   * its streams, so that they are told from those of the one before it.
   */
  token: string
  responseMode: ResponseMode
  eventStore?: EventStore | undefined
  /** Milliseconds that a client should wait before it comes back to a stream. */
  retry?: number | undefined
  /** Left out where no other node may own the session. */
  secured?: Secured | undefined
  /** `remembered` has changed. Left out where nobody adopts: then nothing is remembered. */
  remember?: (() => void) | undefined
  /** Shared by the node's transports. */
  waits: AnswerWait
  /** Shared by the node's transports. */
  keepAlive: KeepAlive
  log: TransportLog
}
