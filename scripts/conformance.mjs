// Runs the official conformance suites, that of the revisions with sessions and
// that of the one without, against the same process of the everything-server:
// once for each SDK line, answer mode and kind of stateless servers, and against
// three nodes, behind Traefik and behind nginx with no affinity at all. Fails
// when a scenario failed or did not run, or passes though it is owed.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startServer } from './server-process.mjs'
import { installTools, toolNode, toolPackage, toolPath } from './tools.mjs'

const REVISIONS = ['2025-11-25', '2026-07-28']
const RUNS = [
  ['server', 'v1', 'auto', 'shared'], ['server', 'v1', 'sse', 'each'],
  ['server', 'v2', 'auto', 'each'], ['server', 'v2', 'auto', 'shared'], ['server', 'v2', 'sse', 'shared'],
  ['cluster', 'v1', 'auto', 'shared', 'traefik'], ['cluster', 'v2', 'auto', 'each', 'traefik'],
  ['cluster', 'v1', 'auto', 'each', 'nginx'], ['cluster', 'v2', 'sse', 'shared', 'nginx']
]
const PROXIES = { traefik: 'three nodes behind Traefik', nginx: 'three nodes behind nginx, round-robin' }

installTools()
/** Scenarios of 2026-07-28, or single checks of one, that are not passed yet, by SDK line, and why: nothing else may fail, and these must. */
const owed = JSON.parse(readFileSync(new URL('../test/conformance/owed.json', import.meta.url), 'utf8'))
for (const [program, line, mode, servers, proxy] of RUNS) {
  const problems = await judgeAll(program, line, mode, servers, proxy)
  for (const problem of problems) console.log(`  ${problem}`)
  if (problems.length > 0) process.exitCode = 1
}

/** Starts a server, runs every suite against it, and returns what is wrong. */
async function judgeAll (program, line, mode, servers, proxy) {
  const { url, stop } = await startServer(toolNode, [fileURLToPath(new URL(`../test/conformance/${program}.ts`, import.meta.url)), line, mode, servers, ...(proxy === undefined ? [] : [proxy])])
  try {
    const what = `SDK ${line}, ${mode}, stateless ${servers}${proxy === undefined ? '' : `, ${PROXIES[proxy]}`}`
    return REVISIONS.flatMap(revision => judge(revision, url, what, revision === REVISIONS[0] ? {} : owed[line]))
  } finally {
    await stop()
  }
}

/** Runs a suite once, prints its summary, and returns what is wrong. */
function judge (revision, url, what, owed) {
  const results = mkdtempSync(join(tmpdir(), 'conformance-'))
  try {
    const run = spawnSync(toolNode, [toolPath('conformance'), 'server', '--url', url, '--requirements', revision, '--output-dir', results], { encoding: 'utf8' })
    console.log(`\n${what}, ${revision}`)
    // Its total stands in our own line below, which a reader of CI logs cannot take for that of the tests.
    console.log(run.stdout.slice(Math.max(run.stdout.indexOf('=== SUMMARY ==='), 0)).replace(/^Total: .*\n+/m, '').trim())

    const checks = readChecks(results)
    const failures = [...checks].flatMap(([scenario, list]) => list
      .filter(({ status }) => status === 'FAILURE' || status === 'WARNING')
      .map(({ id, status, errorMessage }) => ({ keys: [scenario, `${scenario} ${id}`], text: `${status} ${scenario} ${id}: ${errorMessage}` })))
    const failed = failures.filter(({ keys }) => !keys.some(key => key in owed)).map(({ text }) => text)
    const paid = Object.keys(owed).filter(name => !failures.some(({ keys }) => keys.includes(name))).map(name => `OWED, AND PASSES ${name}`)
    const missing = requiredScenarios(revision).filter(scenario => !checks.has(scenario)).map(scenario => `NOT RUN ${scenario}`)
    const exit = run.status === 0 || failures.length > failed.length ? [] : [`the suite ended with ${run.status ?? run.signal}: ${run.stderr.trim()}`]
    const count = [...checks.values()].flat().filter(({ status }) => status === 'SUCCESS').length
    console.log(`Conformance ${revision}, ${what}: ${checks.size} scenarios, ${count} checks passed, ${failed.length} failed, ${failures.length - failed.length} owed, ${missing.length} scenarios not run`)
    return [...exit, ...failed, ...paid, ...missing]
  } finally {
    rmSync(results, { recursive: true })
  }
}

/** The suite's own list of what a server must pass, so that a run of nothing is no success. */
function requiredScenarios (revision) {
  const list = readFileSync(join(toolPackage('@modelcontextprotocol/conformance'), 'requirements', `${revision}.yaml`), 'utf8')
  const [, server] = /^server:\n((?: +- .+\n)+)/m.exec(list) ?? []
  if (server === undefined) throw new Error(`no server scenarios in the requirements of ${revision}`)
  return [...server.matchAll(/- (\S+)/g)].map(([, name]) => name)
}

/** Scenario name → its checks; a folder is named `server-<scenario>-<time>`. */
function readChecks (results) {
  return new Map(readdirSync(results).map(folder => [
    folder.replace(/^server-/, '').replace(/-\d{4}-\d\d-\d\dT.*$/, ''),
    JSON.parse(readFileSync(join(results, folder, 'checks.json'), 'utf8'))
  ]))
}
