// A newcomer finds the test of a file by its name, or in mirror.ts.
import { existsSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import t from 'tap'
import ts from 'typescript'
import { BEHAVIOURS, PROVEN_BY } from './mirror.ts'

const test = import.meta.dirname
const lib = join(test, '../lib')

const within = (folder: string, ending: string): string[] =>
  ts.sys.readDirectory(folder, [ending]).map(file => relative(folder, file).split(sep).join('/')).filter(file => file.endsWith(ending))
const testOf = (file: string): string => file.replace(/\.ts$/, '.test.ts')

/** Whether a statement does nothing when it runs, or hands out what another file does. */
function isInert (statement: ts.Statement): boolean {
  return ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement) || ts.isImportDeclaration(statement) ||
    (ts.isExportDeclaration(statement) && (statement.isTypeOnly || statement.moduleSpecifier !== undefined))
}

/** Whether a file has something that can be tested: it is more than types, and more than the door to other files. */
function does (file: string): boolean {
  const { statements } = ts.createSourceFile(file, readFileSync(join(lib, file), 'utf8'), ts.ScriptTarget.Latest)
  return !statements.every(isInert)
}

const files = within(lib, '.ts').filter(does)
const tests = within(test, '.test.ts')
const wings = ts.sys.getDirectories(lib)

t.test('every file of lib has a test of its name, or is named with those that prove it', async t => {
  t.ok(files.length > 0 && tests.length > 0, 'there are files')
  t.strictSame(files.filter(file => !tests.includes(testOf(file)) && !(file in PROVEN_BY)), [])
})

t.test('what has a test of its name is not named', async t => {
  t.strictSame(Object.keys(PROVEN_BY).filter(file => tests.includes(testOf(file))), [])
})

t.test('what is named is there, and has something to prove', async t => {
  t.strictSame(Object.keys(PROVEN_BY).filter(file => !files.includes(file)), [])
  t.strictSame(Object.entries(PROVEN_BY).filter(([, tests]) => tests.length === 0), [])
  const named = [...Object.values(PROVEN_BY).flat(), ...Object.keys(BEHAVIOURS)]
  t.strictSame(named.filter(name => !name.endsWith('.test.ts') || !existsSync(join(test, name))), [])
})

t.test('every test of a wing is that of a file, or says what it is about', async t => {
  const ofFiles = new Set(files.map(testOf))
  const ofLib = tests.filter(name => !name.includes('/') || wings.includes(name.split('/')[0]!))
  t.strictSame(ofLib.filter(name => !ofFiles.has(name) && !(name in BEHAVIOURS)), [])
  t.strictSame(Object.keys(BEHAVIOURS).filter(name => ofFiles.has(name) || !ofLib.includes(name)), [], 'and no other does')
})
