import { MissBudget } from '../../shared-directory/miss-budget.ts'
import type { Keys } from '../keys.ts'
import type { Link } from '../link/link.ts'
import { shareSecret } from '../scripts/node-scripts.ts'

/** Who makes proofs of the secret. */
export interface SecretKeeper {
  /** What the secret is to be, where there is none. */
  candidate: () => string
  /** The secret that the nodes share now. False: it is none. */
  learn: (secret: unknown) => boolean
  /** Set by who knows where the secret is: looks there for one that is not known here. False: it could not be asked for, or has been too often. Never rejects. */
  renew?: (() => Promise<boolean>) | undefined
}

interface SharedSecretParts {
  link: Pick<Link, 'run'>
  keys: Keys
  keeper: SecretKeeper
  /** Redis refused, or did not answer. */
  onFailed: (err: unknown) => void
}

/** Looks a second, and at once, that clients can bring about. */
const RENEWALS = 10

/** The secret that all nodes of a Redis know: made by the first, and again after a loss. */
export class SharedSecret {
  readonly #parts: SharedSecretParts
  readonly #renewals = new MissBudget(RENEWALS, RENEWALS)
  #renewing: Promise<boolean> | undefined

  constructor (parts: SharedSecretParts) {
    this.#parts = parts
    parts.keeper.renew = () => this.#renew()
  }

  /** Looks what it is now: whether it could be told. Never rejects. */
  async look (): Promise<boolean> {
    const { keeper, onFailed } = this.#parts
    try {
      const found = await this.#share()
      // Somebody else's value: what cannot be a secret counts as none.
      const learnt = keeper.learn(found) || keeper.learn(await this.#share(String(found)))
      if (!learnt) onFailed(new Error('the secret of the nodes cannot be read'))
      return learnt
    } catch (err) {
      onFailed(err)
      return false
    }
  }

  /** Those who ask at the same time share a look. */
  async #renew (): Promise<boolean> {
    if (this.#renewing === undefined && !this.#renewals.take()) return false
    this.#renewing ??= this.look().finally(() => { this.#renewing = undefined })
    return this.#renewing
  }

  #share (over = ''): Promise<unknown> {
    const { link, keys, keeper } = this.#parts
    return link.run(shareSecret, keys.secret, [keeper.candidate(), over])
  }
}
