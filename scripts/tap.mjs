// Puts tap together with the plugins that .taprc names: by itself tap does so in its first run, and uses them from the second on.
import 'tap'
import { signature } from '@tapjs/test'
import { spawnSync } from 'node:child_process'

if (signature.includes('@tapjs/typescript')) {
  const { status } = spawnSync('npx', ['--no', 'tap', 'build'], { stdio: 'inherit' })
  if (status !== 0) {
    console.error('tap could not be built without @tapjs/typescript: run `npx tap build` to see why, or `npm ci` to begin anew.')
    process.exitCode = 1
  }
}
