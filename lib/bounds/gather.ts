/** Ids in one go at most. */
const BATCH = 500

interface Round<Outcome> { ids: Map<string, Promise<Outcome>>, outcomes: Promise<(id: string) => Outcome> }

/** Gathers ids that are handed in during one turn of the event loop, or a few milliseconds, and works on them together. */
export class Gather<Outcome> {
  readonly #work: (ids: string[]) => Promise<(id: string) => Outcome>
  readonly #wait: number | undefined
  #round: Round<Outcome> | undefined

  /** `work` gets at most 500 ids, none of them twice. `wait`: milliseconds, default one turn of the event loop. */
  constructor (work: (ids: string[]) => Promise<(id: string) => Outcome>, wait?: number) {
    this.#work = work
    this.#wait = wait
  }

  ask (id: string): Promise<Outcome> {
    if (this.#round === undefined || this.#round.ids.size >= BATCH) this.#round = this.#begin()
    const { ids, outcomes } = this.#round
    let outcome = ids.get(id)
    if (!outcome) {
      outcome = outcomes.then(of => of(id))
      ids.set(id, outcome)
    }
    return outcome
  }

  #begin (): Round<Outcome> {
    const ids = new Map<string, Promise<Outcome>>()
    const outcomes = this.#gathered().then(() => {
      if (this.#round?.ids === ids) this.#round = undefined
      return this.#work([...ids.keys()])
    })
    return { ids, outcomes }
  }

  #gathered (): Promise<void> {
    return new Promise(resolve => {
      if (this.#wait === undefined) setImmediate(resolve)
      else setTimeout(resolve, this.#wait).unref()
    })
  }
}
