import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import t from 'tap'
import type { Test } from 'tap'
import ts from 'typescript'
import { connect1 } from './fixtures/clients.ts'
import { links, read } from './fixtures/documents.ts'
import { freePort } from './fixtures/free-port.ts'

// What users install is the tarball, so it is used as they would use it: in a
// folder of its own, outside this repository and its node_modules.

const run = promisify(execFile)
const root = join(import.meta.dirname, '..')
const folder = mkdtempSync(join(tmpdir(), 'packed-'))
t.teardown(() => rmSync(folder, { recursive: true }))

const installed = (name: string) => JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8')).version
const own = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version
// What the README says to install.
const [, line] = /^npm install fastify-mcp-sticky (.*)$/m.exec(read('README.md'))!
const consumer = [...line!.split(' '), '@types/node'].map(name => `${name}@${installed(name)}`)

const { stdout } = await run('npm', ['pack', '--json', '--loglevel=error', '--pack-destination', folder], { cwd: root })
const [tarball] = JSON.parse(stdout.slice(stdout.indexOf('[')))

cpSync(join(root, 'test/fixtures/packed'), folder, { recursive: true })
writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true }))
await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', join(folder, tarball.filename), ...consumer], { cwd: folder })

t.test('the tarball has what users need and nothing else', async t => {
  const files: string[] = tarball.files.map(({ path }: { path: string }) => path)
  t.strictSame(files.filter(path => !/^(dist|docs)\//.test(path)).sort(), [
    'CHANGELOG.md', 'LICENSE', 'README.md', 'SECURITY.md',
    ...['bearer-auth', 'jwt', 'keys', 'scopes', 'server'].map(name => `examples/authorization/${name}.ts`), 'examples/quickstart/server.ts', 'ops/alerts.yml', 'ops/grafana-dashboard.json', 'package.json', 'traefik.yml'
  ])
  t.strictSame(files.filter(path => path.startsWith('dist/') && !/\.(js|d\.ts)$/.test(path)), [])
  const sources = files.filter(path => path.endsWith('.js'))
  t.strictSame(sources.filter(path => !files.includes(path.replace(/js$/, 'd.ts'))), [], 'every module has its types')
})

t.test('the links of its papers lead to what is in it', async t => {
  const files: string[] = tarball.files.map(({ path }: { path: string }) => path)
  const lost = files.filter(path => path.endsWith('.md')).flatMap(path => links(read(path))
    .filter(link => !/^[a-z]+:/.test(link))
    .map(link => join(dirname(path), link.split('#')[0] || basename(path)))
    // It is built from the repository.
    .filter(target => !files.includes(target) && !target.startsWith('examples/cluster/'))
    .map(target => `${path}: ${target}`))
  t.strictSame(lost, [])
})

t.test('ESM', t => serves(t, 'esm.mjs'))
t.test('CommonJS, registered as it is required', t => serves(t, 'common.cjs'))

t.test('the first block of the README serves without Redis too, and says at once which one is not there', async t => {
  const [, block] = /```ts\n([^]*?)```/.exec(read('README.md'))!
  const missing = `127.0.0.1:${await freePort()}`
  const written = block!.replace('127.0.0.1:6379', missing).replace('port: 3000', 'port: 0').replace("'0.0.0.0'", "'127.0.0.1'")
  writeFileSync(join(folder, 'readme.mts'), written)
  t.equal(compile(['readme.mts']), '', 'compiles')
  const child = spawn(process.execPath, ['readme.mjs'], { cwd: folder, stdio: ['ignore', 'pipe', 'ignore'] })
  t.teardown(async () => { if (child.exitCode === null && child.kill('SIGKILL')) await once(child, 'exit') })
  let listening: string | undefined
  let said = false
  for await (const line of createInterface({ input: child.stdout, signal: AbortSignal.timeout(20_000) })) {
    const { msg = '', redis } = JSON.parse(line) as { msg?: string, redis?: string }
    listening ??= /Server listening at (\S+)/.exec(msg)?.[1]
    if (redis === missing && msg.includes('does not answer')) said = true
    if (listening !== undefined && said) break
  }
  const client = await connect1(t, `${listening}/mcp`)
  t.equal(await client.call('count'), '1')
  child.kill()
  t.strictSame(await once(child, 'exit'), [0, null], 'and it ends when it is asked to')
})

t.test('the command and the second entry are there', async t => {
  const command = await run('npx', ['--offline', 'fastify-mcp-sticky', 'traefik', '--node', 'a=http://10.0.0.1:3000'], { cwd: folder })
  t.match(command.stdout, /_mcp_backend/)
  await t.rejects(run('npx', ['--offline', 'fastify-mcp-sticky', 'traefik'], { cwd: folder }), { message: /--node is missing/ })
  const entry = await run(process.execPath, ['--input-type=module', '-e', "import traefik, { dynamicConfiguration } from 'fastify-mcp-sticky/traefik'; console.log(typeof traefik, typeof dynamicConfiguration)"], { cwd: folder })
  t.equal(entry.stdout.trim(), 'function function')
})

t.test('metrics want prom-client, and say so', async t => {
  const registers = "import fastify from 'fastify'; import mcpSticky from 'fastify-mcp-sticky'; import mcpStickyMetrics from 'fastify-mcp-sticky/metrics'; const app = fastify(); await app.register(mcpSticky, { createServer () {} }); await app.register(mcpStickyMetrics)"
  await t.rejects(run(process.execPath, ['--input-type=module', '-e', registers], { cwd: folder }), { message: /fastify-mcp-sticky\/metrics needs the package prom-client, which is not installed/ })
  await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', `prom-client@${installed('prom-client')}`], { cwd: folder })
  const shows = `${registers}; console.log((await app.inject('/metrics')).body)`
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', shows], { cwd: folder })
  t.match(stdout, new RegExp(`^mcp_sticky_node_info\\{version="${own}"`, 'm'))
})

t.test('OpenTelemetry wants its api, and says so', async t => {
  const registers = "import fastify from 'fastify'; import mcpSticky from 'fastify-mcp-sticky'; import mcpStickyOtel from 'fastify-mcp-sticky/otel'; const app = fastify(); await app.register(mcpSticky, { createServer () {} }); await app.register(mcpStickyOtel)"
  // It has come with prom-client.
  rmSync(join(folder, 'node_modules/@opentelemetry'), { recursive: true, force: true })
  await t.rejects(run(process.execPath, ['--input-type=module', '-e', registers], { cwd: folder }), { message: /fastify-mcp-sticky\/otel needs the package @opentelemetry\/api, which is not installed/ })
  await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', `@opentelemetry/api@${installed('@opentelemetry/api')}`], { cwd: folder })
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', `${registers}; await app.ready(); console.log('registered'); await app.close()`], { cwd: folder })
  t.equal(stdout.trim(), 'registered')
})

t.test('TypeScript', async t => {
  t.equal(compile(['typed-esm.mts', 'typed-common.cts']), '', 'compiles')
  t.test('as ESM', t => serves(t, 'typed-esm.mjs'))
  t.test('as CommonJS', t => serves(t, 'typed-common.cjs'))
})

/**
 * Compiles as a user would, strictly, and returns the errors. Our own types
 * are checked as well, but not those of everybody else, which takes a minute.
 */
function compile (names: string[]): string {
  const host = { getCanonicalFileName: (name: string) => name, getCurrentDirectory: () => folder, getNewLine: () => '\n' }
  const program = ts.createProgram(names.map(name => join(folder, name)), {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    strict: true,
    types: ['node'],
    typeRoots: [join(folder, 'node_modules/@types')]
  })
  const ours = program.getSourceFiles().filter(({ fileName }) => !fileName.includes('/node_modules/') || fileName.includes('/fastify-mcp-sticky/'))
  // One file at a time: to emit the whole program is to check the whole program.
  const diagnostics = ours.flatMap(file => [
    ...program.getSyntacticDiagnostics(file),
    ...program.getSemanticDiagnostics(file),
    ...program.emit(file).diagnostics
  ])
  return ts.formatDiagnostics(diagnostics, host)
}

/** A program in the folder prints where it listens, and a client opens a session and calls its tool. */
async function serves (t: Test, program: string): Promise<void> {
  const child = spawn(process.execPath, [program], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(async () => {
    if (child.exitCode === null && child.kill()) await once(child, 'exit')
  })
  const [origin] = await once(createInterface(child.stdout), 'line', { signal: AbortSignal.timeout(20_000) })
  const client = await connect1(t, `${origin}/mcp`)
  t.strictSame(await client.tools(), ['greet'])
  t.equal(await client.call('greet'), 'hello from 1 session')
  await client.end()
}
