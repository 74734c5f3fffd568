// Clients of both lines of the SDK that have no token, the examples of docs/authorization.md, and an authorization server.
import { Client as Client1 } from '@modelcontextprotocol/sdk/client/index.js'
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js'
import type { OAuthClientProvider } from '@modelcontextprotocol/sdk/client/auth.js'
import { StreamableHTTPClientTransport as Transport1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { Client as Client2, ClientCredentialsProvider as Credentials2, StreamableHTTPClientTransport as Transport2 } from '@modelcontextprotocol/client'
import t from 'tap'
import type { Test } from 'tap'
import { REVISION } from '../../lib/stateless/revision.ts'
import { CLIENT, INTROSPECTION_SECRET, startAuthorizationServer } from '../fixtures/authorization-server.ts'
import { startExample } from '../fixtures/example.ts'
import { freePort } from '../fixtures/free-port.ts'
import { call, initialize, inSession, open, send } from '../fixtures/http.ts'

type Call = (name: string, args?: Record<string, unknown>) => Promise<string>

const info = { name: 'test-client', version: '1.0.0' }
const textOf = (result: unknown): string => (result as { content: Array<{ text: string }> }).content[0]!.text

const CLIENTS: Record<string, (t: Test, url: URL, expectedIssuer: string) => Promise<Call>> = {
  'SDK 1.x': connect1,
  'SDK 2.x': (t, url, issuer) => connect2(t, url, issuer),
  'SDK 2.x without sessions': (t, url, issuer) => connect2(t, url, issuer, { mode: { pin: REVISION } })
}

/** For a user, whose browser goes to the authorization server and comes back with a code. */
async function connect1 (t: Test, url: URL): Promise<Call> {
  const user = new User()
  const client = new Client1(info)
  t.teardown(() => client.close())
  const transport = (): Transport1 => new Transport1(url, { authProvider: user })
  const first = transport()
  await t.rejects(client.connect(first as Parameters<typeof client.connect>[0]), { message: 'Unauthorized' })
  await first.finishAuth(await user.code())
  const second = transport()
  await client.connect(second as Parameters<typeof client.connect>[0])
  return async (name, args = {}) => {
    const tried = await client.callTool({ name, arguments: args }).catch(error => error)
    if (!(tried instanceof UnauthorizedError)) return textOf(tried)
    await second.finishAuth(await user.code())
    return textOf(await client.callTool({ name, arguments: args }))
  }
}

class User implements OAuthClientProvider {
  readonly redirectUrl = 'http://127.0.0.1/callback'
  readonly clientMetadata = { client_name: 'test', redirect_uris: [this.redirectUrl], token_endpoint_auth_method: 'none' }
  readonly #kept = new Map<string, any>()

  clientInformation (): any { return this.#kept.get('client') }
  saveClientInformation (client: unknown): void { this.#kept.set('client', client) }
  tokens (): any { return this.#kept.get('tokens') }
  saveTokens (tokens: unknown): void { this.#kept.set('tokens', tokens) }
  codeVerifier (): string { return this.#kept.get('verifier') }
  saveCodeVerifier (verifier: string): void { this.#kept.set('verifier', verifier) }
  redirectToAuthorization (url: URL): void { this.#kept.set('redirect', url) }

  async code (): Promise<string> {
    const answer = await fetch(this.#kept.get('redirect'), { redirect: 'manual' })
    return new URL(answer.headers.get('location')!).searchParams.get('code')!
  }
}

async function connect2 (t: Test, url: URL, expectedIssuer: string, versionNegotiation?: { mode: { pin: string } }): Promise<Call> {
  const client = new Client2(info, versionNegotiation && { versionNegotiation })
  t.teardown(() => client.close())
  await client.connect(new Transport2(url, { authProvider: new Credentials2({ ...CLIENT, expectedIssuer }) }))
  return async (name, args = {}) => textOf(await client.callTool({ name, arguments: args }))
}

for (const [example, opaque] of [['jwt', false], ['bearer-auth', true]] as const) {
  t.test(`examples/authorization/${example}.ts`, async t => {
    const server = await startAuthorizationServer(t, { opaque })
    const port = await freePort()
    const resource = `http://127.0.0.1:${port}/mcp`
    const url = await startExample(t, `authorization/${example}.ts`, { ISSUER: server.issuer, RESOURCE: resource, INTROSPECTION_SECRET, PORT: String(port) })
    const headersFor = (claims: object = {}) => ({ authorization: `Bearer ${server.token({ aud: resource, scope: 'notes:read', ...claims })}` })

    for (const [name, connect] of Object.entries(CLIENTS)) {
      t.test(`${name} finds the authorization server, gets a token, calls, and asks for more when it needs more`, async t => {
        server.given.length = 0
        const call = await connect(t, new URL(url), server.issuer)
        t.match(await call('whoami'), /^ann by (registered|test-client): notes:read$/)
        t.strictSame(server.given, [{ resource, scope: 'notes:read' }])
        t.match(await call('keep', { note: `by ${name}` }), `by ${name}`)
        t.strictSame(server.given.map(({ scope }) => scope.split(' ').sort()), [['notes:read'], ['notes:read', 'notes:write']])
      })
    }

    t.test('a token that is not for this server, or is over, is none', async t => {
      t.match(await send(url, { body: initialize, headers: headersFor() }), { status: 200 })
      for (const [what, headers] of [
        ['no token', {}],
        ['nonsense', { authorization: 'Bearer nonsense' }],
        ['for another server', headersFor({ aud: 'https://other.example.com/mcp' })],
        ['for nobody', headersFor({ aud: undefined })],
        ...opaque ? [] : [['over', headersFor({ exp: 1 })], ['of another issuer', headersFor({ iss: 'https://other.example.com' })]] as const
      ] as const) {
        const { status, headers: { 'www-authenticate': challenge } } = await send(url, { body: initialize, headers })
        t.strictSame([status, challenge], [401, `Bearer resource_metadata="http://127.0.0.1:${port}/.well-known/oauth-protected-resource/mcp", scope="notes:read"`], what)
      }
    })

    t.test('a session answers to who opened it', async t => {
      const id = await open(url, headersFor())
      t.match(await inSession(url, id, call('whoami'), headersFor()), { status: 200 }, 'with another token of hers too')
      t.match(await inSession(url, id, call('whoami'), headersFor({ sub: 'bob' })), { status: 404, body: { error: { data: { reason: 'unknown' } } } })
    })

    t.test('a token without the scope is told all that it needs', async t => {
      const { status, headers } = await send(url, { body: call('keep', { note: 'a' }), headers: headersFor() })
      t.strictSame([status, headers['www-authenticate']], [403, `Bearer error="insufficient_scope", scope="notes:read notes:write", resource_metadata="http://127.0.0.1:${port}/.well-known/oauth-protected-resource/mcp"`])
    })
  })
}
