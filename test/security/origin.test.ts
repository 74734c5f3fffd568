import t from 'tap'
import { originGuard } from '../../lib/security/origin.ts'

const guard = (options: Partial<Parameters<typeof originGuard>[0]> = {}): ReturnType<typeof originGuard> =>
  originGuard({ allowedHosts: undefined, allowedOrigins: [], loopbackOnly: () => false, ...options })

t.test('on loopback only its names are served, with any port', async t => {
  const check = guard({ loopbackOnly: () => true })
  for (const host of ['localhost', 'localhost:3000', 'LOCALHOST:1', '127.0.0.1:3000', '127.1.2.3', '[::1]:3000']) t.equal(check({ host }), undefined, host)
  for (const host of ['evil.example', 'localhost.evil.example:3000', '127.0.0.1.evil.example', '', '10.0.0.1:3000']) {
    t.match(check({ host }), { reason: 'host_forbidden', option: 'allowedHosts', value: host }, host)
  }
  t.match(check({}), { reason: 'host_forbidden' })
})

t.test('elsewhere any host is served, unless there is a list', async t => {
  t.equal(guard()({ host: 'mcp.example.com' }), undefined)
  const check = guard({ allowedHosts: ['MCP.example.com', 'api.example.com:8443'], loopbackOnly: () => true })
  for (const host of ['mcp.example.com', 'mcp.example.com:3000', 'api.example.com:8443']) t.equal(check({ host }), undefined, host)
  for (const host of ['api.example.com', 'api.example.com:1', 'localhost']) t.match(check({ host }), { reason: 'host_forbidden' }, host)
})

t.test('an origin must name the host it was sent to', async t => {
  const check = guard()
  for (const [origin, host] of [
    ['http://localhost:3000', 'localhost:3000'], ['https://mcp.example.com', 'mcp.example.com'],
    ['https://mcp.example.com', 'mcp.example.com:443'], ['http://mcp.example.com', 'mcp.example.com:80'], ['http://[::1]:3000', '[::1]:3000']
  ]) t.equal(check({ origin, host }), undefined, `${origin} ${host}`)
  for (const [origin, host] of [
    ['http://localhost:3001', 'localhost:3000'], ['https://evil.example', 'mcp.example.com'], ['null', 'mcp.example.com'],
    ['', 'mcp.example.com'], ['https://mcp.example.com.evil.example', 'mcp.example.com'], ['http://mcp.example.com', 'mcp.example.com:443'],
    ['https://mcp.example.com, https://evil.example', 'mcp.example.com'], ['file://', ''], ['http://user@mcp.example.com@evil.example', 'mcp.example.com']
  ]) t.match(check({ origin, host }), { reason: 'origin_forbidden', option: 'allowedOrigins' }, `${origin} ${host}`)
})

t.test('allowed origins are served besides', async t => {
  const check = guard({ allowedOrigins: ['https://App.example.com', 'null'] })
  t.equal(check({ origin: 'https://app.example.com', host: 'x' }), undefined)
  t.equal(check({ origin: 'null', host: 'x' }), undefined)
  t.match(check({ origin: 'https://app.example.com:8443', host: 'x' }), { reason: 'origin_forbidden' })
})
