// Tokens of which only their issuer knows what they are worth, checked with
// @fastify/bearer-auth: each is shown to the authorization server (RFC 7662).
//
//   ISSUER=https://login.example.com RESOURCE=https://mcp.example.com/mcp \
//   INTROSPECTION=https://login.example.com/introspect INTROSPECTION_SECRET=… node bearer-auth.js
import bearerAuth from '@fastify/bearer-auth'
import fastify from 'fastify'
import type { FastifyRequest } from 'fastify'
import mcpSticky, { closeOnSignal } from 'fastify-mcp-sticky'
import { AT_FIRST, checkScopes } from './scopes.ts'
import { createServer } from './server.ts'

/** What the authorization server says of a token. */
interface Caller { token: string, subject: string, clientId: string, scopes: string[], expiresAt: number }

const { ISSUER = 'http://localhost:8080', RESOURCE = 'http://localhost:3000/mcp', PORT = '3000', LOG_LEVEL = 'info' } = process.env
const { INTROSPECTION = `${ISSUER}/introspect`, INTROSPECTION_SECRET = '' } = process.env

const app = fastify({ logger: { level: LOG_LEVEL } })
const callers = new WeakMap<FastifyRequest, Caller>()
const callerOf = (request: FastifyRequest): Caller => callers.get(request)!

await app.register(bearerAuth, {
  // For the endpoint alone. With a hook of its own it would be for all that is registered after it.
  addHook: false,
  verifyErrorLogLevel: 'debug',
  keys: new Set<string>(),
  auth: async (token, request) => {
    const caller = await introspected(token)
    if (caller !== undefined) callers.set(request, caller)
    return caller !== undefined
  }
})
await app.register(mcpSticky, {
  createServer,
  stateless: {},
  oauth: { resource: RESOURCE, authorizationServers: [ISSUER], scopes: AT_FIRST },
  routeOptions: {
    onRequest: app.verifyBearerAuth!,
    preHandler: async request => checkScopes(request.body, callerOf(request).scopes)
  },
  // A session answers to who opened it, and to no other token.
  principal: request => ({ issuer: ISSUER, subject: callerOf(request).subject }),
  authInfo: request => {
    const { subject, ...caller } = callerOf(request)
    return { ...caller, resource: new URL(RESOURCE), extra: { subject } }
  }
})
console.log(`${await app.listen({ port: Number(PORT), host: '127.0.0.1' })}/mcp`)
closeOnSignal(app)

/** Undefined for a token that is none, is over, or is for somebody else's server. One question a request: remember the answers for some seconds where that is too much. */
async function introspected (token: string): Promise<Caller | undefined> {
  const answer = await fetch(INTROSPECTION, {
    method: 'POST',
    headers: { authorization: `Bearer ${INTROSPECTION_SECRET}` },
    body: new URLSearchParams({ token }),
    signal: AbortSignal.timeout(5000)
  })
  if (!answer.ok) throw new Error(`the authorization server answered ${answer.status}`)
  const { active, aud, sub, client_id: clientId = '', scope = '', exp = 0 } = await answer.json() as Record<string, any>
  if (active !== true || ![aud].flat().includes(RESOURCE)) return undefined
  return { token, subject: sub, clientId, scopes: scope.split(' ').filter((name: string) => name !== ''), expiresAt: exp }
}
