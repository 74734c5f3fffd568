import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { FORMAT } from '../format.ts'

/** What a proof speaks for. */
export interface Proven {
  /** `question`: who holds these sessions? `take`: will you take them? `hop`: a request that is passed on. */
  purpose: 'question' | 'take' | 'hop'
  /** The url of the node that it is for, as its option `node.url` has it: a proof is no good elsewhere. */
  url: string
  method: string
  /** Session ids, in order. */
  sessions: string[]
}

/** Secrets that are remembered: Redis may lose the current one, and not every node hears of the next at once. */
const REMEMBERED = 8
const SECRET = /^[\w-]{22,128}$/
const PROOF = /^(\d{1,9})\.([\w-]{1,64})\.([\w-]{1,32})\.([\w-]{43})$/

/**
 * How nodes prove to each other that they belong to one cluster: an HMAC with
 * a secret that the directory makes once. There is no clock in it, since clocks
 * are off by hours in places; a number used once keeps caches from answering.
 */
export class Proofs {
  readonly #incarnation: string
  /** The current one last. */
  readonly #secrets = new Set<string>()

  /** Asks the directory for a secret that is not known here; the directory sets it. False: it could not, or will not so soon again. Never rejects. */
  renew: (() => Promise<boolean>) | undefined

  /** `incarnation`: of this process, which its proofs name. */
  constructor (incarnation: string) {
    this.#incarnation = incarnation
  }

  /** The secret that proofs are made with; undefined until the directory has told it: then this node proves nothing, and takes nothing. */
  get secret (): string | undefined {
    return [...this.#secrets].at(-1)
  }

  /** All that are remembered, the current one first. */
  get secrets (): readonly string[] {
    return [...this.#secrets].reverse()
  }

  /** What a secret of the directory is to be, should it have none: the one that it had, or a new one. */
  candidate (): string {
    return this.secret ?? randomBytes(32).toString('base64url')
  }

  /** The directory has this secret now. False: it is none. */
  learn (secret: unknown): boolean {
    if (typeof secret !== 'string' || !SECRET.test(secret)) return false
    if (secret === this.secret) return true
    this.#secrets.delete(secret)
    this.#secrets.add(secret)
    for (const oldest of this.#secrets) {
      if (this.#secrets.size <= REMEMBERED) break
      this.#secrets.delete(oldest)
    }
    return true
  }

  /** `<format>.<incarnation>.<number used once>.<HMAC>`; undefined without a secret. */
  make (proven: Proven): string | undefined {
    const { secret } = this
    if (secret === undefined) return undefined
    const head = `${FORMAT}.${this.#incarnation}.${randomBytes(9).toString('base64url')}`
    return `${head}.${hmac(secret, textOf(head, proven))}`
  }

  /** The secret that a proof was made with, if it is one; undefined for anything else. */
  check (proof: unknown, proven: Proven): string | undefined {
    const [, format, incarnation, once, mac] = (typeof proof === 'string' ? PROOF.exec(proof) : undefined) ?? []
    if (mac === undefined) return undefined
    const text = textOf(`${format}.${incarnation}.${once}`, proven)
    return [...this.#secrets].reverse().find(secret => same(hmac(secret, text), mac))
  }

  /** Proves an answer: that it was given to the request with this proof, by who could check it. */
  answer (secret: string, proof: string, body: string): string {
    return hmac(secret, JSON.stringify(['answer', proof, body]))
  }

  /** Whether an answer was given to our own proof by a node of this cluster. */
  isAnswer (answer: unknown, proof: string, body: string): boolean {
    return typeof answer === 'string' && [...this.#secrets].some(secret => same(this.answer(secret, proof, body), answer))
  }
}

function textOf (head: string, { purpose, url, method, sessions }: Proven): string {
  return JSON.stringify([head, purpose, url, method, sessions])
}

function hmac (secret: string, text: string): string {
  return createHmac('sha256', secret).update(text).digest('base64url')
}

function same (a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))
}
