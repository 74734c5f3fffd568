import { join, relative } from 'node:path'
import t from 'tap'
import ts from 'typescript'

const root = join(import.meta.dirname, '..')
const samples = join(root, 'test/fixtures/types')

const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile)
const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root)

// One program for all samples: the SDKs' own types are most of the work.
const files = ts.sys.readDirectory(samples, ['.ts'])
const program = ts.createProgram(files, options)

t.ok(files.length > 0, 'there are samples')
for (const file of files) {
  t.test(relative(samples, file), async t => {
    const source = program.getSourceFile(file)
    const diagnostics = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)]
    t.equal(ts.formatDiagnostics(diagnostics, {
      getCanonicalFileName: name => name,
      getCurrentDirectory: () => root,
      getNewLine: () => '\n'
    }), '')
  })
}
