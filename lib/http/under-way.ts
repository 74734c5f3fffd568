import { onResponseEnd } from './client-response.ts'
import type { ClientResponse } from './client-response.ts'

/** Answers that are yet to be given in full. */
export class UnderWay {
  readonly #answers = new Set<ClientResponse>()

  /** `ended`: called once it has been given, or its client has left. */
  add (answer: ClientResponse, ended?: () => void): void {
    if (this.#answers.has(answer)) return
    this.#answers.add(answer)
    onResponseEnd(answer, () => {
      this.#answers.delete(answer)
      ended?.()
    })
  }

  get size (): number {
    return this.#answers.size
  }

  values (): Iterable<ClientResponse> {
    return this.#answers.values()
  }

  /** Resolves when those that are under way now have been given, or their clients have left. */
  async given (): Promise<void> {
    await Promise.all([...this.#answers].map(answer => new Promise<void>(resolve => onResponseEnd(answer, resolve))))
  }
}
