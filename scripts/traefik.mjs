// `node scripts/traefik.mjs` prints the path of a Traefik binary, which it builds first where there is none.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { whileLocked } from './lock.mjs'

const MODULE = fileURLToPath(new URL('../tools/traefik/', import.meta.url))
const COMMAND = 'github.com/traefik/traefik/v3/cmd/traefik'
/** The first version that sends a request again to another server and fails over between services as we ask it to. */
const OLDEST = [3, 7]
const PROGRESS_INTERVAL = 15_000

/**
 * The path of a Traefik that runs: TRAEFIK_BIN, else `traefik` 3.7 or newer on
 * PATH, else one built from tools/traefik, once, into the user's cache folder.
 * Rejects with a message for people that names the ways out.
 */
export async function traefikBinary () {
  const named = process.env.TRAEFIK_BIN
  if (named !== undefined) {
    if (versionOf(named) === undefined) throw new Error(`TRAEFIK_BIN is ${JSON.stringify(named)}, and that is no Traefik that can be run.`)
    return named
  }
  if (isNewEnough(versionOf('traefik'))) return 'traefik'
  const binary = join(cacheFolder(), `traefik-${moduleHash()}`)
  if (!existsSync(binary)) {
    await whileLocked(`${binary}.lock`, async () => {
      // Whoever held the lock before may have built it.
      if (!existsSync(binary)) await build(binary)
    })
  }
  return binary
}

/** What `traefik version` says after `Version:`, a number or `dev`; undefined when the program does not run. */
function versionOf (program) {
  const { status, stdout } = spawnSync(program, ['version'], { encoding: 'utf8' })
  return status === 0 ? /^Version:\s+(\S+)/m.exec(stdout)?.[1] : undefined
}

function isNewEnough (version) {
  const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(version ?? '') ?? []
  return major > OLDEST[0] || (Number(major) === OLDEST[0] && minor >= OLDEST[1])
}

function cacheFolder () {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache')
  return resolve(cache, 'fastify-mcp-sticky')
}

/** Another go.sum is another Traefik. */
function moduleHash () {
  return createHash('sha256').update(readFileSync(join(MODULE, 'go.sum'))).digest('hex').slice(0, 16)
}

async function build (binary) {
  console.error(`Building Traefik into ${binary}, once: 4 to 5 minutes on two cores.`)
  mkdirSync(cacheFolder(), { recursive: true })
  // Under its name it is complete, whoever looks and whatever stopped us.
  const unfinished = `${binary}.${process.pid}`
  try {
    const problem = await compile(unfinished)
    if (problem !== undefined) throw new Error(`There is no Traefik to run, and it could not be built: ${problem}.\n${waysOut}`)
    renameSync(unfinished, binary)
  } finally {
    rmSync(unfinished, { force: true })
  }
}

const waysOut = `One of these helps:
  - set TRAEFIK_BIN to the path of a Traefik 3.7 or newer;
  - put such a \`traefik\` on PATH;
  - install Go 1.26 or newer (https://go.dev/dl), and let it reach a Go module proxy: it is then built from tools/traefik.`

/** Returns what stood in the way, if anything did. */
async function compile (output) {
  const started = performance.now()
  const go = spawn('go', ['build', '-v', '-trimpath', '-ldflags=-s -w', '-o', output, COMMAND], {
    cwd: MODULE,
    env: { ...process.env, CGO_ENABLED: '0' },
    stdio: ['ignore', 2, 'pipe']
  })
  const seconds = () => Math.round((performance.now() - started) / 1000)
  let downloaded = 0
  let compiled = 0
  const progress = setInterval(() => console.error(`  ${seconds()} s: ${downloaded} modules downloaded, ${compiled} packages compiled`), PROGRESS_INTERVAL)
  createInterface(go.stderr).on('line', line => {
    if (line.startsWith('go: downloading ')) downloaded++
    else if (/^[\w.~-]+(\/[\w.~-]+)*$/.test(line)) compiled++
    else console.error(line)
  })
  try {
    const [code, signal] = await once(go, 'close')
    if (code !== 0) return `go build ended with ${signal ?? code}, see above`
    console.error(`  built in ${seconds()} s`)
  } catch (error) {
    return error.code === 'ENOENT' ? 'there is no `go` on PATH' : `go cannot be run (${error.message})`
  } finally {
    clearInterval(progress)
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    console.log(await traefikBinary())
  } catch (error) {
    console.error(error.message)
    process.exitCode = 1
  }
}
