// Each fault that clients meet makes its check fail, and no other.
import { readFileSync } from 'node:fs'
import cors from '@fastify/cors'
import selfsigned from 'selfsigned'
import t from 'tap'
import type { Seen } from '../../../lib/cli/doctor/check.ts'
import { Endpoint } from '../../../lib/cli/doctor/endpoint.ts'
import { longStream } from '../../../lib/cli/doctor/streams.ts'
import { judgeCertificate } from '../../../lib/cli/doctor/tls.ts'
import { startApp } from '../../fixtures/app.ts'
import { freePort } from '../../fixtures/free-port.ts'
import { statelessServer } from '../../fixtures/stateless.ts'
import { startProxy } from './proxy.ts'
import type { Faults } from './proxy.ts'
import { examined, having, outside, startPatients } from './setup.ts'
import type { Row } from './setup.ts'

const row = (rows: Row[], check: string): Row => rows.find(row => row.check === check)!

t.test('faults of a proxy in front of two nodes that are well', async t => {
  const { nodes } = await startPatients(t)
  const fault = async (check: string, saw: string | RegExp, faults: Parameters<typeof outside>[2], args: string[] = []): Promise<void> => {
    await t.test(check, async t => {
      const found = await outside(t, nodes, faults, args)
      t.strictSame(having('failed', found), [check], found.out)
      t.equal(found.code, 1)
      t.match(row(found.rows, check), { saw, why: /\w/, cure: { nginx: /\w/ } })
    })
  }

  await fault('session', /^initialize was answered 200, without Mcp-Session-Id$/, { answer: (_status, headers) => { delete headers['mcp-session-id'] } })
  await fault('session', /^initialize was answered 308, to go to https:\/\/elsewhere\.example\.com\/: clients need not follow$/, {
    instead: ({ method }, response) => {
      if (method !== 'POST') return false
      response.writeHead(308, { location: 'https://elsewhere.example.com/' }).end()
      return true
    }
  })
  await fault('stale-ids', /not our answer to POST, GET$/, { pages: true })
  await fault('delete', /^DELETE was answered 405/, {
    instead: ({ method }, response) => {
      if (method !== 'DELETE') return false
      response.writeHead(405, { 'content-type': 'text/plain' }).end('no')
      return true
    }
  })
  await fault('body-4m', /bytes was answered 413$/, {
    instead: ({ headers }, response) => {
      if (!(Number(headers['content-length']) > 1024 * 1024)) return false
      response.writeHead(413, { 'content-type': 'text/html' }).end('<h1>413</h1>')
      return true
    }
  })
  await fault('body-33k', /bytes was answered 500$/, {
    instead: ({ headers }, response) => {
      const length = Number(headers['content-length'])
      if (!(length > 32 * 1024 && length < 1024 * 1024)) return false
      response.writeHead(500).end()
      return true
    }
  })
  await fault('events', /^the stream began, and nothing came on it for 2 s$/, { buffers: true })
  await fault('internal-paths', /^open: \/mcp-sticky\/ready/, { opens: true })
  await fault('revisions', /server\/discover is answered 502$/, {
    instead: ({ headers }, response) => {
      if (headers['mcp-method'] === undefined) return false
      response.writeHead(502).end()
      return true
    }
  })
  await fault('oauth', /^401 without WWW-Authenticate$/, {
    instead: ({ headers }, response) => {
      if (headers.authorization !== undefined || headers['content-type'] === undefined) return false
      response.writeHead(401).end()
      return true
    }
  }, ['--header', 'authorization: Bearer right-token'])
  await fault('cors', /the preflight for POST is answered 404/, {}, ['--origin', 'https://app.example.com'])
})

t.test('nodes that pass nothing on, behind a proxy that knows cookies alone', async t => {
  const { nodes } = await startPatients(t, { misroute: 'reject' })
  const found = await outside(t, nodes, { cookies: true })
  t.strictSame(having('failed', found), ['pings-without-cookies'], found.out)
  t.match(row(found.rows, 'pings-without-cookies').saw, /^10 of 20 answered; 10 × 404 misrouted$/)
  t.match(row(found.rows, 'pings-with-cookies'), { verdict: 'ok', saw: /with node$/ })

  const round = await outside(t, nodes)
  t.strictSame(having('failed', round), ['pings-without-cookies'], 'what needs a session is not looked at then')
  t.match(row(round.rows, 'delete'), { verdict: 'skipped', saw: /not found each time/ })
})

t.test('pings with a cookie that leads astray', async t => {
  const { nodes } = await startPatients(t, { misroute: 'reject' })
  // Without a cookie everything goes to one node, with the one of the answer to initialize to the other.
  const found = await outside(t, nodes, {
    answer: (_status, headers) => { if (headers['mcp-session-id'] !== undefined) headers['set-cookie'] = ['node=1; Path=/'] },
    instead: request => {
      request.headers.cookie = `node=${request.headers.cookie === undefined ? 0 : 1}`
      return false
    },
    cookies: true
  })
  t.strictSame(having('failed', found), ['pings-with-cookies'], found.out)
})

t.test('a certificate that nobody trusts: nothing else is sent there', async t => {
  const { private: key, cert } = await selfsigned.generate([{ name: 'commonName', value: 'localhost' }], { algorithm: 'sha256' })
  let asked = 0
  const found = await outside(t, [], { tls: { key, cert }, instead: () => { asked++; return true } })
  t.strictSame(having('failed', found), ['tls'])
  t.equal(having('skipped', found).length, found.rows.length - 1)
  t.match(row(found.rows, 'tls').saw, /^the certificate is not valid: /)
  t.equal(asked, 0)
})

t.test('what is said of certificates', async t => {
  const good = { authorized: true, error: 'null', protocol: 'TLSv1.3' }
  const days = (left: number): Date => new Date(Date.now() + left * 86_400_000 + 60_000)
  t.match(judgeCertificate({ ...good, until: days(60) }), { verdict: 'ok', saw: 'TLSv1.3, the certificate is good for 60 more days' })
  t.match(judgeCertificate({ ...good, until: days(13) }), { verdict: 'failed', saw: /13 more days/ })
  t.match(judgeCertificate({ ...good, authorized: false, error: 'CERT_HAS_EXPIRED', until: days(-1) }), { verdict: 'failed', saw: 'the certificate is not valid: CERT_HAS_EXPIRED' })
})

t.test('a stream that is kept open for long, and one that a proxy ends', async t => {
  const { nodes } = await startPatients(t)
  const kept = async (faults: Faults): Promise<Seen> => {
    const url = new URL(`${await startProxy(t, nodes, faults)}/mcp`)
    const endpoint = new Endpoint({ url, headers: {}, patience: 2000, long: 1500 })
    endpoint.session = (await endpoint.initialize()).id
    return longStream.run(endpoint, AbortSignal.timeout(20_000))
  }
  t.match(await kept({}), { verdict: 'ok', saw: /^open for 1\.5 s, with \d+ signs of life$/ })
  t.match(await kept({ ends: 500 }), { verdict: 'failed', saw: /^the stream was ended/ })
})

t.test('tokens, pages and the era without sessions, all in order', async t => {
  const port = await freePort()
  const origin = 'https://app.example.com'
  const { url } = await startApp(t, {
    node: { url: `http://127.0.0.1:${port}` },
    stream: { keepAlive: 100 },
    oauth: { resource: `http://localhost:${port}/mcp`, authorizationServers: ['https://login.example.com'] },
    allowedOrigins: [origin],
    stateless: { servers: 'shared', createServer: () => statelessServer() },
    principal: () => 'ann',
    routeOptions: { onRequest: async ({ headers }, reply) => headers.authorization === 'Bearer right-token' ? undefined : reply.code(401).send() }
  }, {
    before: async app => {
      const [, listed] = /allowedHeaders: (\[.*\])/.exec(readFileSync(new URL('../../../docs/eras.md', import.meta.url), 'utf8'))!
      await app.register(cors, { origin: [origin], methods: ['GET', 'POST', 'DELETE'], allowedHeaders: JSON.parse(listed!.replaceAll("'", '"')), exposedHeaders: ['Mcp-Session-Id', 'WWW-Authenticate'] })
    }
  })
  const here = url.replace('127.0.0.1', 'localhost')
  const token = ['--header', 'Authorization: Bearer right-token', '--origin', origin, '--patience', '2s']
  const found = await examined([here, ...token])
  t.strictSame(having('failed', found), ['internal-paths'], 'there is no proxy')
  t.match(row(found.rows, 'oauth'), { verdict: 'ok' })
  t.match(row(found.rows, 'cors'), { verdict: 'ok' })
  t.match(row(found.rows, 'revisions').saw, /; without sessions 2026-07-28$/)
  t.notOk(found.out.includes('right-token'))

  const elsewhere = await examined([url, ...token])
  t.match(row(elsewhere.rows, 'oauth'), { verdict: 'failed', saw: /the metadata are of http:\/\/localhost/ })
  const wrong = await examined([here, '--header', 'authorization: Bearer wrong-token', '--patience', '2s'])
  t.match(row(wrong.rows, 'session'), { verdict: 'failed', saw: 'initialize was answered 401, with the authorization of --header' })
  t.notOk(wrong.out.includes('wrong-token'))
  const anonymous = await examined([here, '--patience', '2s'])
  t.match(row(anonymous.rows, 'session'), { verdict: 'skipped', saw: /401/ })
  t.strictSame(having('failed', anonymous), ['internal-paths'])
})
