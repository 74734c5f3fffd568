import { sessionName } from '../session-id.ts'

/** The part of the log that the transport uses; a FastifyBaseLogger fits. */
export interface TransportLog {
  debug: (facts: object, text: string) => void
  warn: (facts: object, text: string) => void
  error: (facts: object, text: string) => void
}

/** Log lines that name one session, and never its whole id: that is a credential. */
export class SessionLog {
  readonly #log: TransportLog
  readonly #sessionId: string

  constructor (log: TransportLog, sessionId: string) {
    this.#log = log
    this.#sessionId = sessionId
  }

  debug (text: string, facts?: object): void { this.#log.debug(this.#about(facts), text) }
  warn (text: string, facts?: object): void { this.#log.warn(this.#about(facts), text) }
  error (text: string, facts?: object): void { this.#log.error(this.#about(facts), text) }

  #about (facts: object | undefined): object {
    return { session: sessionName(this.#sessionId), ...facts }
  }
}
