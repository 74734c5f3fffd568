const NEWLINE = 10
const ID = Buffer.from('id:')
const ID_LINE = Buffer.from('\nid:')

/** What has been passed on of an owner's event stream, as far as a good end for it depends on that. */
export class RelayedEvents {
  #resumable = false
  // A stream begins where an event would.
  #last = NEWLINE
  #lastButOne = NEWLINE

  passed (chunk: Buffer): void {
    const { length } = chunk
    if (length === 0) return
    this.#resumable ||= chunk.includes(ID_LINE) || (this.#last === NEWLINE && chunk.subarray(0, ID.length).equals(ID))
    this.#lastButOne = length > 1 ? chunk[length - 2]! : this.#last
    this.#last = chunk[length - 1]!
  }

  /**
   * What to end the stream with: nothing where its client holds an event id
   * and can ask for the rest, else the last words. An event that was cut off
   * gets a type that no client listens to: half a message is none.
   */
  ending (lastWords: () => string): string {
    if (this.#resumable) return ''
    const frames = lastWords()
    if (frames === '' || (this.#last === NEWLINE && this.#lastButOne === NEWLINE)) return frames
    return `\nevent: cut-off\n\n${frames}`
  }
}
