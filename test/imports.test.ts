import { readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import t from 'tap'
import ts from 'typescript'

const lib = join(import.meta.dirname, '../lib')

const leaves = ['errors.ts', 'format.ts', 'session-id.ts']

/**
 * What each part of lib may import besides itself. The arrows point inward:
 * routes → affinity → sessions → transport. Redis and Traefik implement what
 * the inner parts own, and only plugin.ts puts the parts together.
 */
const allowed: Record<string, string[]> = {
  'errors.ts': [],
  'format.ts': [],
  'session-id.ts': [],
  http: leaves,
  security: leaves,
  transport: leaves,
  sessions: ['transport', 'security', ...leaves],
  affinity: ['sessions', 'transport', 'security', 'http', ...leaves],
  routes: ['affinity', 'sessions', 'transport', 'security', 'http', ...leaves],
  redis: ['sessions', 'transport', ...leaves],
  traefik: ['sessions', 'http', ...leaves],
  'options.ts': ['redis', 'sessions', 'transport', 'security', ...leaves],
  'plugin.ts': ['routes', 'affinity', 'sessions', 'transport', 'redis', 'security', 'options.ts', 'connections.ts', ...leaves],
  'connections.ts': [],
  'close-on-signal.ts': ['connections.ts', 'sessions'],
  'index.ts': ['plugin.ts', 'close-on-signal.ts', 'options.ts', 'sessions', 'transport', 'redis', 'security', ...leaves],
  // A module of its own for users, package.json's `./traefik`; of the rest only the command uses it.
  'cli.ts': ['traefik', ...leaves]
}

const part = (path: string) => path.split('/')[0] ?? ''

/** The modules of lib that a file names in imports, exports and import(), as paths within lib. */
function imports (file: string): string[] {
  return ts.preProcessFile(readFileSync(join(lib, file), 'utf8')).importedFiles
    .map(({ fileName }) => fileName)
    .filter(specifier => specifier.startsWith('.'))
    .map(specifier => relative(lib, join(lib, dirname(file), specifier)))
}

const files = ts.sys.readDirectory(lib, ['.ts']).map(file => relative(lib, file))

t.test('imports point one way', async t => {
  t.ok(files.length > 0, 'lib has files')
  const wrong = files.flatMap(file => imports(file)
    .filter(imported => part(imported) !== part(file) && !allowed[part(file)]?.includes(part(imported)))
    .map(imported => `lib/${file} imports lib/${imported}`))
  t.strictSame(wrong, [])
})

t.test('every part of lib has its place', async t => {
  t.strictSame([...new Set(files.map(part))].filter(part => !(part in allowed)), [])
})

t.test('what others may import of the options and of Redis is types', async t => {
  const source = readFileSync(join(lib, 'options.ts'), 'utf8')
  const values = [...source.matchAll(/^import (?!type\b).*from '(\.\/(?:redis|security|sessions|transport)\/[^']*)'/gm)]
  t.strictSame(values.map(([, specifier]) => `lib/options.ts imports ${specifier}`), [])
})
