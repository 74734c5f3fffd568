/** How many of something each of many may have at once. Who has none takes no room. */
export class Quota {
  readonly #most: number
  readonly #taken = new Map<string, number>()

  constructor (most: number) {
    this.#most = most
  }

  /** False: it has as many as it may. */
  take (who: string): boolean {
    const taken = this.#taken.get(who) ?? 0
    if (taken >= this.#most) return false
    this.#taken.set(who, taken + 1)
    return true
  }

  /** Gives back what was taken. */
  give (who: string): void {
    const taken = this.#taken.get(who) ?? 0
    if (taken > 1) this.#taken.set(who, taken - 1)
    else this.#taken.delete(who)
  }

  /** How many it has. */
  of (who: string): number {
    return this.#taken.get(who) ?? 0
  }
}
