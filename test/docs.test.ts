// What is written for people and what the code does are one.
import { dirname, join, normalize } from 'node:path'
import fastify from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import * as errors from '../lib/errors.ts'
import mcpSticky, { redisEventStore } from '../lib/index.ts'
import { redisKeys } from '../lib/redis/keys.ts'
import { ownerLost, refusalCounters, refuser } from '../lib/routes/answers/refusal.ts'
import { dynamicConfiguration } from '../lib/traefik/index.ts'
import type { TraefikFileOptions, TraefikHttpOptions, TraefikOptions } from '../lib/traefik/index.ts'
import { sessionEnded } from '../lib/transport/messages.ts'
import { code, documents, exists, filesIn, fragments, links, read, rows, section } from './fixtures/documents.ts'

const createServer = (): any => ({ connect: async () => {}, close: async () => {} })
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
  for (const group of ['node', 'stream', 'session', 'drain']) {
    const options = await known(t, { [group]: { nonsense: 1 } })
    t.strictSame(optionsIn(named.get(group)!), options.sort(), group)
    for (const path of documents()) {
      const used = code(read(path)).flatMap(span => [...span.matchAll(new RegExp(`(?<![\\w.])${group}\\.(\\w+)`, 'g'))].map(([, name]) => name!))
      t.strictSame(used.filter(name => ![...options, ...others].includes(name)), [], `${path}: ${group}`)
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

t.test('every key is in both tables of redis-keys.md, and nothing else', async t => {
  const names: Record<string, string> = { node: '<node id>', index: '<node id>', close: '<node id>' }
  const keys = Object.entries(redisKeys('mcp:')).map(([name, key]) => typeof key === 'string' ? key : key(names[name] ?? '<id>')).sort()
  const text = read('docs/redis-keys.md')
  const content = rows(text.split('## How often')[0]!).map(([key]) => bare(key))
  t.strictSame(content.sort(), keys)
  t.strictSame(rows(section(text, 'When a key is lost')).map(([key]) => bare(key)).sort(), keys)
})

t.test('every refusal is in errors.md as it is, and nothing else', async t => {
  const refusals = section(read('docs/errors.md'), 'Refusals')
  const written = rows(refusals).map(([reason, status, code, level]) => [bare(reason), status, code, level])
  t.strictSame(written.sort(), (Object.keys(refusalCounters()) as Reason[]).map(refusalOf).sort())
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

type Reason = keyof ReturnType<typeof refusalCounters>

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
  refuser(refusalCounters())(reply, reason)
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
