import type { Keys } from '../keys.ts'
import type { Link } from '../link/link.ts'
import { shareSecret } from '../scripts/node-scripts.ts'

/** Who makes proofs of the secret. */
export interface SecretKeeper {
  /** What the secret is to be, where there is none. */
  candidate: () => string
  /** The secret that the nodes share now. False: it is none. */
  learn: (secret: unknown) => boolean
}

export interface SharedSecretParts {
  link: Pick<Link, 'run'>
  keys: Keys
  keeper: SecretKeeper
  /** Redis refused, or did not answer. */
  onFailed: (err: unknown) => void
}

/** The secret that all nodes of a Redis know: made by the first, and again after a loss. */
export class SharedSecret {
  readonly #parts: SharedSecretParts

  constructor (parts: SharedSecretParts) {
    this.#parts = parts
  }

  /** Looks what it is now. Never rejects. */
  async look (): Promise<void> {
    const { keeper, onFailed } = this.#parts
    try {
      const found = await this.#share()
      // Somebody else's value: what cannot be a secret counts as none.
      if (!keeper.learn(found) && !keeper.learn(await this.#share(String(found)))) onFailed(new Error('the secret of the nodes cannot be read'))
    } catch (err) {
      onFailed(err)
    }
  }

  #share (over = ''): Promise<unknown> {
    const { link, keys, keeper } = this.#parts
    return link.run(shareSecret, keys.secret, [keeper.candidate(), over])
  }
}
