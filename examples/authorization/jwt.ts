// Tokens that are JWTs, checked with @fastify/jwt. The issuer is any
// authorization server that publishes its keys: see docs/authorization.md.
//
//   ISSUER=https://login.example.com RESOURCE=https://mcp.example.com/mcp node jwt.js
import jwt from '@fastify/jwt'
import type { TokenOrHeader } from '@fastify/jwt'
import fastify from 'fastify'
import type { FastifyRequest } from 'fastify'
import mcpSticky, { closeOnSignal } from 'fastify-mcp-sticky'
import { keysOf } from './keys.ts'
import { AT_FIRST, checkScopes } from './scopes.ts'
import { createServer } from './server.ts'

declare module '@fastify/jwt' {
  interface FastifyJWT {
    user: { iss: string, sub: string, client_id?: string, scope?: string, exp: number }
  }
}

const { ISSUER = 'http://localhost:8080', RESOURCE = 'http://localhost:3000/mcp', PORT = '3000', LOG_LEVEL = 'info' } = process.env

const app = fastify({ logger: { level: LOG_LEVEL } })
const key = keysOf(ISSUER)
await app.register(jwt, {
  secret: async (_request: FastifyRequest, token: TokenOrHeader) => key(('header' in token ? token.header as { kid?: string } : token).kid),
  decode: { complete: true },
  verify: {
    algorithms: ['RS256', 'ES256'],
    allowedIss: ISSUER,
    // A token for somebody else's server is none for this one, whoever issued it.
    allowedAud: RESOURCE,
    requiredClaims: ['iss', 'aud', 'sub', 'exp']
  }
})
await app.register(mcpSticky, {
  createServer,
  stateless: {},
  oauth: { resource: RESOURCE, authorizationServers: [ISSUER], scopes: AT_FIRST },
  routeOptions: {
    onRequest: async request => { await request.jwtVerify() },
    preHandler: async request => checkScopes(request.body, scopesOf(request.user.scope))
  },
  // A session answers to who opened it, and to no other token.
  principal: ({ user }) => ({ issuer: user.iss, subject: user.sub }),
  authInfo: ({ user, headers }) => ({
    token: headers.authorization!.slice('Bearer '.length),
    clientId: user.client_id ?? '',
    scopes: scopesOf(user.scope),
    expiresAt: user.exp,
    resource: new URL(RESOURCE),
    extra: { subject: user.sub }
  })
})
console.log(`${await app.listen({ port: Number(PORT), host: '127.0.0.1' })}/mcp`)
closeOnSignal(app)

function scopesOf (scope = ''): string[] {
  return scope.split(' ').filter(name => name !== '')
}
