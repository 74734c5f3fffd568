import type { JsonRpcMessage } from '../messages.ts'
import type { Keeper, Unsent } from '../../http/unsent.ts'

/** An event that waits for the event store. Without its content it has gone out by another way, or nowhere. */
export interface WaitingEvent {
  message: JsonRpcMessage | undefined
  json: string | undefined
}

/** The events of one stream that wait for the event store. What they keep counts among what the node keeps for its clients. */
export class WaitingEvents implements Keeper {
  readonly sole = false
  readonly patient = false
  readonly #unsent: Unsent
  readonly #onOverflow: (passed: string[]) => void
  readonly #events = new Set<WaitingEvent>()
  #bytes = 0

  /** `onOverflow` is given the events, in order, when they can wait no longer. */
  constructor (unsent: Unsent, onOverflow: (passed: string[]) => void) {
    this.#unsent = unsent
    this.#onOverflow = onOverflow
  }

  add (message: JsonRpcMessage, json: string): WaitingEvent {
    const event = { message, json }
    this.#events.add(event)
    this.#bytes += cost(json)
    this.#unsent.hold(this, this.#bytes)
    return event
  }

  /** The event need not wait any more. Its JSON, unless it was let go of. */
  take (event: WaitingEvent): string | undefined {
    const { json } = event
    if (json === undefined) return undefined
    event.message = event.json = undefined
    this.#events.delete(event)
    this.#bytes -= cost(json)
    if (this.#events.size === 0) this.#unsent.release(this)
    else this.#unsent.hold(this, this.#bytes, true)
    return json
  }

  letGo (): void {
    const passed: string[] = []
    for (const event of this.#events) {
      passed.push(event.json!)
      event.message = event.json = undefined
    }
    this.#events.clear()
    this.#bytes = 0
    this.#unsent.release(this)
    this.#onOverflow(passed)
  }
}

/** The message and its text. */
function cost (json: string): number {
  return 2 * json.length
}
