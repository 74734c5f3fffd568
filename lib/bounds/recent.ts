import { LRUCache } from 'lru-cache'

/** Keys that came up of late: so many at most, the oldest makes room, and each for so many milliseconds. */
export class Recent {
  readonly #keys: LRUCache<string, true>

  /** `life`: in milliseconds; without one a key stays until it makes room. */
  constructor (most: number, life = Infinity) {
    // lru-cache takes whole milliseconds, and 0 for no end. With a ttlResolution it would remember the time instead of reading it.
    this.#keys = new LRUCache({ max: most, ttl: life === Infinity ? 0 : Math.ceil(life), ttlResolution: 0 })
  }

  /** It has come up now: its life begins anew. */
  add (key: string): void {
    this.#keys.set(key, true)
  }

  has (key: string): boolean {
    return this.#keys.has(key)
  }

  delete (key: string): void {
    this.#keys.delete(key)
  }
}
