import { LRUCache } from 'lru-cache'
import type { JsonRpcRequest, RequestId } from '../transport/messages.ts'

interface Kept {
  /** The result as JSON, open at its end, without `ttlMs`. */
  json: string
  /** When it ends, by performance.now(). */
  until: number
}

/** Lists and what a server says of itself; what resources hold may be large, and is the application's to keep. */
const KEPT: ReadonlySet<string> = new Set(['server/discover', 'tools/list', 'prompts/list', 'resources/list', 'resources/templates/list'])
/** Characters of all that is kept. */
const ROOM = 16 * 1024 * 1024
const LONGEST_CURSOR = 1024

/** What ends by which news. */
const ENDED_BY: ReadonlyMap<string, readonly string[]> = new Map([
  ['notifications/tools/list_changed', ['tools/list']],
  ['notifications/prompts/list_changed', ['prompts/list']],
  ['notifications/resources/list_changed', ['resources/list', 'resources/templates/list']]
])

/**
 * Public lists that were said of late (spec 2026-07-28, Caching): a server that
 * says `cacheScope: 'public'` and a `ttlMs` lets anybody be answered from what
 * it said, for so long. Each answer says how much of that is left.
 */
export class Answers {
  readonly #kept = new LRUCache<string, Kept>({ maxSize: ROOM, sizeCalculation: ({ json }, key) => json.length + key.length })
  /** Goes up with news, so that what was asked before them is not kept. */
  #news = 0

  get news (): number { return this.#news }

  /** What a request asks for, if its answer may be kept. */
  static key ({ method, params }: JsonRpcRequest): string | undefined {
    if (!KEPT.has(method)) return undefined
    let cursor = ''
    for (const name in params) {
      if (name === '_meta') continue
      const value = params[name]
      if (name !== 'cursor' || typeof value !== 'string' || value.length > LONGEST_CURSOR) return undefined
      cursor = `\n${value}`
    }
    return method + cursor
  }

  /** The whole answer as JSON, while it holds. */
  find (key: string, id: RequestId): string | undefined {
    const kept = this.#kept.get(key)
    if (kept === undefined) return undefined
    const left = Math.floor(kept.until - performance.now())
    if (left > 0) return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${kept.json}"ttlMs":${left}}}`
    this.#kept.delete(key)
    return undefined
  }

  /** A server has said this; kept if it is for everybody. `news`: as they were when it was asked. */
  said (key: string, result: Record<string, unknown>, news: number): void {
    const { ttlMs, ...rest } = result
    if (news !== this.#news || rest['cacheScope'] !== 'public' || rest['resultType'] !== 'complete' || !(Number.isSafeInteger(ttlMs) && (ttlMs as number) > 0)) return
    this.#kept.set(key, { json: `${JSON.stringify(rest).slice(0, -1)},`, until: performance.now() + (ttlMs as number) })
  }

  /** A server says that something has changed. */
  changed (method: string): void {
    const ended = ENDED_BY.get(method)
    if (ended === undefined) return
    this.#news++
    for (const key of [...this.#kept.keys()]) if (ended.includes(key.split('\n', 1)[0]!)) this.#kept.delete(key)
  }
}
