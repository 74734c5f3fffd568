// Runs the official conformance suite against the everything-server, once for
// each SDK line and answer mode, and against three nodes, behind Traefik and
// behind nginx with no affinity at all; fails when a scenario failed or did not
// run.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startServer } from './server-process.mjs'
import { installTools, toolNode, toolPackage, toolPath } from './tools.mjs'

const REVISION = '2025-11-25'
const RUNS = [
  ['server', 'v1', 'auto'], ['server', 'v1', 'sse'], ['server', 'v2', 'auto'], ['server', 'v2', 'sse'],
  ['cluster', 'v1', 'auto', 'traefik'], ['cluster', 'v2', 'auto', 'traefik'],
  ['cluster', 'v1', 'auto', 'nginx'], ['cluster', 'v2', 'sse', 'nginx']
]
const PROXIES = { traefik: 'three nodes behind Traefik', nginx: 'three nodes behind nginx, round-robin' }

installTools()
const required = requiredScenarios()
for (const [program, line, mode, proxy] of RUNS) {
  const problems = await judge(program, line, mode, proxy)
  for (const problem of problems) console.log(`  ${problem}`)
  if (problems.length > 0) process.exitCode = 1
}

/** Runs the suite once, prints its summary, and returns what is wrong. */
async function judge (program, line, mode, proxy) {
  const results = mkdtempSync(join(tmpdir(), 'conformance-'))
  const { url, stop } = await startServer(toolNode, [fileURLToPath(new URL(`../test/conformance/${program}.ts`, import.meta.url)), line, mode, ...(proxy === undefined ? [] : [proxy])])
  try {
    const run = spawnSync(toolNode, [toolPath('conformance'), 'server', '--url', url, '--requirements', REVISION, '--output-dir', results], { encoding: 'utf8' })
    const what = `SDK ${line}, ${mode}${proxy === undefined ? '' : `, ${PROXIES[proxy]}`}`
    console.log(`\n${what}`)
    // Its total stands in our own line below, which a reader of CI logs cannot take for that of the tests.
    console.log(run.stdout.slice(Math.max(run.stdout.indexOf('=== SUMMARY ==='), 0)).replace(/^Total: .*\n+/m, '').trim())

    const checks = readChecks(results)
    const failed = [...checks].flatMap(([scenario, list]) => list
      .filter(({ status }) => status === 'FAILURE' || status === 'WARNING')
      .map(({ id, status, errorMessage }) => `${status} ${scenario} ${id}: ${errorMessage}`))
    const missing = required.filter(scenario => !checks.has(scenario)).map(scenario => `NOT RUN ${scenario}`)
    const exit = run.status === 0 ? [] : [`the suite ended with ${run.status ?? run.signal}: ${run.stderr.trim()}`]
    const count = [...checks.values()].flat().filter(({ status }) => status === 'SUCCESS').length
    console.log(`Conformance ${REVISION}, ${what}: ${checks.size} scenarios, ${count} checks passed, ${failed.length} failed, ${missing.length} scenarios not run`)
    return [...exit, ...failed, ...missing]
  } finally {
    rmSync(results, { recursive: true })
    await stop()
  }
}

/** The suite's own list of what a server must pass, so that a run of nothing is no success. */
function requiredScenarios () {
  const list = readFileSync(join(toolPackage('@modelcontextprotocol/conformance'), 'requirements', `${REVISION}.yaml`), 'utf8')
  const [, server] = /^server:\n((?: +- .+\n)+)/m.exec(list) ?? []
  if (server === undefined) throw new Error(`no server scenarios in the requirements of ${REVISION}`)
  return [...server.matchAll(/- (\S+)/g)].map(([, name]) => name)
}

/** Scenario name → its checks; a folder is named `server-<scenario>-<time>`. */
function readChecks (results) {
  return new Map(readdirSync(results).map(folder => [
    folder.replace(/^server-/, '').replace(/-\d{4}-\d\d-\d\dT.*$/, ''),
    JSON.parse(readFileSync(join(results, folder, 'checks.json'), 'utf8'))
  ]))
}
