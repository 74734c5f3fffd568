import { createCipheriv, createDecipheriv, createHash, createHmac, hkdfSync, randomBytes } from 'node:crypto'

/** What a sealed state belongs to: it is no good for anything else. */
export interface Bound {
  /** The principal as one comparable string; undefined for an anonymous caller. */
  principal: string | undefined
  method: string
  /** Of the parameters; see {@link digestOf}. */
  digest: string
}

interface RequestStateOptions {
  /** The endpoint's name. */
  endpoint: string
  /** Those that a state may be sealed with, the one to seal with first; none: nothing can be sealed or opened yet. */
  secrets: () => readonly string[]
  /** Milliseconds for which a sealed state is taken. Default 10 minutes. */
  life?: number
  /** Milliseconds since the epoch. */
  now?: () => number
}

interface Key { id: Buffer, key: Buffer }

const LIFE = 10 * 60_000
const [ID, TIME, SALT, IV, TAG] = [8, 6, 16, 12, 16]
const HEAD = ID + TIME + SALT + IV
/** Keys that are worked out and remembered; more secrets than these nobody has. */
const MOST_KEYS = 32

/**
 * Seals what a handler wants back with its client's answers, so that any node
 * can open it and its client can neither read nor change it (spec 2026-07-28,
 * Multi Round-Trip Requests): AES-256-GCM, with a key made for each state, so
 * that no number of states wears a secret out. Bound to endpoint, principal,
 * method and parameters, and taken for ten minutes by the clocks of the nodes.
 * It can be used more than once in that time.
 */
export class RequestState {
  readonly #options: RequestStateOptions
  readonly #keys = new Map<string, Key>()

  constructor (options: RequestStateOptions) {
    this.#options = options
  }

  /** Whether there is a key. */
  get ready (): boolean { return this.#options.secrets().length > 0 }

  /** Whether a state names a key that is known here, or is none. */
  knows (sealed: string): boolean {
    const head = headOf(sealed)
    return head === undefined || this.#find(head) !== undefined
  }

  /** Undefined while there is no key. */
  seal (state: string, bound: Bound): string | undefined {
    const [secret] = this.#options.secrets()
    if (secret === undefined) return undefined
    const { id, key } = this.#key(secret)
    const time = Buffer.alloc(TIME)
    time.writeUIntBE(this.#now(), 0, TIME)
    const head = Buffer.concat([id, time, randomBytes(SALT + IV)])
    const cipher = createCipheriv('aes-256-gcm', own(key, head), head.subarray(ID + TIME + SALT), { authTagLength: TAG })
    cipher.setAAD(this.#context(head, bound))
    return Buffer.concat([head, cipher.update(state, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString('base64url')
  }

  /** The state; undefined for what was not sealed for exactly this, or too long ago. */
  open (sealed: string, bound: Bound): string | undefined {
    const head = headOf(sealed)
    const found = head && this.#find(head)
    const { life = LIFE } = this.#options
    // A node whose clock goes ahead may have sealed it.
    if (head === undefined || found === undefined || Math.abs(this.#now() - head.readUIntBE(ID, TIME)) > life) return undefined
    const decipher = createDecipheriv('aes-256-gcm', own(found.key, head), head.subarray(ID + TIME + SALT), { authTagLength: TAG })
    decipher.setAAD(this.#context(head, bound))
    const bytes = Buffer.from(sealed, 'base64url')
    decipher.setAuthTag(bytes.subarray(-TAG))
    try {
      return Buffer.concat([decipher.update(bytes.subarray(HEAD, -TAG)), decipher.final()]).toString('utf8')
    } catch {
      return undefined
    }
  }

  #context (head: Buffer, { principal, method, digest }: Bound): Buffer {
    return Buffer.from(JSON.stringify([head.toString('base64url'), this.#options.endpoint, principal ?? null, method, digest]))
  }

  #find (head: Buffer): Key | undefined {
    return this.#options.secrets().map(secret => this.#key(secret)).find(({ id }) => id.equals(head.subarray(0, ID)))
  }

  #key (secret: string): Key {
    let found = this.#keys.get(secret)
    if (found === undefined) {
      const derived = Buffer.from(hkdfSync('sha256', secret, '', 'fastify-mcp-sticky request state', 32 + ID))
      found = { key: derived.subarray(0, 32), id: derived.subarray(32) }
      if (this.#keys.size >= MOST_KEYS) this.#keys.clear()
      this.#keys.set(secret, found)
    }
    return found
  }

  #now (): number {
    return this.#options.now?.() ?? Date.now()
  }
}

/** What a sealed state begins with; undefined for what is none. */
function headOf (sealed: string): Buffer | undefined {
  const bytes = Buffer.from(sealed, 'base64url')
  return bytes.length < HEAD + TAG || bytes.toString('base64url') !== sealed ? undefined : bytes.subarray(0, HEAD)
}

/** What states are sealed with: the application's own secrets, or those that the nodes share, as far as they are known, or one of this process. */
export function sealing (own: readonly string[] | undefined, shared: { readonly secrets: readonly string[] } | undefined): () => readonly string[] {
  if (own === undefined && shared !== undefined) return () => shared.secrets
  const secrets = own ?? [randomBytes(32).toString('base64url')]
  return () => secrets
}

/** A digest of what a request asks for: its parameters but for the envelope and the answers, whatever the order of their members. */
export function digestOf (params: Readonly<Record<string, unknown>> = {}): string {
  const { _meta, requestState, inputResponses, ...asked } = params
  return createHash('sha256').update(JSON.stringify(asked, ordered)).digest('base64url')
}

function ordered (_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1))
}

/** The key of one state. */
function own (key: Buffer, head: Buffer): Buffer {
  return createHmac('sha256', key).update(head.subarray(ID + TIME, ID + TIME + SALT)).digest()
}
