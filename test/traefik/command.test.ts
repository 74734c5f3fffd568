import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { parse } from 'yaml'
import { traefikCommand } from '../../lib/traefik/command.ts'
import { dynamicConfiguration } from '../../lib/traefik/index.ts'
import { open } from '../fixtures/http.ts'
import { startTraefik } from '../fixtures/traefik.ts'
import { until } from '../fixtures/until.ts'
import { startNode } from './node.ts'

const cli = join(import.meta.dirname, '../../lib/cli/cli.ts')
const nodes = ['--node', 'a=http://10.0.0.1:3000', '--node', 'http://10.0.0.2:3000']
const both = [{ url: 'http://10.0.0.1:3000' }, { url: 'http://10.0.0.2:3000' }]

/** The command as a process. */
async function run (...args: string[]): Promise<{ code: number, stdout: string, stderr: string }> {
  return promisify(execFile)(process.execPath, [...process.execArgv, cli, ...args])
    .then(({ stdout, stderr }) => ({ code: 0, stdout, stderr }), ({ code, stdout, stderr }) => ({ code, stdout, stderr }))
}

t.test('fixed addresses', async t => {
  const text = traefikCommand(nodes)
  t.strictSame(parse(text), dynamicConfiguration(both))
  t.match(text, /^#.*\n# {3}296212fbce803c71 {2}a {2}http:\/\/10\.0\.0\.1:3000\n# {3}1279429f68195734 {2}10\.0\.0\.2:3000 {2}http:\/\/10\.0\.0\.2:3000\nhttp:\n/, 'says whose the tags are')
})

t.test('options', async t => {
  const args = ['--path', '/tools', '--entry-point', 'web', '--entry-point', 'websecure', '--host', 'mcp.example.com', '--host', 'mcp.example.org',
    '--tls', '--middleware', 'compressed@file', '--names', 'tools']
  t.strictSame(parse(traefikCommand([...nodes, ...args])), dynamicConfiguration(both, {
    mcpPath: '/tools',
    entryPoints: ['web', 'websecure'],
    hostRule: 'Host(`mcp.example.com`) || Host(`mcp.example.org`)',
    tls: true,
    middlewares: ['compressed@file'],
    names: 'tools'
  }))
  t.strictSame(parse(traefikCommand([...nodes, '--path', '/mcp', '--path', '/mcp/admin'])), dynamicConfiguration(both, { mcpPath: ['/mcp', '/mcp/admin'] }))
  t.strictSame(parse(traefikCommand([...nodes, '--root-ca', '/a.pem', '--root-ca', '/b.pem', '--server-name', 'nodes.internal'])), dynamicConfiguration(both, { serversTransport: { rootCAs: ['/a.pem', '/b.pem'], serverName: 'nodes.internal' } }))
  t.strictSame(parse(traefikCommand([...nodes, '--cert-resolver', 'le'])), dynamicConfiguration(both, { tls: { certResolver: 'le' } }))
})

t.test('mistakes', async t => {
  t.throws(() => traefikCommand([]), { message: /^--node is missing/ })
  for (const url of ['', 'a=', '10.0.0.1:3000', 'a=http://10.0.0.1:3000/', 'http://10.0.0.1:3000/mcp', 'ftp://10.0.0.1', 'http://a:b@10.0.0.1']) {
    t.throws(() => traefikCommand(['--node', url]), { message: `--node ${url}: ` }, url)
  }
  t.throws(() => traefikCommand([...nodes, '--host', 'a`b']), { message: /^--host/ })
  t.throws(() => traefikCommand([...nodes, '--path', 'tools']), { message: /mcpPath/ })
  t.throws(() => traefikCommand([...nodes, '--pth', '/tools']), { message: /--pth/ })
})

t.test('as a process', async t => {
  t.match(await run('traefik', ...nodes), { code: 0, stdout: traefikCommand(nodes), stderr: '' })
  t.match(await run('traefik', '--help'), { code: 0, stdout: /^fastify-mcp-sticky traefik --node/ })
  t.match(await run('traefik'), { code: 2, stdout: '', stderr: /^--node is missing.*\n\nfastify-mcp-sticky traefik/ })
})

t.test('Traefik serves what it prints', async t => {
  const [a, b] = [await startNode(t), await startNode(t)]
  const text = traefikCommand(['--node', `a=${a.url}`, '--node', `b=${b.url}`, '--entry-point', 'web', '--host', '127.0.0.1'])
  const traefik = await startTraefik(t, { files: { 'mcp.yml': text } })
  await until('Traefik has read it', async () => (await traefik.api('/api/http/routers')).some(({ name }: { name: string }) => name === 'mcp@file'))
  const seen = new Set<string>()
  await until('sessions open on both nodes', async () => {
    seen.add((await open(`${traefik.url}/mcp`)).slice(0, 16))
    return seen.size === 2
  })
  t.strictSame([...seen].sort(), [a.tag, b.tag].sort())
  t.strictSame(traefik.errors(), [])
})
