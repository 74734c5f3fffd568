import { readFileSync } from 'node:fs'

/** The version of this package; the same from the sources and from what is built of them. */
export function version (): string {
  return (JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }).version
}
