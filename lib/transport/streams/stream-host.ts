import type { KeepAlive } from './keep-alive.ts'
import type { EventStore, SessionEvents } from '../mcp-server.ts'
import type { SessionLog } from '../../http/session-log.ts'
import type { Unsent } from '../../http/unsent.ts'

/** What a stream needs of its session. */
export interface StreamHost<Stream> {
  readonly keepAlive: KeepAlive
  /** What the node keeps for its clients. */
  readonly unsent: Unsent
  /** Where named streams keep their events. */
  readonly events: EventStore | SessionEvents | undefined
  /** Milliseconds a client should wait before it resumes. */
  readonly retry: number | undefined
  readonly log: SessionLog
  /** The session has ended: nothing may open any more. */
  readonly ended: boolean
  /** A connection of the stream is open. */
  connected: (stream: Stream) => void
  /** Its connection is gone, from either side. */
  disconnected: (stream: Stream) => void
}

/** Streams among which messages are shared out. */
export interface StreamGroup<Stream> {
  add: (stream: Stream) => void
  remove: (stream: Stream) => void
}
