import t from 'tap'
import { metadataPath, protectedResource } from '../../lib/security/protected-resource.ts'

const authorizationServers = ['https://login.example.com/realms/a']

t.test('where the metadata are follows from the resource, path and query included', async t => {
  for (const [resource, url] of [
    ['https://mcp.example.com/mcp', 'https://mcp.example.com/.well-known/oauth-protected-resource/mcp'],
    ['https://mcp.example.com', 'https://mcp.example.com/.well-known/oauth-protected-resource'],
    ['https://mcp.example.com/', 'https://mcp.example.com/.well-known/oauth-protected-resource'],
    ['https://mcp.example.com/v1/mcp/', 'https://mcp.example.com/.well-known/oauth-protected-resource/v1/mcp'],
    ['https://mcp.example.com:8443/mcp?tenant=a', 'https://mcp.example.com:8443/.well-known/oauth-protected-resource/mcp?tenant=a'],
    ['http://127.0.0.1:3000/mcp', 'http://127.0.0.1:3000/.well-known/oauth-protected-resource/mcp']
  ] as const) {
    const { path, challenged, metadata } = protectedResource({ resource, authorizationServers, scopes: [] })
    t.equal(challenged(401, undefined), `Bearer resource_metadata="${url}"`, resource)
    t.equal(path, new URL(url).pathname)
    t.strictSame(metadata, { resource, authorization_servers: authorizationServers, bearer_methods_supported: ['header'] }, 'as it was given')
  }
  t.equal(metadataPath('/v1/mcp'), '/.well-known/oauth-protected-resource/v1/mcp')
})

t.test('scopes are among the metadata, and in the challenge', async t => {
  const { metadata, challenged } = protectedResource({ resource: 'https://a.example', authorizationServers, scopes: ['a', 'b'] })
  t.match(metadata, { scopes_supported: ['a', 'b'] })
  t.match(challenged(401, undefined), /, scope="a b"$/)
})
