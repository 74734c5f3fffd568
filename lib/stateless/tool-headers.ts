import type { JsonRpcError, JsonRpcResult } from '../transport/messages.ts'
import { META, REVISION } from './revision.ts'
import type { Channel } from './channel.ts'
import { declarationsOf, PREFIX } from './param-headers.ts'
import type { Declaration } from './param-headers.ts'

/** A server that can say what one of its tools takes: McpServer of SDK 2.x. */
interface KnowsTools {
  toolInputSchemaJson?: (name: string) => object | undefined
  _registeredTools?: Record<string, { inputSchema?: object } | undefined>
}

interface ToolHeadersParts {
  /** What the application's createServer returned. */
  product: KnowsTools
  channel: Channel
  /** The server serves one request and goes: asking it for all its tools first would double the work. */
  single: boolean
}

/** Lists have an end; one that has none is left after so many pages. */
const PAGES = 100
/** By the application's schema where there is one, so that servers which share schemas share what was found in them. */
const known = new WeakMap<object, readonly Declaration[]>()

/** Which fields the calls of a server's tools must have. */
export class ToolHeaders {
  readonly #parts: ToolHeadersParts
  #listed: Promise<Map<string, readonly Declaration[]>> | undefined

  constructor (parts: ToolHeadersParts) {
    this.#parts = parts
  }

  /** What a tool declares; a promise where the server has to be asked. Of an unknown tool: nothing. */
  of (name: string, headers: Readonly<Record<string, unknown>>): readonly Declaration[] | Promise<readonly Declaration[]> {
    const { product, single } = this.#parts
    if (typeof product.toolInputSchemaJson === 'function') return this.#told(name)
    // A field that lies is always found; one that is missing, where a list costs no more than once.
    if (single && !Object.keys(headers).some(field => field.startsWith(PREFIX))) return []
    this.#listed ??= this.#list()
    return this.#listed.then(listed => listed.get(name) ?? [])
  }

  /** The tools have changed. */
  forget (): void {
    this.#listed = undefined
  }

  #told (name: string): readonly Declaration[] {
    const { product } = this.#parts
    const tools = product._registeredTools
    const own = tools !== undefined && Object.hasOwn(tools, name) ? tools[name]?.inputSchema : undefined
    const found = own === undefined ? undefined : known.get(own)
    if (found !== undefined) return found
    if (tools !== undefined && own === undefined) return []
    const schema = product.toolInputSchemaJson!(name)
    if (schema === undefined) return []
    const declarations = declarationsOf(schema)
    if (own !== undefined) known.set(own, declarations)
    return declarations
  }

  async #list (): Promise<Map<string, readonly Declaration[]>> {
    const listed = new Map<string, readonly Declaration[]>()
    let cursor: unknown
    for (let page = 0; page < PAGES; page++) {
      const result = await this.#page(cursor)
      for (const { name, inputSchema } of (result['tools'] ?? []) as Array<{ name: string, inputSchema: unknown }>) listed.set(name, declarationsOf(inputSchema))
      cursor = result['nextCursor']
      if (cursor === undefined) break
    }
    return listed
  }

  /** A page of the server's own list; nothing where it has none. */
  #page (cursor: unknown): Promise<Record<string, unknown>> {
    const params = { ...(cursor !== undefined && { cursor }), _meta: { [META.version]: REVISION, [META.capabilities]: {} } }
    return new Promise(resolve => {
      this.#parts.channel.ask({
        request: { jsonrpc: '2.0', id: 0, method: 'tools/list' },
        inside: 0,
        dispatching: false,
        respond: (response: JsonRpcResult | JsonRpcError) => resolve('result' in response ? response.result : {}),
        notify: () => undefined,
        abandoned: () => resolve({})
      }, { jsonrpc: '2.0', id: 0, method: 'tools/list', params }, undefined)
    })
  }
}
