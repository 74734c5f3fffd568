import { spawnSync } from 'node:child_process'
import { existsSync, rmSync, writeFileSync } from 'node:fs'

const POLICY = '/usr/sbin/policy-rc.d'

/** Installs a Debian package where that is possible without asking; returns what stood in the way, if anything did. */
export function installPackage (name) {
  if (process.getuid?.() !== 0) return 'only root may install it'
  if (spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).status !== 0) return 'there is no apt-get to install it with'
  return withoutServices(() => {
    for (const args of [['update'], ['install', '-y', '--no-install-recommends', name]]) {
      const { status } = spawnSync('apt-get', ['-q', ...args], {
        env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
        stdio: ['ignore', 2, 2]
      })
      if (status !== 0) return `apt-get ${args.join(' ')} failed`
    }
  })
}

/**
 * A package of a server starts the system's own, on its usual port. Debian asks
 * policy-rc.d before, with systemd, another init or none; 101 forbids it.
 */
function withoutServices (install) {
  if (existsSync(POLICY)) return install()
  // Ctrl-C ends apt-get, then we tidy up.
  const stay = () => {}
  process.on('SIGINT', stay)
  writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    return install()
  } finally {
    rmSync(POLICY, { force: true })
    process.off('SIGINT', stay)
  }
}
