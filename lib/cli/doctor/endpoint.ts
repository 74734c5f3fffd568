import { randomBytes } from 'node:crypto'
import { Client } from 'undici'
import type { Dispatcher } from 'undici'

/** Bytes of an answer that are read. */
const MOST = 64 * 1024
const REVISION = '2025-11-25'

type Headers = Record<string, string>

export interface Answer {
  status: number
  headers: Dispatcher.ResponseData['headers']
  /** The body, or its last event, as JSON; undefined for anything else. */
  json: any
  /** `error.data.reason`, by which an answer is one of the plugin's. */
  reason: string | undefined
}

export interface Asked {
  method?: Dispatcher.HttpMethod
  url?: URL
  /** A JSON-RPC message, or text. */
  body?: object | string
  headers?: Headers
  signal?: AbortSignal
  /** What the caller gave with --header: default true. */
  own?: boolean
  /** Cookies that were set before: default true. */
  cookies?: boolean
}

interface EndpointOptions {
  url: URL
  /** Of the caller, names in lower case: secret. */
  headers: Headers
  /** For how long a sign of life on a stream is waited for, in milliseconds. */
  patience: number
  /** For how long a stream is kept open; undefined: it is not tried. */
  long?: number | undefined
  /** Of a page that asks. */
  origin?: string | undefined
}

/** An MCP endpoint, as a client sees it: each request goes over a connection of its own. */
export class Endpoint {
  readonly url: URL
  readonly patience: number
  readonly long: number | undefined
  readonly origin: string | undefined
  /** The session that is looked at. */
  session: string | undefined
  /** Whether a request finds it each time; undefined: that is not known. */
  steady: boolean | undefined
  /** A node has answered initialize. */
  ours = false
  /** It answers 401 to the caller. */
  shut = false
  readonly #headers: Headers
  readonly #cookies = new Map<string, string>()
  /** What was opened, and has to be deleted. */
  readonly #open = new Set<string>()

  constructor ({ url, headers, patience, long, origin }: EndpointOptions) {
    this.url = url
    this.#headers = headers
    this.patience = patience
    this.long = long
    this.origin = origin
  }

  /** The caller has given a token, or something like it. */
  get authorized (): boolean { return this.#headers['authorization'] !== undefined }

  /** Names of the cookies that were set. */
  get cookies (): string[] { return [...this.#cookies.keys()] }

  /** One request and its whole answer. @throws Error when there is none */
  async ask (asked: Asked = {}): Promise<Answer> {
    const { response: { statusCode: status, headers, body }, end } = await this.begin(asked)
    try {
      let text = ''
      for await (const chunk of body) if (text.length < MOST) text += String(chunk)
      const json = parsed(text.split('\n').findLast(line => /^data: ./.test(line))?.slice('data: '.length) ?? text)
      const reason = json?.error?.data?.reason
      return { status, headers, json, reason: typeof reason === 'string' ? reason : undefined }
    } finally {
      await end()
    }
  }

  /** One request and the beginning of its answer; `end` gives the connection up. @throws Error when there is none */
  async begin ({ method = 'POST', url = this.url, body, headers, signal, own = true, cookies = true }: Asked): Promise<{ response: Dispatcher.ResponseData, end: () => Promise<void> }> {
    const client = new Client(url.origin, { headersTimeout: 0, bodyTimeout: 0, allowH2: false })
    const end = (): Promise<void> => client.destroy()
    const jar = [...this.#cookies].map(([name, value]) => `${name}=${value}`)
    const cookie = [...own && this.#headers['cookie'] !== undefined ? [this.#headers['cookie']] : [], ...cookies ? jar : []].join('; ')
    try {
      const response = await client.request({
        method,
        path: `${url.pathname}${url.search}`,
        headers: {
          ...method === 'POST' && { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
          ...own && this.#headers,
          ...headers,
          ...cookie !== '' && { cookie }
        },
        body: body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body),
        ...signal && { signal }
      })
      this.#keep(response.headers['set-cookie'])
      return { response, end }
    } catch (error) {
      await end()
      throw error
    }
  }

  /** A request in the session that is looked at. */
  inSession (asked: Asked): Promise<Answer> {
    return this.ask({ ...asked, headers: { ...inSession(this.session!), ...asked.headers } })
  }

  ping (asked: Asked = {}): Promise<Answer> {
    return this.inSession({ body: { jsonrpc: '2.0', id: randomBytes(6).toString('hex'), method: 'ping' }, ...asked })
  }

  /** Opens a session; its answer may be a refusal. */
  async initialize (revision = REVISION, asked: Asked = {}): Promise<Answer & { id: string | undefined }> {
    const params = { protocolVersion: revision, capabilities: {}, clientInfo: { name: 'fastify-mcp-sticky-doctor', version: '1' } }
    const answer = await this.ask({ body: { jsonrpc: '2.0', id: 1, method: 'initialize', params }, ...asked })
    const id = answer.headers['mcp-session-id']
    if (typeof id !== 'string' || answer.status !== 200) return { ...answer, id: undefined }
    this.#open.add(id)
    return { ...answer, id }
  }

  /** Ends a session. */
  async delete (id: string, signal?: AbortSignal): Promise<Answer> {
    const answer = await this.ask({ method: 'DELETE', headers: inSession(id), ...signal && { signal } })
    if (answer.status < 300) this.#open.delete(id)
    return answer
  }

  /** Deletes what is left open, as far as that works. */
  async tidy (): Promise<void> {
    await Promise.all([...this.#open].map(id => this.delete(id, AbortSignal.timeout(5000)).catch(() => {})))
  }

  #keep (set: string | string[] | undefined): void {
    for (const cookie of [set ?? []].flat()) {
      const [, name, value] = /^\s*([^=;\s]+)=([^;]*)/.exec(cookie) ?? []
      if (name !== undefined) this.#cookies.set(name, value!)
    }
  }
}

/** The header fields of a request in a session. */
export function inSession (id: string): Headers {
  return { 'mcp-session-id': id, 'mcp-protocol-version': REVISION }
}

/** An answer in a few words, without anything of its body but our own reason. */
export function words ({ status, reason }: Pick<Answer, 'status' | 'reason'>): string {
  return reason === undefined ? String(status) : `${status} ${reason}`
}

function parsed (text: string): any {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
