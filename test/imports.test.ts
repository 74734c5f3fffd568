import { readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import t from 'tap'
import ts from 'typescript'

const lib = join(import.meta.dirname, '../lib')

const leaves = ['beats.ts', 'counters.ts', 'endpoint-name.ts', 'errors.ts', 'format.ts', 'option-checks.ts', 'session-id.ts', 'version.ts']

/**
 * What each wing of lib may import besides itself. The arrows point inward:
 * routes → affinity → sessions → transport, and all that share sessions meet in
 * the contract of lib/directory, which Redis implements. Only node.ts and
 * endpoint.ts put the wings together, for plugin.ts.
 */
const allowed: Record<string, string[]> = {
  'beats.ts': [],
  'counters.ts': [],
  'endpoint-name.ts': [],
  'errors.ts': [],
  'format.ts': [],
  'session-id.ts': [],
  'version.ts': [],
  'option-checks.ts': ['errors.ts'],
  bounds: leaves,
  events: ['directory', ...leaves],
  http: leaves,
  security: leaves,
  directory: leaves,
  'shared-directory': ['directory', 'bounds', ...leaves],
  transport: ['directory', 'events', 'http', ...leaves],
  stateless: ['transport', 'events', 'http', 'bounds', ...leaves],
  sessions: ['directory', 'events', 'transport', 'http', 'security', 'bounds', ...leaves],
  affinity: ['sessions', 'directory', 'events', 'transport', 'security', 'http', 'bounds', ...leaves],
  routes: ['affinity', 'sessions', 'stateless', 'directory', 'events', 'transport', 'security', 'http', ...leaves],
  redis: ['directory', 'events', 'shared-directory', 'transport', 'bounds', ...leaves],
  shutdown: ['sessions', 'events', 'http', 'bounds', ...leaves],
  cli: ['redis', 'directory', 'stateless', 'traefik', 'http', ...leaves],
  traefik: ['sessions', 'directory', 'http', ...leaves],
  metrics: ['sessions', 'events', 'http', ...leaves],
  otel: ['metrics', 'sessions', 'events', ...leaves],
  'options.ts': ['redis', 'sessions', 'transport', 'security'],
  'settings.ts': ['options.ts', 'transport', ...leaves],
  'node-options.ts': ['options.ts', 'settings.ts', ...leaves],
  'node.ts': ['routes', 'affinity', 'sessions', 'directory', 'events', 'transport', 'redis', 'shutdown', 'security', 'http', 'options.ts', 'settings.ts', ...leaves],
  'endpoint.ts': ['node.ts', 'routes', 'affinity', 'sessions', 'events', 'stateless', 'transport', 'security', 'options.ts', 'settings.ts', ...leaves],
  'plugin.ts': ['node.ts', 'endpoint.ts', 'node-options.ts', 'redis', 'sessions', 'options.ts', 'settings.ts', ...leaves],
  'index.ts': ['plugin.ts', 'events', 'shutdown', 'options.ts', 'sessions', 'directory', 'transport', 'redis', 'security', ...leaves]
}

/** Those that may enter the rooms of a wing: they put the parts together, or hand them out to users. */
const KEYS = ['node.ts', 'endpoint.ts', 'plugin.ts', 'index.ts']
/** Lines; what is longer is two things. */
const LONGEST = 250
/** Files in one folder. */
const MOST = 15

const wing = (path: string): string => path.split(sep)[0]!
/** Whether a file is in a sub-folder of its wing. */
const inRoom = (path: string): boolean => path.split(sep).length > 2

/** The modules of lib that a file names in imports, exports and import(), as paths within lib. */
function imports (file: string): string[] {
  return ts.preProcessFile(readFileSync(join(lib, file), 'utf8')).importedFiles
    .map(({ fileName }) => fileName)
    .filter(specifier => specifier.startsWith('.'))
    .map(specifier => relative(lib, join(lib, dirname(file), specifier)))
}

const files = ts.sys.readDirectory(lib, ['.ts']).map(file => relative(lib, file))
const graph = new Map(files.map(file => [file, imports(file)]))
const arrows = [...graph].flatMap(([from, all]) => all.map(to => ({ from, to })))
const told = ({ from, to }: { from: string, to: string }): string => `lib/${from} imports lib/${to}`

t.test('imports point one way', async t => {
  t.ok(files.length > 0, 'lib has files')
  t.strictSame(arrows.filter(({ from, to }) => wing(from) !== wing(to) && !allowed[wing(from)]?.includes(wing(to))).map(told), [])
})

t.test('every part of lib has its place', async t => {
  t.strictSame([...new Set(files.map(wing))].filter(part => !(part in allowed)), [])
})

t.test('a wing is entered by its face, the files beside its rooms', async t => {
  t.strictSame(arrows.filter(({ from, to }) => wing(from) !== wing(to) && inRoom(to) && !KEYS.includes(from)).map(told), [])
})

t.test('no files import each other in a circle', async t => {
  const circles: string[] = []
  const done = new Set<string>()
  const walk = (file: string, way: string[]): void => {
    if (way.includes(file)) circles.push([...way.slice(way.indexOf(file)), file].join(' → '))
    else if (!done.has(file)) for (const next of graph.get(file) ?? []) walk(next, [...way, file])
    done.add(file)
  }
  for (const file of files) walk(file, [])
  t.strictSame(circles, [])
})

t.test('no file and no folder is too large to know', async t => {
  const long = files.map(file => ({ file, lines: readFileSync(join(lib, file), 'utf8').split('\n').length - 1 })).filter(({ lines }) => lines > LONGEST)
  t.strictSame(long, [])
  const folders = new Set(files.map(dirname))
  t.strictSame([...folders].filter(folder => files.filter(file => dirname(file) === folder).length > MOST), [])
})

t.test('what others may import of the options and of Redis is types', async t => {
  const source = readFileSync(join(lib, 'options.ts'), 'utf8')
  const values = [...source.matchAll(/^import (?!type\b).*from '(\.\/(?:redis|security|sessions|transport)\/[^']*)'/gm)]
  t.strictSame(values.map(([, specifier]) => `lib/options.ts imports ${specifier}`), [])
})
