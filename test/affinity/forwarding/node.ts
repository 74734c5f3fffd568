import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { IncomingMessage, OutgoingHttpHeaders, Server, ServerResponse } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import Fastify from 'fastify'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import type { Test } from 'tap'
import { Forwarder } from '../../../lib/affinity/forwarding/forwarder.ts'
import type { AnswerHead, Forwarded } from '../../../lib/affinity/forwarding/forwarder.ts'
import { Unsent } from '../../../lib/http/unsent.ts'

export const TAG = '0123456789abcdef'
/** Room for whatever a test's clients leave unread. */
export const unsent = new Unsent({ most: Infinity, keepAlive: 60_000 })
export const LAST_WORDS = 'event: message\ndata: {"lost":true}\n\n'

/** An owner that is a plain HTTP server. */
export async function startOwner (t: Test, handler: (request: IncomingMessage, response: ServerResponse) => unknown): Promise<{ url: string, server: Server }> {
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<unknown> => handler(request, response)
  const server = createServer((request, response) => { handle(request, response).catch(error => t.threw(error)) })
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { url: urlOf(server), server }
}

/** An owner that speaks in bytes. */
export async function startRawOwner (t: Test, connected: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createTcpServer(socket => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket))
    connected(socket)
  })
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return urlOf(server)
}

function urlOf (server: { address: () => unknown }): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

export interface ForwardingNode {
  url: string
  app: FastifyInstance
  forwarder: Forwarder
  /** What came of every request, in the order of their ends. */
  outcomes: Forwarded[]
}

/**
 * A node that forwards all it gets to the owner. What was not answered it
 * answers itself: 503, with the outcome as the body.
 */
export async function startNode (t: Test, owner: string, { before, fastify, lastWords = () => LAST_WORDS, decline = ({ status }) => status === 421, connectTimeout }: {
  before?: (app: FastifyInstance) => unknown
  fastify?: FastifyServerOptions & { http2?: boolean }
  lastWords?: () => string
  decline?: (answer: AnswerHead) => boolean
  connectTimeout?: number
} = {}): Promise<ForwardingNode> {
  const app = Fastify({ forceCloseConnections: true, ...fastify } as FastifyServerOptions) as unknown as FastifyInstance
  const forwarder = new Forwarder({ tag: TAG, unsent, ...(connectTimeout !== undefined && { connectTimeout }) })
  t.teardown(async () => {
    await forwarder.close()
    await app.close()
  })
  const outcomes: Forwarded[] = []
  await before?.(app)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: 1 << 26 }, (_request, body, done) => done(null, body))
  app.route({
    method: ['GET', 'HEAD', 'POST', 'DELETE'],
    url: '/*',
    handler: async (request, reply) => {
      const forwarded = await forwarder.forward(request, reply, owner, { decline, lastWords })
      outcomes.push(forwarded)
      if (forwarded.outcome !== 'answered') return reply.code(503).send({ outcome: forwarded.outcome })
    }
  })
  return { url: await app.listen({ host: '127.0.0.1', port: 0 }), app, forwarder, outcomes }
}

export interface RawAnswer {
  status: number
  headers: IncomingMessage['headers']
  /** Names and values in turn, as they came. */
  rawHeaders: string[]
  body: Buffer
}

/** One request whose bytes nothing interprets. */
export async function ask (url: string, { method = 'POST', headers = {}, body }: { method?: string, headers?: OutgoingHttpHeaders | string[], body?: string | Buffer } = {}): Promise<RawAnswer> {
  const answer = await begin(url, { method, headers, ...(body !== undefined && { body }) })
  return { status: answer.statusCode!, headers: answer.headers, rawHeaders: answer.rawHeaders, body: await bytesOf(answer) }
}

/** The same up to the headers of the answer. */
export async function begin (url: string, { method = 'POST', headers = {}, body }: { method?: string, headers?: OutgoingHttpHeaders | string[], body?: string | Buffer } = {}): Promise<IncomingMessage> {
  const sent = request(url, { method, headers: headers as OutgoingHttpHeaders, agent: false, maxHeaderSize: 1 << 20 })
  sent.end(body)
  const [answer] = await once(sent, 'response') as [IncomingMessage]
  return answer
}

export async function bytesOf (stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}
