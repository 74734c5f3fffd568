import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('../tools/conformance/', import.meta.url))

/** The Node that the tools need, which is newer than the oldest one that the plugin supports. */
export const toolNode = join(folder, 'node_modules/node/bin/node')

/** The path of a tool's program. */
export const toolPath = name => join(folder, 'node_modules', '.bin', name)

/** The folder of an installed tool's package. */
export const toolPackage = name => join(folder, 'node_modules', name)

/** Installs the tools unless what is installed matches the lock. */
export function installTools () {
  if (isInstalled()) return
  const { status } = spawnSync('npm', ['ci', '--no-fund', '--no-audit'], { cwd: folder, stdio: ['ignore', 2, 2] })
  if (status !== 0 || !isInstalled()) throw new Error(`npm ci in ${folder} failed`)
}

function isInstalled () {
  const { dependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  return existsSync(toolNode) && Object.entries(dependencies).every(([name, version]) => {
    const manifest = join(toolPackage(name), 'package.json')
    return existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).version === version
  })
}
