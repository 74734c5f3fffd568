import type { RequestId } from '../../transport/messages.ts'

/** The requests that each stream of a session has yet to answer, as JSON. */
export class OpenRequests {
  readonly #byStream = new Map<string, string[]>()

  begin (stream: string, requests: RequestId[]): void {
    if (!this.#byStream.has(stream)) this.#byStream.set(stream, requests.map(id => JSON.stringify(id)))
  }

  /** Those that are left when this message is stored; undefined when nothing is known of the stream. */
  after (stream: string, message: object): string[] | undefined {
    const open = this.#byStream.get(stream)
    if ('method' in message || !('id' in message)) return open
    const answered = JSON.stringify(message.id)
    return open?.filter(id => id !== answered)
  }

  stored (stream: string, left: string[]): void {
    if (left.length === 0) this.#byStream.delete(stream)
    else this.#byStream.set(stream, left)
  }

  /** What a stored event says is left: a request that any event of its stream leaves out is answered. */
  seen (stream: string, left: string[]): void {
    const open = this.#byStream.get(stream)
    this.#byStream.set(stream, open === undefined ? left : open.filter(request => left.includes(request)))
  }

  /** Each request that is left, with those that its stream still has to answer after it. */
  * answers (): Iterable<{ stream: string, request: string, open: string[] }> {
    for (const [stream, left] of this.#byStream) {
      for (const [place, request] of left.entries()) yield { stream, request, open: left.slice(place + 1) }
    }
  }
}
