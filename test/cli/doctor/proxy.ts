import { once } from 'node:events'
import { createServer, request as httpRequest } from 'node:http'
import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

/** What a proxy does wrong. */
export interface Faults {
  /** Answers in the place of the nodes: true if it has. */
  instead?: (request: IncomingMessage, response: ServerResponse) => boolean
  /** Header fields of an answer, to be changed. */
  answer?: (status: number, headers: IncomingHttpHeaders, request: IncomingMessage) => void
  /** Status 404 becomes a page of its own. */
  pages?: boolean
  /** Events are kept until the answer has ended. */
  buffers?: boolean
  /** Streams are ended after so many milliseconds. */
  ends?: number
  /** Leads clients by a cookie of its own to the node that they were first sent to. */
  cookies?: boolean
  /** What is below /mcp-sticky/ is passed on as everything else. */
  opens?: boolean
  tls?: { key: string, cert: string }
}

/** A proxy that sends requests to the nodes in turn; its origin. Ends with the test. */
export async function startProxy (t: Test, nodes: Array<{ url: string }>, { instead, answer, pages = false, buffers = false, ends, cookies = false, opens = false, tls }: Faults = {}): Promise<string> {
  let turn = 0
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    request.on('error', () => {})
    if (instead?.(request, response) === true) {
      request.resume()
      return
    }
    if (!opens && request.url!.startsWith('/mcp-sticky/')) {
      request.resume()
      response.writeHead(404, { 'content-type': 'text/plain' }).end('not here')
      return
    }
    const kept = cookies ? /\bnode=(\d+)/.exec(request.headers.cookie ?? '')?.[1] : undefined
    const chosen = kept === undefined ? turn++ % nodes.length : Number(kept)
    const passed = httpRequest(new URL(request.url!, new URL(nodes[chosen]!.url).origin), { method: request.method!, headers: request.headers, agent: false }, got => {
      const headers = { ...got.headers }
      answer?.(got.statusCode!, headers, request)
      if (cookies && kept === undefined) headers['set-cookie'] = [`node=${chosen}; Path=/; HttpOnly`]
      if (pages && got.statusCode === 404) {
        got.resume()
        response.writeHead(404, { 'content-type': 'text/html' }).end('<h1>Not found</h1>')
        return
      }
      response.writeHead(got.statusCode!, headers)
      if (buffers) {
        const chunks: Buffer[] = []
        if (String(headers['content-type']).startsWith('text/event-stream')) response.flushHeaders()
        got.on('data', chunk => { chunks.push(chunk) }).on('end', () => response.end(Buffer.concat(chunks)))
      } else {
        response.flushHeaders()
        got.pipe(response)
        if (ends !== undefined && String(headers['content-type']).startsWith('text/event-stream')) setTimeout(() => response.end(), ends).unref()
      }
      got.on('error', () => response.destroy())
    })
    passed.on('error', () => { if (response.headersSent) response.destroy(); else response.writeHead(502).end() })
    response.on('close', () => passed.destroy())
    request.pipe(passed)
  }
  const server: Server = tls === undefined ? createServer(listener) : createSecureServer(tls, listener) as unknown as Server
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`
}
