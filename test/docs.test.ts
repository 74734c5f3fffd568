// What is written for people and what the code does are one.
import assert from 'node:assert/strict'
import { dirname, join, normalize } from 'node:path'
import jwt from '@fastify/jwt'
import fastify from 'fastify'
import { Registry } from 'prom-client'
import t from 'tap'
import type { Test } from 'tap'
import { parse } from 'yaml'
import * as errors from '../lib/errors.ts'
import mcpSticky, { InsufficientScopeError, redisEventStore } from '../lib/index.ts'
import { redisKeys } from '../lib/redis/keys.ts'
import { newCounters } from '../lib/counters.ts'
import { mcpStickyMetrics } from '../lib/metrics/index.ts'
import type { Exporter, Metric } from '../lib/metrics/metric.ts'
import { read as readMetrics } from '../lib/metrics/read.ts'
import { Told } from '../lib/metrics/told.ts'
import { mcpStickyOtel } from '../lib/otel/index.ts'
import { attributeOf } from '../lib/otel/meters.ts'
import { ownerLost, REASONS, refuser } from '../lib/routes/answers/refusal.ts'
import { PREFIX } from '../lib/stateless/param-headers.ts'
import { dynamicConfiguration } from '../lib/traefik/index.ts'
import type { TraefikFileOptions, TraefikHttpOptions, TraefikOptions } from '../lib/traefik/index.ts'
import { sessionEnded } from '../lib/transport/messages.ts'
import { startAuthorizationServer } from './fixtures/authorization-server.ts'
import { call, inSession, open } from './fixtures/http.ts'
import { announcer, createServer as sessionServer } from './fixtures/session-server.ts'
import { blocks, code, documents, exists, filesIn, fragments, links, read, rows, section } from './fixtures/documents.ts'
import { NODES, OUTSIDE, REDIS } from '../lib/cli/doctor/checks.ts'
import { run } from '../lib/cli/run.ts'
import { EVENT_KINDS } from '../lib/events/channels.ts'
import { eventsTo } from './fixtures/events.ts'

const createServer = (): any => ({ connect: async () => {}, close: async () => {} })
const QUICKSTART = 'http://127.0.0.1:3000/mcp'
const bare = (cell: string | undefined): string => (cell ?? '').replaceAll('`', '')
const scripts = Object.keys(JSON.parse(read('package.json')).scripts)
const sources = (...folders: string[]): string => folders.flatMap(filesIn).filter(path => /\.[cm]?[jt]s$/.test(path)).map(read).join('\n')

for (const path of documents()) {
  t.test(path, async t => {
    const text = read(path)
    for (const link of links(text)) {
      if (/^[a-z]+:/.test(link)) continue
      const [file = '', fragment] = link.split('#')
      const target = file === '' ? path : normalize(join(dirname(path), file))
      t.ok(exists(target), `the link ${link} leads to a file`)
      if (fragment !== undefined) t.ok(fragments(read(target)).has(fragment), `the link ${link} leads to a heading`)
    }
    for (const [, script, short] of text.matchAll(/\bnpm (?:run (?:--silent )?([\w:-]+)|(test|start)\b)/g)) {
      t.ok(scripts.includes(script ?? short!), `there is a script ${script ?? short}`)
    }
    for (const [, named] of text.matchAll(/(?<![\w./-])((?:lib|test|docs|examples|scripts|tools(?!\/(?:call|list))|\.ci|\.github)\/[\w./-]*[\w/])(?![\w*<])/g)) {
      t.ok(exists(named!), `there is ${named}`)
    }
  })
}

t.test('CONTRIBUTING.md knows every script and every variable', async t => {
  const text = read('CONTRIBUTING.md')
  for (const script of scripts) {
    if (!/^pre/.test(script)) t.match(text, new RegExp(`npm (run )?${script}\\b(?!:)`), script)
  }
  const all = sources('scripts', 'test', 'examples') + read('.ci/run')
  for (const [name] of text.matchAll(/\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b/g)) t.ok(all.includes(name), `something reads ${name}`)
})

t.test('every option is in its table, and nothing else', async t => {
  const table = rows(section(read('README.md'), 'Options'))
  const named = new Map(table.map(([option, standard, what]) => [bare(option), `${standard} ${what}`]))
  const fastifys = ['prefix', 'logLevel', 'logSerializers']
  t.strictSame([...named.keys()].sort(), (await known(t, {})).filter(name => !fastifys.includes(name)).sort())
  // Files, and what a session has.
  const others = ['ts', 'state']
  const kinds = new Set<string>(EVENT_KINDS)
  for (const group of ['node', 'stream', 'session', 'drain', 'stateless', 'oauth']) {
    const options = await known(t, { [group]: { nonsense: 1 } })
    t.strictSame(optionsIn(named.get(group)!), options.sort(), group)
    for (const path of documents()) {
      const used = code(read(path)).flatMap(span => [...span.matchAll(new RegExp(`(?<![\\w.])${group}\\.(\\w+)`, 'g'))].map(([, name]) => name!))
      t.strictSame(used.filter(name => ![...options, ...others].includes(name) && !kinds.has(`${group}.${name}`)), [], `${path}: ${group}`)
    }
  }
  const events = listed(() => redisEventStore({ nonsense: 1 } as any))
  t.strictSame(optionsIn(named.get('eventStore')!.split('Of the former:')[1]!), events.filter(name => name !== 'redis').sort())
})

t.test('every option for Traefik is in its table, and nothing else', async t => {
  const table = rows(section(read('docs/traefik.md'), 'Options of the document')).map(([option]) => bare(option))
  const own: Record<Exclude<keyof (TraefikHttpOptions & TraefikFileOptions), keyof TraefikOptions | 'prefix'>, true> = { token: true, path: true, file: true, interval: true }
  t.strictSame(table.sort(), [...Object.keys(own), ...listed(() => dynamicConfiguration([], { nonsense: 1 } as any))].sort())
})

t.test('app.mcpSessions is in the README, and nothing else', async t => {
  const app = fastify()
  t.teardown(() => app.close())
  await app.register(mcpSticky, { createServer })
  const members = rows(section(read('README.md'), '`app.mcpSessions`')).flatMap(([cell]) => code(cell!)).map(span => /^\w+/.exec(span)![0])
  t.strictSame([...new Set(members)].sort(), Object.keys(app.mcpSessions).sort())
})

t.test('every command is in cli.md, and nothing else', async t => {
  let usage = ''
  await run(['--help'], { out: text => { usage += text }, err: () => {}, env: {} })
  const verbs = [...usage.matchAll(/^ {2}([a-z]+)(?: [A-Z]+)? {2,}/gm)].map(([, verb]) => verb!)
  t.strictSame(rows(read('docs/cli.md').split('| option of all')[0]!).map(([cell]) => code(cell!)[0]!.split(' ')[0]!).sort(), verbs.sort())
})

t.test('every check of the doctor is in doctor.md, with why and its cure as they are, and nothing else', async t => {
  const text = read('docs/doctor.md')
  for (const [heading, checks] of Object.entries({ 'From outside': OUTSIDE, Redis: REDIS, 'The nodes': NODES })) {
    const written = rows(section(text, heading)).map(([check, , why, cure]) => [bare(check), why, cure])
    t.strictSame(written, checks.map(({ name, why, cure }) => [name, why, Object.entries(cure).map(([place, what]) => `**${place}**: ${what}`).join(' <br>')]), heading)
  }
})

t.test('every kind of event is in operations.md, and nothing else', async t => {
  const table = rows(section(read('docs/operations.md'), 'Events'))
  t.strictSame(table.map(([kind]) => bare(kind)).sort(), [...EVENT_KINDS].sort())
})

t.test('the two endpoints of the README serve, each its own', async t => {
  const [, block] = /```ts\n([^]*?)```/.exec(section(read('README.md'), 'Two endpoints in one application'))!
  const app = fastify()
  t.teardown(() => app.close())
  const AsyncFunction = (async () => {}).constructor as new (...args: string[]) => (...args: unknown[]) => Promise<void>
  const servers: string[] = []
  const makes = (name: string) => () => { servers.push(name); return sessionServer() }
  await new AsyncFunction('app', 'mcpSticky', 'makeServer', 'makeAdminServer', 'subjectOf', block!)(app, mcpSticky, makes('default'), makes('admin'), (authorization?: string) => authorization)
  const url = `${await app.listen({ host: '127.0.0.1', port: 0 })}/mcp`
  const id = await open(`${url}/admin`, { authorization: 'ann' })
  await open(url)
  t.strictSame(servers, ['admin', 'default'])
  t.match(await inSession(`${url}/admin`, id, call('count'), { authorization: 'ann' }), { status: 200 })
  t.match(await inSession(url, id, call('count'), { authorization: 'ann' }), { status: 404, body: { error: { data: { reason: 'unknown' } } } })
})

t.test('what docs/authorization.md begins with takes the right tokens alone, and asks for more scope', async t => {
  const text = read('docs/authorization.md')
  const [first, second] = [...text.matchAll(/```ts\n([^]*?)```/g)].map(([, block]) => block!.replace(/^import .*\n/m, ''))
  const { publicKey, token } = await startAuthorizationServer(t)
  const app = fastify()
  t.teardown(() => app.close())
  const AsyncFunction = (async () => {}).constructor as new (...args: string[]) => (...args: unknown[]) => Promise<void>
  await new AsyncFunction('app', 'jwt', 'mcpSticky', 'publicKey', 'createServer', first!)(app, jwt, mcpSticky, publicKey, () => sessionServer())
  const calls = (body: Buffer | undefined, tool: string): boolean => JSON.parse(String(body)).params?.name === tool
  await new AsyncFunction('app', 'mcpSticky', 'options', 'InsufficientScopeError', 'calls', second!)(app, mcpSticky, { createServer: () => sessionServer(), name: 'second', path: '/second', principal: () => null }, InsufficientScopeError, calls)
  const origin = await app.listen({ host: '127.0.0.1', port: 0 })
  const right = { iss: 'https://login.example.com', aud: 'https://mcp.example.com/mcp', sub: 'ann', scope: 'notes:read' }
  const as = (claims: object) => ({ authorization: `Bearer ${token({ ...right, ...claims })}` })
  const id = await open(`${origin}/mcp`, as({}))
  t.match(await inSession(`${origin}/mcp`, id, call('count'), as({})), { status: 200 })
  t.match(await inSession(`${origin}/mcp`, id, call('count'), as({ sub: 'bob' })), { status: 404 })
  const [challenge] = code(text).filter(span => span.startsWith('WWW-Authenticate: Bearer resource'))
  for (const headers of [{}, as({ aud: 'https://other.example.com' }), as({ iss: 'https://other.example.com' }), as({ sub: undefined })]) {
    t.match(await inSession(`${origin}/mcp`, id, call('count'), headers), { status: 401, headers: { 'www-authenticate': challenge!.replace('WWW-Authenticate: ', '') } })
  }
  t.match(await inSession(`${origin}/second`, 'x', call('keep'), as({})), { status: 403, headers: { 'www-authenticate': 'Bearer error="insufficient_scope", scope="notes:read notes:write"' } })
  t.match(await inSession(`${origin}/second`, 'x', call('keep'), as({ scope: 'notes:read notes:write' })), { status: 404 })
})

t.test('what docs/testing.md shows runs as it is written', async t => {
  const blocks = [...read('docs/testing.md').matchAll(/```ts\n([^]*?)```/g)].map(([, block]) => block!)
  t.equal(blocks.length, 2)
  const app = fastify()
  t.teardown(() => app.close())
  await app.register(mcpSticky, { createServer: announcer })
  const AsyncFunction = (async () => {}).constructor as new (...args: string[]) => (...args: unknown[]) => Promise<void>
  for (const [shown, wrong] of [["text, '1'", "text, '2'"], ['notifications\\/message', 'news']] as const) {
    await t.rejects(new AsyncFunction('app', 'assert', blocks.join('\n').replace(shown, wrong).replace('await app.close()', ''))(app, assert), { code: 'ERR_ASSERTION' })
  }
  await t.resolves(new AsyncFunction('app', 'assert', blocks.join('\n'))(app, assert))
})

t.test('the README has the lines that the quickstart prints', async t => {
  const [, printed] = /\nWithout one[^\n]*\n(.*?)\n\n/s.exec(read('examples/quickstart/server.ts'))!
  const shown = blocks(read('README.md')).filter(block => block.includes(QUICKSTART))
  const flat = (text: string): string => text.replaceAll('\\\\', '\\').replace(/\$\{url\}/g, QUICKSTART).replace(/\s+/g, ' ').trim()
  t.equal(shown.length, 2, 'a client of each era')
  t.equal(flat(shown[1]!), flat(printed!))
})

t.test('CORS lists have every header field that is read', async t => {
  const [, listed] = /allowedHeaders: (\[.*\])/.exec(read('docs/eras.md'))!
  const allowed: string[] = JSON.parse(listed!.replaceAll("'", '"').toLowerCase())
  const fields = new Set([...sources('lib').matchAll(/headers(?:\.|\[')(mcp-[a-z-]+|last-event-id|authorization)/g)].map(([, field]) => field!))
  for (const field of ['content-type', ...fields]) t.ok(allowed.includes(field) || field === 'mcp-sticky-hop', field)
  t.ok(allowed.some(field => field.startsWith(PREFIX)))
})

t.test('every key is in both tables of redis-keys.md, and nothing else', async t => {
  const names: Record<string, string> = { node: '<node id>', index: '<node id>', close: '<node id>', trail: '<name>', looks: '<token>' }
  const keys = Object.entries(redisKeys('mcp:')).map(([name, key]) => typeof key === 'string' ? key : key(names[name] ?? '<id>')).sort()
  const text = read('docs/redis-keys.md')
  const content = rows(text.split('## How often')[0]!).map(([key]) => bare(key))
  t.strictSame(content.sort(), keys)
  t.strictSame(rows(section(text, 'When a key is lost')).map(([key]) => bare(key)).sort(), keys)
})

t.test('every refusal is in errors.md as it is, and nothing else', async t => {
  const refusals = section(read('docs/errors.md'), 'Refusals')
  const written = rows(refusals).map(([reason, status, code, level]) => [bare(reason), status, code, level])
  t.strictSame(written.sort(), REASONS.map(refusalOf).sort())
})

t.test('so is what ends calls', async t => {
  const written = rows(section(read('docs/errors.md'), 'Calls that had begun')).map(([reason, code]) => [bare(reason), Number(code)])
  const lost = JSON.parse(/^data: (.*)$/m.exec(ownerLost([1]))![1]!)
  const ended = sessionEnded(1)
  t.strictSame(written, [lost, ended].map(({ error: { code, data } }) => [data.reason, code]))
  const reasons = [...sources('lib').matchAll(/data: \{ reason: '(\w+)'/g)].map(([, reason]) => reason)
  t.strictSame([...new Set(reasons)].sort(), written.map(([reason]) => reason).sort(), 'and there are no others')
})

t.test('every error is in errors.md, and nothing else', async t => {
  const written = rows(section(read('docs/errors.md'), 'In your process')).map(([code, status, where]) => [bare(code), Number(status), where!.includes('A TypeError')])
  const thrown = Object.values(errors).map(ErrorOfOurs => {
    const error = new (ErrorOfOurs as new (...args: unknown[]) => InstanceType<typeof errors.OptionError>)('a', { cause: undefined })
    return [error.code, error.statusCode, error instanceof TypeError]
  })
  t.strictSame(written.sort(), thrown.sort())
  const named = documents().flatMap(path => [...read(path).matchAll(/MCP_STICKY_ERR_\w+/g)].map(([code]) => code))
  t.strictSame(named.filter(code => !thrown.some(([known]) => known === code)), [], 'no document names another')
})

t.test('the log lines to watch for are there', async t => {
  const lib = sources('lib').replaceAll("\\'", "'")
  for (const [cell] of rows(section(read('docs/operations.md'), 'What to watch'))) {
    for (const part of code(cell!).flatMap(line => line.split(/…|; /)).filter(part => part.trim() !== '')) t.ok(lib.includes(part), part)
  }
})

t.test('every metric is in metrics.md as it is, every option and alert too, and nothing else', async t => {
  const text = read('docs/metrics.md')
  const registry = new Registry()
  const app = fastify()
  t.teardown(() => app.close())
  await app.register(mcpSticky, { createServer })
  await app.register(mcpStickyMetrics, { registry })
  const metrics = registry.getMetricsAsArray() as unknown as Array<{ name: string, type: string, labelNames: string[] }>
  const written = rows(section(text, 'The names')).map(([name, type, labels]) => [bare(name), type, code(labels!).join()])
  t.strictSame(written.sort(), metrics.map(({ name, type, labelNames }) => [name, type, labelNames.join()]).sort())
  const alerts = parse(read('ops/alerts.yml')).groups.flatMap(({ rules }: any) => rules)
  const told = rows(section(text, 'Grafana and alerts')).map(([alert, severity]) => [bare(alert), severity])
  t.strictSame(told.sort(), alerts.map(({ alert, labels: { severity } }: any) => [alert, severity]).sort())
  const options = rows(text.split('## ')[0]!).map(([option]) => bare(option))
  const refused = await Promise.resolve(app.register(mcpStickyMetrics, { nonsense: 1 } as any)).then(() => undefined, error => error)
  t.strictSame(options.sort(), optionsOf(refused).sort())
})

t.test('every metric, attribute and option is in opentelemetry.md, and nothing else', async t => {
  const text = read('docs/opentelemetry.md')
  const metrics: Metric[] = []
  const exporter: Exporter = { read: metric => { metrics.push(metric) }, measure: metric => { metrics.push(metric); return () => {} } }
  const app = fastify()
  t.teardown(() => app.close())
  await app.register(mcpSticky, { createServer })
  t.ok(new Told(exporter, 'here'))
  readMetrics(exporter, app.mcpSessions)
  const kinds = { gauge: 'observable gauge', counter: 'observable counter', histogram: 'histogram' }
  const written = rows(section(text, 'Metrics')).map(([name, kind, unit, attributes]) => [bare(name), kind, bare(unit), code(attributes!).join()])
  t.strictSame(written.sort(), metrics.map(({ name, kind, unit, labels }) => [name, kinds[kind], unit, labels.map(attributeOf).join()]).sort())
  const [, ...attributes] = section(text, 'Spans').split('| attribute |')
  const told = rows(`| attribute |${attributes.join()}`).flatMap(([names]) => code(names!))
  const made = ['attributes', 'tracer'].flatMap(name => [...read(`lib/otel/${name}.ts`).matchAll(/'((?:mcp|gen_ai|rpc|jsonrpc|error|network|server)\.[\w.]+)'/g)].map(([, attribute]) => attribute!))
  t.strictSame(told.sort(), [...new Set(made)].sort())
  const refused = await Promise.resolve(app.register(mcpStickyOtel, { nonsense: 1 } as any)).then(() => undefined, error => error)
  t.strictSame(rows(text.split('## ')[0]!).map(([option]) => bare(option)).sort(), optionsOf(refused).sort())
})

type Reason = typeof REASONS[number]

/** What comes of a refusal: its reason, status, code and level. */
function refusalOf (reason: Reason): string[] {
  const seen: { status?: number, code?: number, level?: string } = {}
  const log = Object.fromEntries(['debug', 'info', 'warn', 'error'].map(level => [level, () => { seen.level = level }]))
  const reply: any = {
    request: { headers: {}, raw: {} },
    raw: {},
    log,
    code: (status: number) => {
      seen.status = status
      return reply
    },
    type: () => reply,
    send: (body: string) => { seen.code = JSON.parse(body).error.code }
  }
  refuser({ endpoint: 'default', counters: newCounters(REASONS), events: eventsTo(log) })({ reply, message: undefined }, reason)
  return [reason, String(seen.status), String(seen.code), String(seen.level)]
}

/** The options that register takes, where one that it does not is. */
async function known (t: Test, options: object): Promise<string[]> {
  const app = fastify()
  t.teardown(() => app.close())
  const given: any = Object.keys(options).length > 0 ? options : { nonsense: 1 }
  return optionsOf(await app.register(mcpSticky, { createServer, ...given }).then(() => undefined, error => error))
}

function listed (call: () => unknown): string[] {
  try {
    call()
  } catch (error) {
    return optionsOf(error)
  }
  throw new Error('an option that is none was taken')
}

function optionsOf (error: any): string[] {
  return /the options here are (.*)$/.exec(error.message)![1]!.split(', ')
}

/** What a row of the options begins its parts with: `name` (default …). */
function optionsIn (cell: string): string[] {
  return [...cell.matchAll(/`(\w+)`(?= \(|[,;]|$)/g)].map(([, name]) => name!).sort()
}
