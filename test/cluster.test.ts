// `npm run cluster` as a newcomer has it: the project's files in a new folder, one command, Ctrl-C.
import t from 'tap'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CookieJar } from 'tough-cookie'
import { Agent, request } from 'undici'
import type { Dispatcher } from 'undici'
import { call, initialize } from './fixtures/http.ts'
import { until } from './fixtures/until.ts'

const project = new URL('..', import.meta.url).pathname
const FILES = ['lib', 'examples', 'scripts', 'tools/traefik', 'package.json', 'traefik.yml', 'tsconfig.json', 'tsconfig.build.json', 'tsconfig.examples.json']

const folder = await mkdtemp(join(tmpdir(), 'mcp-sticky-newcomer-'))
t.teardown(() => rm(folder, { recursive: true, force: true }))
for (const file of FILES) await cp(join(project, file), join(folder, file), { recursive: true })
await symlink(join(project, 'node_modules'), join(folder, 'node_modules'))
// What the example leaves behind would be here.
const temporary = join(folder, 'tmp')
await mkdir(temporary)

// A group of its own, as a terminal makes one, so that Ctrl-C can be sent to all of it.
// npm on Node 24 would leave Node's compile cache in the temporary folder, which is not ours to clean.
const npm = spawn('npm', ['run', 'cluster'], { cwd: folder, detached: true, env: { ...process.env, PORT: '0', TMPDIR: temporary, NODE_DISABLE_COMPILE_CACHE: '1' }, stdio: ['ignore', 'pipe', 'pipe'] })
const ended = once(npm, 'close') as Promise<[number | null, string | null]>
const pids: number[] = []
t.teardown(async () => {
  if (npm.exitCode !== null || npm.signalCode !== null) return
  process.kill(-npm.pid!, 'SIGKILL')
  for (const pid of pids.filter(isAlive)) process.kill(pid, 'SIGKILL')
  await ended
})
let output = ''
await new Promise<void>((resolve, reject) => {
  for (const stream of [npm.stdout, npm.stderr]) {
    stream.on('data', chunk => {
      output += chunk
      if (output.includes('From here on')) resolve()
    })
  }
  ended.then(() => reject(new Error(output)), reject)
})

const origin = /https:\/\/localhost:\d+/.exec(output)![0]
pids.push(...Array.from(output.matchAll(/\bpid (\d+)/g), ([, pid]) => Number(pid)))
const ca = await readFile(/\S+certificate\.pem/.exec(output)![0])
const dispatcher = new Agent({ connect: { ca } })
t.teardown(() => dispatcher.close())
const jar = new CookieJar()

/** As a browser or a client that keeps cookies does it. */
async function ask (path: string, body: unknown, headers: Record<string, string> = {}): Promise<{ status: number, headers: Dispatcher.ResponseData['headers'], body: any, sent: string }> {
  const url = `${origin}${path}`
  const sent = await jar.getCookieString(url)
  const answer = await request(url, {
    method: 'POST',
    dispatcher,
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers, ...(sent !== '' && { cookie: sent }) },
    body: JSON.stringify(body)
  })
  for (const cookie of [answer.headers['set-cookie'] ?? []].flat()) await jar.setCookie(cookie, url)
  return { status: answer.statusCode, headers: answer.headers, body: await answer.body.json(), sent }
}

t.test('it says who is who', async t => {
  t.equal(pids.length, 5)
  for (const name of ['redis', 'node-1', 'node-2', 'node-3', 'traefik']) t.match(output, new RegExp(`^  ${name} +\\S+ +pid \\d+`, 'm'))
})

t.test('a client that keeps cookies: all its calls on one node, with the cookie of ADR-0066', async t => {
  const opened = await ask('/mcp', initialize)
  const id = String(opened.headers['mcp-session-id'])
  const tag = id.slice(0, 16)
  t.equal(opened.headers['set-cookie'], `_mcp_backend=${tag}; Path=/mcp; HttpOnly; Secure; SameSite=Strict`)
  const session = { 'mcp-session-id': id }
  const nodes = new Set()
  for (let calls = 1; calls <= 12; calls++) {
    const answer = await ask('/mcp', call('whoami'), session)
    t.equal(answer.sent, `_mcp_backend=${tag}`)
    const said = JSON.parse(answer.body.result.content[0].text)
    t.equal(said.calls, calls)
    nodes.add(said.node)
  }
  t.equal(nodes.size, 1)
  const [node] = nodes
  t.match(output, new RegExp(`^  ${node} .*sessions ${tag}\\.`, 'm'))
  await until('it was shown', () => output.match(new RegExp(`^${node} +POST +/mcp +200 session ${tag}`, 'gm'))?.length === 13)

  // The id leads to the node where the cookie leads elsewhere, and where there is none.
  const others = Array.from(output.matchAll(/sessions ([0-9a-f]{16})\./g), ([, other]) => other!).filter(other => other !== tag)
  t.equal(others.length, 2)
  for (const other of others) {
    await jar.setCookie(`_mcp_backend=${other}; Path=/mcp; Secure`, `${origin}/mcp`)
    t.equal((await ask('/mcp', call('whoami'), session)).status, 200)
  }
  await jar.removeAllCookies()
  t.equal((await ask('/mcp', call('whoami'), session)).status, 200)
})

t.test('the cookie alone pins new sessions to one node', async t => {
  const tags = new Set()
  for (let i = 0; i < 6; i++) tags.add(String((await ask('/mcp', initialize)).headers['mcp-session-id']).slice(0, 16))
  t.equal(tags.size, 1)
})

t.test('everything else goes round and gets no cookie', async t => {
  t.not(await jar.getCookieString(`${origin}/mcp`), '')
  const nodes: string[] = []
  for (let i = 0; i < 30; i++) {
    const answer = await ask('/graphql', { query: '{ node }' })
    t.equal(answer.sent, '')
    t.equal(answer.headers['set-cookie'], undefined)
    nodes.push(answer.body.data.node)
  }
  for (const node of ['node-1', 'node-2', 'node-3']) t.ok(nodes.filter(name => name === node).length >= 8, `${node} has its share of ${nodes.join()}`)

  const foo = await ask('/mcpfoo', initialize)
  t.match(foo, { status: 404, sent: '', body: { error: 'Not Found' } })
  t.equal(foo.headers['set-cookie'], undefined)
})

t.test('Ctrl-C ends it all', async t => {
  process.kill(-npm.pid!, 'SIGINT')
  await ended
  t.match(output, /Nothing is left behind\.\s*$/)
  const alive = pids.filter(isAlive)
  t.same(alive, [])
  t.same(await readdir(temporary), [])
})

function isAlive (pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
