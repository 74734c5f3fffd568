import { existsSync, readdirSync } from 'node:fs'

/** The library that sets a process' wall clock off (Debian's package libfaketime), if it is there. */
export function faketimeLibrary () {
  return readdirSync('/usr/lib').map(folder => `/usr/lib/${folder}/faketime/libfaketimeMT.so.1`).find(path => existsSync(path))
}
