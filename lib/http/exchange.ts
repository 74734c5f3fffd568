/**
 * One HTTP request with its pending answer, as the transport sees it. The
 * routes implement it over a Fastify reply; exactly one of `json`, `accepted`
 * and `stream` may be called, once.
 */
export interface Exchange {
  /** False once the client has gone away. */
  readonly open: boolean
  /** What the node that has passed the request on, and has proven itself, says of its span. */
  readonly trace?: string | undefined
  /** Answers with a JSON body that is serialized already. Runs the application's onSend hooks. */
  json: (body: string) => void
  /** Answers 202 without a body. */
  accepted: () => void
  /** Answers 200 text/event-stream and hands out the open stream; headers are sent at once. */
  stream: () => EventStream
}

/** The writing end of an open SSE response. */
export interface EventStream {
  /** False once it has ended, from either side. */
  readonly open: boolean
  /**
   * Writes whole SSE frames. False: the client has yet to take what was
   * written; `drained` settles when it has or is gone. `held`: about how many
   * bytes its caller holds on to until then.
   */
  write: (frames: string) => boolean
  drained: (held?: number) => Promise<void>
  /** Writes a keep-alive comment, unless something is unread. Must not throw. Called until the connection is gone, also after `end`. */
  ping: () => void
  /** Ends the response. Does nothing when it has ended. */
  end: () => void
  /** Drops the connection with whatever is still unsent. Does nothing when it has ended. */
  destroy: () => void
  /** Called once when the connection is gone, from either side. To be asked for before anything is written. */
  onEnd: (listener: () => void) => void
}
