import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

const LOOK_AGAIN = 500

/**
 * Runs `work` while no other process does under the same lock, a folder at
 * `path`. One that a dead process left behind is taken over; two processes
 * that take it over in the same instant may both work, so what they make must
 * be put in place by a rename.
 */
export async function whileLocked (path, work) {
  mkdirSync(dirname(path), { recursive: true })
  for (let told = false; !claim(path);) {
    const holder = holderOf(path)
    if (holder !== undefined && !isAlive(holder)) {
      rmSync(path, { recursive: true, force: true })
      continue
    }
    if (!told && holder !== undefined) {
      told = true
      console.error(`Waiting for process ${holder}, which is at it already. (If that is some other process, delete ${path}.)`)
    }
    await pause(LOOK_AGAIN)
  }
  try {
    return await work()
  } finally {
    rmSync(path, { recursive: true, force: true })
  }
}

/** A rename puts the folder there with our pid in it, or fails because there is one. */
function claim (path) {
  const ours = mkdtempSync(`${path}-`)
  try {
    writeFileSync(join(ours, 'pid'), String(process.pid))
    renameSync(ours, path)
    return true
  } catch (error) {
    rmSync(ours, { recursive: true, force: true })
    if (error.code === 'ENOTEMPTY' || error.code === 'EEXIST') return false
    throw error
  }
}

/** Undefined when the lock has just gone. */
function holderOf (path) {
  try {
    return Number(readFileSync(join(path, 'pid'), 'utf8'))
  } catch (error) {
    if (error.code === 'ENOENT') return undefined
    throw error
  }
}

function isAlive (pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // A process of another user.
    return error.code === 'EPERM'
  }
}
