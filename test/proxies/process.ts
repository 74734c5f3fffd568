import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { request } from 'undici'
import type { TestLike } from '../fixtures/redis.ts'
import { until } from '../fixtures/until.ts'

/**
 * Starts a proxy with a configuration of ours, in a folder of its own; ends
 * with the test. `arguments` gets the folder and the configuration's path.
 */
export async function startProxy (t: TestLike, { program, configuration, args, url }: {
  program: string
  configuration: string
  args: (folder: string, path: string) => string[]
  /** Where it will answer. */
  url: string
}): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'mcp-sticky-proxy-'))
  const path = join(folder, 'configuration')
  await writeFile(path, configuration)
  // Debian keeps servers where not every user looks.
  const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` }
  const child = spawn(program, args(folder, path), { env, stdio: ['ignore', 'ignore', 'pipe'] })
  let errors = ''
  child.stderr.on('data', chunk => { errors += chunk })
  const ended = once(child, 'close')
  t.teardown(async () => {
    child.kill('SIGTERM')
    await ended
    await rm(folder, { recursive: true, force: true })
  })
  await until(`${program} answers`, async () => {
    if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}: ${errors}`)
    const answer = await request(url).catch(() => undefined)
    await answer?.body.dump()
    return answer?.statusCode === 200
  })
}
