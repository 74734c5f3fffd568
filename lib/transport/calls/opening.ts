/** What becomes of an initialize request. Exactly one of the two is called; neither by a replay. */
export interface OpeningListeners {
  /**
   * The server accepted. The answer, whose headers carry the session id, waits
   * for this; a rejection turns it into an error.
   */
  onInitialized?: (result: Record<string, unknown>) => Promise<void> | void
  /** The server refused: there is no session. Called before the answer is sent. */
  onInitializeFailed?: () => void
}

/** A session that opens. Its listeners are let go of when it has: what they refer to should not live as long as the session. */
export class Opening {
  #listeners: OpeningListeners | undefined

  constructor ({ onInitialized, onInitializeFailed }: OpeningListeners) {
    this.#listeners = { ...(onInitialized && { onInitialized }), ...(onInitializeFailed && { onInitializeFailed }) }
  }

  async accepted (result: Record<string, unknown>): Promise<void> {
    await this.#over()?.onInitialized?.(result)
  }

  refused (): void {
    this.#over()?.onInitializeFailed?.()
  }

  #over (): OpeningListeners | undefined {
    const listeners = this.#listeners
    this.#listeners = undefined
    return listeners
  }
}
