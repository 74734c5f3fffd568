// Puts tap together with the plugins that .taprc names: by itself tap does so in its first run, and uses them from the second on.
import { spawnSync } from 'node:child_process'

// To import tap begins a test, which would be late when a slow machine builds for half a minute.
process.env.TAP_TIMEOUT = '0'
await import('tap')
const { signature } = await import('@tapjs/test')

if (signature.includes('@tapjs/typescript')) {
  const { status } = spawnSync('npx', ['--no', 'tap', 'build'], { stdio: 'inherit' })
  if (status !== 0) {
    console.error('tap could not be built without @tapjs/typescript: run `npx tap build` to see why, or `npm ci` to begin anew.')
    process.exitCode = 1
  }
}
